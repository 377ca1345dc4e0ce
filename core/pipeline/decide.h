#pragma once

/* Policies and gates, asked about one event. */

#include <stdint.h>

#include "pipeline/event.h"
#include "pipeline/parts.h"

struct decided {
	struct store_decision decision; /* its strings point into this struct or are static */
	struct policy_decision policy;
	char reason[256];
	bool agent_unknown; /* held because config has no such agent: a reload may be on its way */
};

/*
 * Always decides: a policy that fails is ACTION_HOLD with the reason, no free worker within
 * `patience` ms is ACTION_UNDECIDED.
 */
void decide(struct pipeline *pipeline, const struct config *config, const struct event *event,
	    int64_t patience, struct decided *decided);

/* The same as if it were `now` (wall ms), which is what the policies' now() gives. */
void decide_at(struct pipeline *pipeline, const struct config *config, const struct event *event,
	       int64_t now, int64_t patience, struct decided *decided);

/*
 * Asks OpenPR for the issue of an AI task, so that policies see the same fields as for an event. 0:
 * complete, or nothing to ask for; -1: OpenPR could not be asked, err says why.  A token must
 * exist.
 */
int decide_complete(struct pipeline *pipeline, const struct config *config, struct openpr *openpr,
		    struct event *event, struct err *err);
