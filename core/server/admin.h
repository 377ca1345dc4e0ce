#pragma once

/*
 * The admin listener: a unix socket (0600) with a JSON API under /api, on a thread of its own that
 * may wait for the disk.
 */

#include "base/err.h"
#include "config/config.h"
#include "pipeline/pipeline.h"
#include "store/store.h"

struct admin;

/* reload is asked by POST /api/reload and runs on the caller's side; it returns 0, or -1 with the
 * mistakes in err. */
struct admin_hooks {
	int (*reload)(void *ctx, struct buf *mistakes, struct err *err);
	void *ctx;
};

struct admin *admin_start(const char *socket_path, struct store *store, struct pipeline *pipeline,
			  const struct admin_hooks *hooks, struct err *err);
void admin_stop(struct admin *admin); /* accepts NULL; removes the socket */
