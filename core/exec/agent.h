#pragma once

/* Starts the agent's own process: a session of its own, three pipes, nothing else inherited. */

#include <sys/types.h>

#include "base/err.h"
#include "exec/strings.h"

struct agent {
	pid_t pid;	  /* leader of its session and process group */
	int in, out, err; /* our ends, close-on-exec and non-blocking; -1 once closed */
};

/* argv[0] is an absolute path.  On 0, agent_close(). */
int agent_start(const struct strings *argv, const struct strings *environment,
		const char *working_dir, struct agent *agent, struct err *err);

/* Closes what is open; the process is not touched. */
void agent_close(struct agent *agent);
