#pragma once

/*
 * One claimed task on its way: claimed -> preparing (a launch thread has it) -> prepared -> running
 * -> ended, when its outcome is to be stored.  The dispatcher's thread owns every slot that is
 * neither claimed nor preparing.
 */

#include <stdbool.h>

#include "exec/run.h"
#include "pipeline/launch.h"
#include "pipeline/parts.h"

enum slot_state {
	SLOT_CLAIMED,
	SLOT_PREPARING,
	SLOT_PREPARED,
	SLOT_RUNNING,
	SLOT_ENDED,
	SLOT_STATES
};

struct slot {
	struct slot *next;
	_Atomic enum slot_state state;
	struct launch launch;
	char *directory; /* real path, NULL when its agent is gone */
	struct run *run;
	struct run_result result;
	int64_t retry_at; /* monotonic ms; the outcome could not be stored before */
	bool cancelled, interrupted, stopping;
};

/* Takes the task; NULL: no memory, the task stays the caller's. */
struct slot *slot_new(struct store_task *task, struct config *config);
void slot_free(struct slot *slot);

/* Does what can be done now; true when the slot is over and can be freed. */
bool slot_step(struct slot *slot, struct pipeline *pipeline);
