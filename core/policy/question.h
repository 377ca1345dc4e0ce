#pragma once

/* The JSON that lua/openpr/worker.lua is asked with.  Bodies and completions are spliced in as they
 * are: parsed here again they would cost more than the policy. */

#include "policy/policy.h"

/* {"now":..,"ours":..,"completion":..,"agent":..,"run":..,"body":..}; agent and run may be NULL. */
int question_write(struct buf *out, const struct policy_event *event, const char *agent,
		   const json_t *run, struct err *err);
