#pragma once

/* What people are shown of the queue; part of store/store.h.  All of it is JSON, json_decref(). */

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

struct store;

/*
 * Newest first: run_id, task_id, event_id, issue_id, issue_key, agent, rule, state ("waiting",
 * "running", "ended"), held (true: waiting for a release), note (why it is held, backed off or
 * asked to stop), due (of a back-off), outcome, report (of the end: "pending", "delivered",
 * "dead"), tunnel (the results owed to dispatches: "pending", "delivered"), attempt, name, bot_id,
 * bot_name, created_at, started_at, ended_at, duration.  What there is not is null.  At most
 * 100000.  NULL with err filled.
 */
json_t *store_runs(struct store *store, size_t limit, struct err *err);
/* One of them with the event, cause, final text, tail, usage, reports and what joined.
 * ERR_NOTFOUND. */
json_t *store_show(struct store *store, const char *run_id, struct err *err);
/* In short, for those who follow it: run_id, event_id, issue_id, agent, attempt, state, held,
 * outcome, log_path.  ERR_NOTFOUND. */
json_t *store_brief(struct store *store, const char *run_id, struct err *err);
/* Newest first: event_id, name, source, status, rule, reason, gate, issue_id, issue_key, bot_id,
 * bot_name, group_id (the event whose tasks stand for it), received_at, at, releasable.  An
 * event whose task is held has the status "held" here.  status NULL: all. */
json_t *store_events(struct store *store, const char *status, size_t limit, struct err *err);
/* Counts by state: {"waiting":n,"running":n,"held":n,"reports_pending":n,"reports_dead":n}. */
json_t *store_counts(struct store *store, struct err *err);
