#pragma once

/*
 * The admin listener: a unix socket (0600), or a TCP address with a token, with a JSON API under
 * /api, on a thread of its own that may wait for the disk.
 */

#include "base/err.h"
#include "config/config.h"
#include "pipeline/pipeline.h"
#include "store/store.h"

struct admin;

/*
 * What only the caller can do.  Both run on the admin thread.
 *
 * reload: POST /api/reload; 0, or -1 with err filled and the mistakes, one a line, in `mistakes`.
 * counters: more of them for GET /api/status ({"server": ...}), which come under "counters"; may be
 * NULL; the result is owned by the admin listener.
 */
struct admin_hooks {
	int (*reload)(void *ctx, struct buf *mistakes, struct err *err);
	void *ctx;
	json_t *(*counters)(void *ctx);
};

/*
 * Listens where config->admin says.  The hooks and what config says are copied, the rest is
 * borrowed.  Refuses a path where another process answers, or that is no socket, and a port that is
 * taken; a folder that is missing is made (0700).
 */
struct admin *admin_start(const struct config *config, struct store *store,
			  struct pipeline *pipeline, const struct admin_hooks *hooks,
			  struct err *err);
void admin_stop(struct admin *admin); /* accepts NULL; removes the socket */
