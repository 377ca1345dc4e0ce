#pragma once

/* Speaks to the running daemon over its admin socket. */

#include "base/json.h"
#include "command/sse.h"
#include "config/config.h"

enum admin_reply {
	ADMIN_OK,
	ADMIN_REFUSED,	 /* the daemon said no: err has its words */
	ADMIN_NO_DAEMON, /* nobody answers on the socket */
};

/*
 * GET of an answer that comes as events (docs/api.md), for as long as it takes; `tell` gets each.
 * ADMIN_OK: it ended; ADMIN_REFUSED also when the connection broke off.
 */
enum admin_reply admin_listen(const struct config *config, const char *path, sse_fn *tell,
			      void *ctx, struct err *err);

/*
 * `answer` may be NULL when it is not wanted; else the caller json_decref()s it.  It is set on
 * ADMIN_OK, and on ADMIN_REFUSED when the daemon said no in JSON; it must be NULL before.
 */
enum admin_reply admin_call(const struct config *config, const char *method, const char *path,
			    json_t **answer, struct err *err);
