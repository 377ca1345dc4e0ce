#pragma once

/* Reading config.lua, policies and templates again, all or nothing. */

#include <pthread.h>

#include "base/notify.h"
#include "command/command.h"
#include "config/config.h"
#include "pipeline/pipeline.h"
#include "policy/policy.h"
#include "server/server.h"
#include "tunnel/tunnel.h"

struct reload {
	const struct command_line *line;
	pthread_mutex_t lock;  /* one at a time: SIGHUP and the admin API */
	struct config *config; /* in force; owned reference */
	struct policy_pool *pool;
	struct pipeline *pipeline;
	struct server *server;
	struct tunnel *tunnel;	     /* NULL until all else stands */
	const struct notify *notify; /* borrowed */
};

/* The configuration in force; config_unref() it. */
struct config *reload_config(struct reload *reload);

/* A hook of the admin API (ctx is the struct reload).  Any mistake keeps everything as it was and
 * is listed. */
int reload_now(void *ctx, struct buf *mistakes, struct err *err);
