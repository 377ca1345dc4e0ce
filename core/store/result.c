/* What task.result says: {run_id, issue_id, status, summary, ...} (docs/tunnel.md). */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/internal.h"

#define SUMMARY_LIMIT 16384 /* bytes; escaped as JSON the whole stays below a message's limit */
#define OUTPUT_LIMIT 8192

static const char *status_of(const char *outcome)
{
	return strcmp(outcome, "failure") == 0 ? "failed" : outcome;
}

static int set_text(json_t *object, const char *key, const char *text, size_t limit, bool from_end)
{
	_cleanup_free_ char *bounded = text_bounded(text, limit, from_end);

	return bounded ? json_object_set_new(object, key, json_string(bounded)) : text ? -1 : 0;
}

static json_t *result_begin(const char *run_id, const char *issue_id, const char *status)
{
	return json_pack("{s:s, s:s?, s:s}", "run_id", run_id, "issue_id", issue_id, "status",
			 status);
}

/* Takes the object. */
static char *result_text(json_t *result, bool whole, struct err *err)
{
	char *text = result && whole ? json_text(result) : NULL;

	json_decref(result);
	if (!text)
		err_set(err, ERR_NOMEM, "no memory for the result of a dispatch");
	return text;
}

/* ---- of tasks ---- */

/* The task that speaks for the group: one that succeeded, else the one that ended last. */
static const char spokesman[] =
    "SELECT t.outcome, r.final_text, r.cause, r.tail, t.agent, t.run_id AS run, t.attempt,"
    " r.exit_code, r.signal, r.duration AS duration_ms, r.session_id, r.input_tokens,"
    " r.output_tokens, r.cost_usd FROM tasks t LEFT JOIN runs r ON r.id = t.run_id"
    " WHERE t.event_id = ? ORDER BY t.outcome = 'success' DESC, t.ended_at DESC, t.id LIMIT 1";

/* Told as they are, where they are known. */
static void copy_facts(json_t *result, const json_t *task)
{
	static const char *const facts[] = { "agent",	   "run",	   "attempt",
					     "exit_code",  "signal",	   "duration_ms",
					     "session_id", "input_tokens", "output_tokens",
					     "cost_usd" };

	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		json_t *value = json_object_get(task, facts[i]);
		if (value && !json_is_null(value))
			json_object_set(result, facts[i], value);
	}
}

static int add_runs(struct db *db, const char *group_id, json_t *result, struct err *err)
{
	sqlite3_stmt *row =
	    db_start(db,
		     "SELECT agent, run_id AS run, CASE outcome WHEN 'failure' THEN 'failed' ELSE "
		     "outcome END"
		     " AS status FROM tasks WHERE event_id = ? ORDER BY position, id LIMIT 8",
		     DB_WITH(TEXT(group_id)), err);
	json_t *runs = json_array();
	int rc = row ? 1 : -1;

	while (rc == 1 && (rc = db_step(db, row, err)) == 1)
		json_array_append_new(runs, db_object(row));
	if (rc == 0 && json_array_size(runs) > 1)
		json_object_set(result, "runs", runs);
	json_decref(runs);
	return rc;
}

static int add_texts(json_t *result, const json_t *task, bool success)
{
	const char *outcome = json_str(task, "outcome");
	const char *summary = json_str(task, success ? "final_text" : "cause");
	const char *otherwise = success ? "the agent left no final message" : outcome;

	if (set_text(result, "summary", summary ? summary : otherwise, SUMMARY_LIMIT, false) < 0)
		return -1;
	return success ? 0 : set_text(result, "output", json_str(task, "tail"), OUTPUT_LIMIT, true);
}

char *result_of_group(struct db *db, const char *run_id, const char *issue_id, const char *group_id,
		      struct err *err)
{
	sqlite3_stmt *row = db_start(db, spokesman, DB_WITH(TEXT(group_id)), err);
	const int rc = row ? db_step(db, row, err) : -1;

	if (rc == 0)
		err_set(err, ERR_NOTFOUND, "event %s has no tasks", group_id);
	if (rc != 1)
		return NULL;
	json_t *task = db_object(row);
	db_done(row);
	const char *outcome = json_str(task, "outcome");
	const bool success = outcome && strcmp(outcome, "success") == 0;
	json_t *result = outcome ? result_begin(run_id, issue_id, status_of(outcome)) : NULL;
	bool whole = result && add_texts(result, task, success) == 0;

	if (whole)
		copy_facts(result, task);
	whole = whole && add_runs(db, group_id, result, err) == 0;
	json_decref(task);
	return result_text(result, whole, err);
}

/* ---- of what starts nothing ---- */

/* A cancellation that did what it was sent for is a success. */
static const char event_words[] =
    "SELECT status, rule, reason, gate, removed_bots IS NOT NULL OR name = 'issue.deleted'"
    " AS takes_back FROM events WHERE id = ?";

static const char *event_status(const json_t *event)
{
	const char *status = json_str(event, "status"), *rule = json_str(event, "rule");

	if (rule && strcmp(rule, "cancelled since") == 0)
		return "cancelled";
	return status && strcmp(status, "ignored") == 0 && json_int(event, "takes_back", 0)
		   ? "success"
		   : "failed";
}

static int add_words(json_t *result, const json_t *event)
{
	static const char *const words[] = { "rule", "gate" };
	const char *status = json_str(event, "status"), *reason = json_str(event, "reason");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (json_str(event, words[i]) &&
		    json_object_set(result, words[i], json_object_get(event, words[i])) < 0)
			return -1;
	if (json_object_set(result, "reason", json_object_get(event, "status")) < 0)
		return -1;
	return set_text(result, "summary", reason ? reason : status, SUMMARY_LIMIT, false);
}

char *result_of_event(struct db *db, const char *run_id, const char *issue_id, const char *event_id,
		      struct err *err)
{
	sqlite3_stmt *row = db_start(db, event_words, DB_WITH(TEXT(event_id)), err);
	const int rc = row ? db_step(db, row, err) : -1;

	if (rc == 0)
		err_set(err, ERR_NOTFOUND, "there is no event %s", event_id);
	if (rc != 1)
		return NULL;
	json_t *event = db_object(row);
	db_done(row);
	json_t *result = event ? result_begin(run_id, issue_id, event_status(event)) : NULL;
	const bool whole = result && add_words(result, event) == 0;

	json_decref(event);
	return result_text(result, whole, err);
}

char *result_cancelled(const char *run_id, const char *issue_id, const char *summary,
		       struct err *err)
{
	json_t *result = result_begin(run_id, issue_id, "cancelled");
	const bool whole =
	    result && json_object_set_new(result, "summary", json_string(summary)) == 0;

	return result_text(result, whole, err);
}
