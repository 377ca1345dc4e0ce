#pragma once

/* GET /health and GET /ready. */

#include "pipeline/pipeline.h"

struct conn;

void health_serve(struct conn *conn);
/* The status alone: why it is not ready is for the admin listener. */
void health_ready(struct conn *conn, struct pipeline *pipeline);
