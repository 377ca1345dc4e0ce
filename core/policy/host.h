#pragma once

/* The daemon's side of the zygote.  Any thread may call these. */

#include <sys/types.h>

#include "policy/policy.h"

/*
 * A new worker that has `bundle` (a descriptor, borrowed).  *fd is the daemon's end of its socket,
 * non-blocking, owned by the caller.  Each worker must be ended by host_end().
 */
int host_spawn(struct policy_host *host, int bundle, pid_t *pid, int *fd, struct err *err);

/* Whether the zygote did not answer once: it is not asked again, and no worker will start.  Never
 * blocks. */
bool host_given_up(const struct policy_host *host);

/* Kills the worker if it still runs and waits for its end.  Returns waitpid()'s status, or -1 when
 * the zygote is gone (then its workers are too). */
int host_end(struct policy_host *host, pid_t pid);
