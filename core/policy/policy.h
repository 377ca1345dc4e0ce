#pragma once

/*
 * The four policies, run in worker processes that can always be killed (design 3).
 *
 * A zygote is forked before any thread exists and before any secret is read; it forks workers on
 * demand, each with a bundle of policy and template sources.  A worker has a memory cap, its own
 * CPU timer, no privileges and a seccomp allow-list; a wall-clock backup kills it from outside.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "config/config.h"

struct policy_host;   /* the zygote */
struct policy_bundle; /* sources, templates, agents' public fields, labels, limits */
struct policy_pool;   /* workers of one host, and the bundle in force */

/* Call before any thread is made and before config_load().  Free stops the zygote and waits for it.
 */
struct policy_host *policy_host_start(struct err *err);
void policy_host_free(struct policy_host *host); /* accepts NULL; its pools are freed first */
pid_t policy_host_pid(const struct policy_host *host);

/* Reads the files that config names (policies.dir and templates.dir first, then share).  No check
 * yet. */
int policy_bundle_load(const struct config *config, struct policy_bundle **bundle, struct err *err);
void policy_bundle_free(struct policy_bundle *bundle); /* accepts NULL */
/* Where each file was found: {"policies/filter.lua": "/abs/path", ...}; borrowed. */
const json_t *policy_bundle_files(const struct policy_bundle *bundle);

/* At most `workers` processes, started when needed (and one more while a bundle is loaded). */
struct policy_pool *policy_pool_new(struct policy_host *host, int workers, struct err *err);
void policy_pool_free(struct policy_pool *pool); /* accepts NULL; nobody may be inside */

/*
 * What policies log (log.info "..."), at most VM_LOG_LINES lines a call.  Called on the thread that
 * called policy_*(), before that returns; text is valid UTF-8 and borrowed.  Set it before the pool
 * is used; without it the lines are dropped.
 */
typedef void policy_log_fn(void *ctx, enum log_level level, const char *text);
void policy_pool_on_log(struct policy_pool *pool, policy_log_fn *log, void *ctx);

/*
 * Loads the bundle in a worker; every mistake (file and line) goes to `mistakes`, one a line.  On 0
 * the pool uses it from the next call on and owns it; on -1 the old one stays in force and the
 * caller keeps the bundle: ERR_CONFIG when there are mistakes (a policy that overruns while it is
 * loaded is one), else why it could not be tried.
 */
int policy_pool_use(struct policy_pool *pool, struct policy_bundle *bundle, struct buf *mistakes,
		    struct err *err);

/* Loads it and reports, puts nothing in force: for `check`. */
int policy_pool_check(struct policy_pool *pool, struct policy_bundle *bundle, struct buf *mistakes,
		      struct err *err);

/* What a policy is asked about: raw event bytes and what else is known.  All borrowed. */
struct policy_event {
	const char *body;
	size_t body_len;
	const char *completion; /* JSON {"issue": {...}} fetched over REST, or NULL */
	const json_t *ours;	/* ids we write as; array or NULL */
	int64_t now;		/* wall ms that now() gives */
	bool skip_filter;	/* policy_decide(): of a dispatch, only route is asked */
};

enum policy_action { POLICY_ACCEPT, POLICY_IGNORE, POLICY_CANCEL, POLICY_NO_AGENT };

#define POLICY_TARGETS 8

struct policy_decision {
	enum policy_action action;
	char rule[128]; /* of the policy that decided (route's for ACCEPT) */
	char filter_rule[128];
	char reason[256];
	struct {
		char agent[128];
		int64_t timeout; /* ms; 0: none given */
	} targets[POLICY_TARGETS];
	size_t target_count;
};

/*
 * Filter, then route.  -1: ERR_POLICY (raised, died, answered nonsense), ERR_TIMEOUT, ERR_NOMEM:
 * hold the event; the text names file and line.  Blocks until a worker is free, at most `patience`
 * ms: then ERR_FULL (saturated: store undecided).
 */
int policy_decide(struct policy_pool *pool, const struct policy_event *event, int64_t patience,
		  struct policy_decision *decision, struct err *err);

/*
 * policy_decide() told step by step, in the same worker, under the same limits:
 *   {"event": what the policies see of it, "policies": [{"hook": "filter", "kind": "rules",
 * "tried":
 *   [{"n", "rule", "action", "holds", "condition", "verdict"}], "left_out", "untried", "rule",
 *   "verdict", "line"}, ...], "decision" or "failure"}
 * as lua/openpr/worker.lua gives it; every text in it may be a stranger's.  json_decref().  A
 * policy that fails is `failure`; one that overruns is NULL, as for policy_decide().
 */
json_t *policy_explain(struct policy_pool *pool, const struct policy_event *event, struct err *err);

enum policy_rendered {
	RENDERED_TEXT,	      /* the prompt, or the text that a webhook gets */
	RENDERED_JSON,	      /* what a webhook gets, as JSON */
	RENDERED_EVENT,	      /* nothing: a webhook gets the event as it came */
	RENDERED_NEEDS_ISSUE, /* nothing yet: fields were read that the event lacks; fetch, then
				 call again with a completion */
};

/* The prompt for an agent, or the body for a webhook. */
int policy_render(struct policy_pool *pool, const struct policy_event *event, const char *agent,
		  struct buf *prompt, enum policy_rendered *rendered, struct err *err);

/*
 * What the handler of a custom agent wants done: an array of 1 to POLICY_ACTIONS objects, checked
 * to the last field; json_decref() it.
 *
 *   {"kind": "http", "url", "method", "headers": [{"name", "value"}], "body"?, "bearer"?,
 *    "timeout"? (ms)}
 *   {"kind": "run", "executor", "prompt", "arguments": [texts], "environment": [{"name", "value"}],
 *    "model"?, "timeout"? (ms)}		at most one
 *   {"kind": "comment", "text"}, {"kind": "state", "text"}	at most one each, behind the others
 *
 * Whether the executor is on the whitelist is not asked here.  *actions NULL (and 0): fields of the
 * issue were read that the event lacks; fetch, then call again with a completion.
 */
#define POLICY_ACTIONS 8
int policy_handle(struct policy_pool *pool, const struct policy_event *event, const char *agent,
		  json_t **actions, struct err *err);

/*
 * What OpenPR is told.  run is the object of store_report.run plus "status": "started" or the
 * outcome.  Each text is owned by the caller and NULL when nothing is to be said.
 */
int policy_callback(struct policy_pool *pool, const struct policy_event *event, const json_t *run,
		    const char *agent, char **comment, char **state, struct err *err);

/* filter and route as the operator wrote them, one line a rule: what `rules` prints. */
int policy_rules(struct policy_pool *pool, struct buf *out, struct err *err);

/* The same as {"policies": [{"hook": "filter", "kind": "rules", "rules": [{"n", "name", "when",
 * "action"}]}, ...]}; of kind "function" there are no rules.  json_decref(). */
json_t *policy_rule_list(struct policy_pool *pool, struct err *err);

/* Workers ended for overrunning (time or memory) so far, and started so far. */
void policy_pool_counts(struct policy_pool *pool, uint64_t *kills, uint64_t *starts);

/* Whether the last worker that was needed did not start, e.g. because the zygote was killed. */
bool policy_pool_failing(struct policy_pool *pool);
