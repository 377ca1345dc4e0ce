#pragma once

/*
 * An agent's environment: nothing of the daemon's but an allow-list, then what every CLI is told,
 * the CLI's own switches, and the agent's `env` last.
 */

#include "base/err.h"
#include "exec/run.h"
#include "exec/strings.h"

/* Reads the calling process's environment.  0, or -1; strings_done() in either case. */
int environment_build(const struct executor *executor, const struct run_spec *spec,
		      const char *tmp_dir, struct strings *environment, struct err *err);
