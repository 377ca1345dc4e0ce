#pragma once

#include "policy/peer.h"
#include "policy/policy.h"
#include "policy/protocol.h"

/* For a bundle that is on trial, instead of policy_pool_on_log(). */
void pool_on_trial(struct policy_pool *pool, const struct peer_ears *ears);

/*
 * Asks a free worker and waits for its answer, which is appended.  Waits for a worker for at most
 * `patience` ms: then ERR_FULL.  ERR_CONFLICT: no bundle is in force yet.
 */
int pool_ask(struct policy_pool *pool, enum frame_kind kind, const struct buf *question,
	     int64_t patience, struct buf *answer, struct err *err);
