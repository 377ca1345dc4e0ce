#pragma once

/* GET /api/stream and GET /api/runs/RUN/log: the two answers that go on. */

#include "server/admin_api.h"
#include "server/stream.h"

/*
 * True when the request was one of these and is answered, or is going to be.  `last_event_id`: the
 * header's value, not NUL-terminated, or NULL.
 */
bool admin_stream_serve(const struct admin_api *api, struct streams *streams, struct conn *conn,
			const char *method, const char *path, const char *last_event_id,
			size_t len);
