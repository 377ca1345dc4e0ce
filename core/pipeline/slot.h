#pragma once

/*
 * One claimed task on its way: claimed -> preparing (a launch thread has it) -> prepared -> running
 * -> ended, when its outcome is to be stored.  The dispatcher's thread owns every slot that is
 * neither claimed nor preparing.
 */

#include <stdbool.h>

#include "exec/run.h"
#include "pipeline/act.h"
#include "pipeline/launch.h"
#include "pipeline/parts.h"

enum slot_state {
	SLOT_CLAIMED,
	SLOT_PREPARING,
	SLOT_PREPARED,
	SLOT_RUNNING,
	SLOT_TALKING, /* running, as a conversation */
	SLOT_PUT_OFF, /* the conversation is over, and its work was not taken */
	SLOT_ACTING,  /* custom: its next action is to begin */
	SLOT_DID,     /* custom: an action has ended */
	SLOT_ENDED,
	SLOT_STATES
};

struct slot {
	struct slot *next;
	_Atomic enum slot_state state;
	struct launch launch;
	char *directory; /* real path, NULL when its agent is gone */
	struct run *run;
	struct gateway *gateway;
	char *log_path;		  /* of the conversation */
	struct act act;		  /* custom: the request that is under way */
	int64_t begun_at;	  /* custom: monotonic ms */
	bool counted;		  /* custom: the action that ended is, in the plan */
	bool begun;		  /* the store knows that it has started */
	bool taken;		  /* by the other side, which the store does not know yet */
	struct gateway_news news; /* of a conversation that was put off */
	struct run_result result;
	int64_t retry_at; /* monotonic ms; the outcome could not be stored before */
	bool cancelled, interrupted, stopping;
};

/* Takes the task; NULL: no memory, the task stays the caller's. */
struct slot *slot_new(struct store_task *task, struct config *config);
void slot_free(struct slot *slot);

/* What poll() shall watch for this slot; -1: nothing. */
int slot_fd(const struct slot *slot);

/* Does what can be done now; true when the slot is over and can be freed. */
bool slot_step(struct slot *slot, struct pipeline *pipeline);

/* ---- for slot.c, slot_gateway.c and slot_custom.c ---- */

/* Ends a run that has no process (any more). */
void slot_end(struct slot *slot, enum outcome outcome, const char *cause);
/* True when the store took it; else the slot stays and tries again at the next tick. */
bool slot_stored(struct slot *slot, int rc, const struct err *err);
/* It goes back to the queue; no attempt is used. */
bool slot_give_back(struct slot *slot, struct pipeline *pipeline, int64_t until,
		    const char *reason);
/* It counts as started from now on. */
void slot_started(struct slot *slot, struct pipeline *pipeline);

/* Steps of a conversation. */
bool slot_converse(struct slot *slot, struct pipeline *pipeline);
bool slot_listen(struct slot *slot, struct pipeline *pipeline);
bool slot_put_off(struct slot *slot, struct pipeline *pipeline);

/* Steps of a custom agent's actions: the first, the next one, what became of one. */
bool slot_act(struct slot *slot, struct pipeline *pipeline);
bool slot_next(struct slot *slot, struct pipeline *pipeline);
bool slot_did(struct slot *slot, struct pipeline *pipeline);
/* A request was not taken, when something has been done already. */
bool slot_failed_later(struct slot *slot);
