#pragma once

/*
 * Policies on trial: what `openpr-webhook test` asks for its specs.  Real workers with the real
 * limits answer, and tell which lines of the policies ran.  A trial belongs to one thread.
 */

#include "base/lines.h"
#include "policy/bundle.h"
#include "policy/policy.h"

struct trial;

enum trial_question { TRIAL_DECIDE, TRIAL_RENDER, TRIAL_CALLBACK, TRIAL_RULES };

/*
 * The policies of config, or what a spec puts in their place: its members are {"dir": a folder
 * instead of policies.dir, "policies": {"filter.lua": text, ...}, "templates": {name: text},
 * "agents", "labels": as openpr.worker's load takes them}, each of which may be missing.
 */
struct trial *trial_new(struct policy_host *host, const struct config *config, const json_t *spec,
			struct err *err);
void trial_free(struct trial *trial); /* accepts NULL */

/*
 * 0 also when there are mistakes, one a line: then every question is ERR_CONFLICT.  -1: it could
 * not be tried.  Call it once, before the first question.
 */
int trial_load(struct trial *trial, struct buf *mistakes, struct err *err);

/*
 * question is JSON as lua/openpr/worker.lua takes it.  On 0, the JSON of its answer is appended:
 * one line, and one that the daemon would take.  -1: as policy_decide(); the trial can be asked
 * again.
 */
int trial_ask(struct trial *trial, enum trial_question kind, const struct buf *question,
	      struct buf *answer, struct err *err);

/* Ends its worker until it is asked again. */
void trial_rest(struct trial *trial);

/* "info policies/route.lua: ..." of the last call; borrowed until the next. */
const json_t *trial_log(const struct trial *trial);

/* The lines that have run so far, and the file they are of: NULL where the spec gave the text.
 * Borrowed. */
const struct lines *trial_ran(const struct trial *trial, enum policy_hook hook);
const char *trial_path(const struct trial *trial, enum policy_hook hook);

/* The rules of filter or route that have decided so far, as keys; borrowed, NULL for other hooks.
 */
const json_t *trial_decided(const struct trial *trial, enum policy_hook hook);

/*
 * Where the hook's policy returns rules: {name: whether it has decided an event so far}, in their
 * order.  The caller owns it; NULL where there are none to tell of.  Asks the worker.
 */
json_t *trial_rules(struct trial *trial, enum policy_hook hook);
