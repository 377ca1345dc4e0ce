#pragma once

/* GET /metrics. */

#include "server/admin_api.h"

#define ADMIN_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The whole text, or NULL: out of memory.  The caller frees. */
char *admin_metrics(const struct admin_api *api);
