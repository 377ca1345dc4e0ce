#pragma once

/* OpenPR's REST API (openpr-contract 3). */

#include "callback/channel.h"

/* `path` begins with a slash and follows /api/v1; `body` is NULL or clean JSON. */
openpr_result rest_call(const struct call *call, const char *method, const char *path,
			const json_t *body, json_t **data, struct err *err);
