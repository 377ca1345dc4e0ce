#pragma once

/* One action of a plan, begun.  Private to the slots. */

#include "gateway/gateway.h"
#include "pipeline/launch.h"

/* What a request borrows until its conversation is freed. */
struct act {
	struct gateway_http http;
	struct config_pair headers[40]; /* 32 of the action, and ours */
	char key[ID_SIZE + 8];
	char *bearer; /* owned */
};
void act_done(struct act *act);

/*
 * The request of an action; `number` makes its key, which stays the same after a crash.  NULL with
 * err filled.
 */
struct gateway *act_request(struct act *act, const struct launch *launch, const json_t *action,
			    size_t number, int64_t timeout, const char *log_path,
			    struct breakers *breakers, struct err *err);

/* The program of an action: launch_run() with what the action says. */
struct run *act_run(const struct launch *launch, const json_t *action, int64_t timeout,
		    const char *log_path, struct err *err);
