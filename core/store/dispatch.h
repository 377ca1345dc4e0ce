#pragma once

/* The verbs of the tunnel; what store.h says of its own holds for them too. */

#include "store/store.h"

/*
 * A dispatch (an event with a dispatch_id) is owed an ack from the transaction on that stored it,
 * and a result from the one on that made its outcome final: its tasks have ended, or it starts
 * none.  One result a dispatch, unless the operator runs the work again.  A repeat of its run_id,
 * whatever else it says, is owed both again.
 */
struct store_telling {
	int64_t seq;	 /* rises; a repeat of the same telling has a new one */
	bool ack;	 /* an ack, else a result */
	json_t *payload; /* of task.ack {run_id, issue_id, status} or task.result */
};
void store_telling_done(struct store_telling *telling); /* json_decref()s and empties it */

/* The first that is owed behind `seq` (0: from the start).  1: found, 0: none, -1. */
int store_next_telling(struct store *store, int64_t seq, struct store_telling *telling,
		       struct err *err);
/* The control plane has certainly read it.  Nothing happens to one that is not owed (any more). */
int store_told(struct store *store, int64_t seq, struct err *err);

/* The same without waiting for the disk; if it is lost, it is told once more. */
void store_told_soon(struct store *store, int64_t seq);

/*
 * task.cancel: what stands for this run_id is stopped, also for others that joined it.  One that
 * has its result is owed it again; one that never came is remembered as cancelled.  ERR_INVALID: no
 * run_id can look so.
 */
int store_cancel_dispatch(struct store *store, const char *run_id, struct err *err);

/* How far the dispatches are that have no result and are not merely waiting for their turn: an
 * array of at most `limit` objects {run_id, issue_id, state ("waiting", "running", "held"), agent,
 * attempt, note, run, log_path}; oldest first, json_decref(). */
int store_dispatches(struct store *store, size_t limit, json_t **list, struct err *err);

#define STORE_DISPATCH_ID 256 /* bytes of a run_id */
