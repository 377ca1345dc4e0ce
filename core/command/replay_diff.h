#pragma once

/* What was decided about a stored event, beside what other policies say of it now. */

#include <stdbool.h>

#include "base/json.h"
#include "policy/policy.h"
#include "store/past.h"

struct replay_diff {
	/* all borrowed from the past and the decision; NULL: not known, and not compared */
	const char *was_verdict, *was_filter_rule, *was_rule, *was_reason;
	const json_t *was_agents;
	const char *now_verdict, *now_filter_rule, *now_rule, *now_reason;
	json_t *now_agents;			 /* owned */
	bool verdict, filter_rule, rule, agents; /* what differs */
};

/* Whether policies decided about it when it came; when not, there is nothing to compare. */
bool replay_diff_known(const struct past *past);

/* err: why the policies failed now, decision is not looked at then; else NULL. */
void replay_diff_make(struct replay_diff *diff, const struct past *past,
		      const struct policy_decision *decision, const struct err *err);
void replay_diff_done(struct replay_diff *diff);

bool replay_diff_any(const struct replay_diff *diff);

/* {"event_id", ..., "was": {...}, "now": {...}, "differs": [...]}; json_decref(). */
json_t *replay_diff_json(const struct replay_diff *diff, const struct past *past);
