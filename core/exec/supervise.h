#pragma once

/*
 * The runner's main work: feeds the agent, reads it, and ends it by its deadline, a message of the
 * daemon, or the daemon's death.  When it returns, no process of the run is left.
 */

#include <stdbool.h>
#include <stdint.h>

#include "exec/agent.h"
#include "exec/control.h"
#include "exec/output.h"
#include "exec/spec.h"
#include "exec/stream.h"
#include "exec/whitelist.h"

/* Why a run was stopped; the first reason stands, but an abandoned run has no grace. */
enum stop { STOP_NONE, STOP_DEADLINE, STOP_CANCEL, STOP_INTERRUPT, STOP_ABANDONED };

/* Reads the daemon's messages; the reason that they give, or STOP_NONE.  Never blocks. */
enum stop supervise_hear(struct control_reader *reader, int control);

struct supervised {
	enum stop stop;
	int exit_code, signal; /* -1: none; 0: none */
	int64_t duration;      /* ms */
	struct tail tail;      /* of everything */
	struct tail errors;    /* of stderr */
};

struct supervise_job {
	const struct spec *spec;
	const struct executor *executor;
	struct control_reader *reader;
	int control;
	int children; /* a signalfd for SIGCHLD, which is blocked */
	struct agent *agent;
	struct output *output;
	struct stream *stream;
};
void supervise(const struct supervise_job *job, struct supervised *result);
