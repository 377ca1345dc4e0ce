/*
 * AI tasks: OpenPR's own record of the work it asked for.  One is linked to the group of tasks that
 * stands for it, once and for ever, and is completed or failed when the last of them has ended, and
 * again whenever OpenPR sends it again (openpr-contract 2.2 - 2.4).
 */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/internal.h"

#define SUMMARY_LIMIT 8192 /* bytes of the final text or the tail that OpenPR gets with an end */
#define MESSAGE_LIMIT 1024 /* bytes of error_message */

/* The task that speaks for a group: one that succeeded, else the one that ended last. */
struct spokesman {
	char task_id[ID_SIZE], run_id[ID_SIZE];
	bool success;
	json_t *body;
};

static int set_text(json_t *object, const char *key, const char *text, size_t limit, bool from_end)
{
	_cleanup_free_ char *bounded = text_bounded(text, limit, from_end);

	return bounded ? json_object_set_new(object, key, json_string(bounded)) : 0;
}

static int runs_of_group(struct db *db, const char *group_id, json_t *body, struct err *err)
{
	sqlite3_stmt *row = db_start(db,
				     "SELECT agent, run_id, outcome FROM tasks WHERE event_id = ?"
				     " ORDER BY position, id LIMIT 8",
				     DB_WITH(TEXT(group_id)), err);
	json_t *runs = json_array();
	int rc = row ? 1 : -1;

	while (rc == 1 && (rc = db_step(db, row, err)) == 1)
		json_array_append_new(runs, db_object(row));
	if (rc == 0 && json_array_size(runs) > 1)
		json_object_set(body, "runs", runs);
	json_decref(runs);
	return rc;
}

/* What OpenPR stores as the result: {run_id, agent, outcome, summary}. */
static json_t *result_of(sqlite3_stmt *row, bool success)
{
	json_t *result = json_pack("{s:s, s:s, s:s}", "run_id", db_text(row, 1), "agent",
				   db_text(row, 2), "outcome", db_text(row, 3));
	const char *text = success || !db_text(row, 6) ? db_text(row, 5) : db_text(row, 6);

	if (result && set_text(result, "summary", text, SUMMARY_LIMIT, !success) < 0) {
		json_decref(result);
		return NULL;
	}
	return result;
}

/* /fail takes {error_message, payload} (openpr-contract 2.3). */
static json_t *failure_of(sqlite3_stmt *row, json_t *result)
{
	json_t *body = json_pack("{s:s, s:O}", "error_message", db_text(row, 3), "payload", result);

	if (body && set_text(body, "error_message", db_text(row, 4), MESSAGE_LIMIT, false) < 0) {
		json_decref(body);
		return NULL;
	}
	return body;
}

static int choose(struct db *db, const char *group_id, struct spokesman *chosen, struct err *err)
{
	sqlite3_stmt *row =
	    db_start(db,
		     "SELECT t.id, t.run_id, t.agent, t.outcome, r.cause, r.final_text, r.tail"
		     " FROM tasks t LEFT JOIN runs r ON r.id = t.run_id WHERE t.event_id = ?"
		     " ORDER BY t.outcome = 'success' DESC, t.ended_at DESC, t.id LIMIT 1",
		     DB_WITH(TEXT(group_id)), err);
	const int rc = row ? db_step(db, row, err) : -1;

	if (rc != 1)
		return rc;
	text_copy(chosen->task_id, sizeof(chosen->task_id), db_text(row, 0));
	text_copy(chosen->run_id, sizeof(chosen->run_id), db_text(row, 1));
	chosen->success = strcmp(db_text(row, 3), "success") == 0;
	json_t *result = result_of(row, chosen->success);
	chosen->body = chosen->success ? json_incref(result) : failure_of(row, result);
	db_done(row);
	const int listed = result ? runs_of_group(db, group_id, result, err) : 0;
	json_decref(result);
	if (chosen->body && listed == 0)
		return 1;
	json_decref(chosen->body);
	return listed < 0 ? -1 : err_set(err, ERR_NOMEM, "no memory for the end of an AI task");
}

/* Behind whatever the lane still has.  A row of the same AI task that nobody has sent yet
 * says the same. */
static int queue_end(struct txn *txn, const char *ai_task_id, const struct spokesman *chosen,
		     const char *body, struct err *err)
{
	char id[ID_SIZE];

	id_make(id);
	txn->work = true;
	/* What was forgotten has something to be reported again. */
	if (db_run(txn->db, "UPDATE tasks SET pruned = 0 WHERE id = ? AND pruned = 1",
		   DB_WITH(TEXT(chosen->task_id)), err) < 0)
		return -1;
	return db_run(
	    txn->db,
	    "INSERT INTO reports (id, task_id, run_id, lane, seq, sub, kind, started, issue_id,"
	    " bot_id, bot_name, ai_task_id, state, next_at, created_at, text)"
	    " SELECT ?1, t.id, ?2, coalesce(t.issue_id, t.id),"
	    " (SELECT coalesce(max(seq), 0) + 1 FROM reports), 0, ?3, 0, t.issue_id, a.bot_id,"
	    " a.bot_name, a.id, 'pending', ?4, ?4, ?5 FROM ai_tasks a, tasks t"
	    " WHERE a.id = ?6 AND t.id = ?7 AND NOT EXISTS (SELECT 1 FROM reports o"
	    "  WHERE o.ai_task_id = a.id AND o.state = 'pending')",
	    DB_WITH(TEXT(id), TEXT(chosen->run_id),
		    TEXT(word_report(chosen->success ? REPORT_AI_COMPLETE : REPORT_AI_FAIL)),
		    INT(clock_wall()), TEXT(body), TEXT(ai_task_id), TEXT(chosen->task_id)),
	    err);
}

static int queue_ends(struct txn *txn, const char *group_id, const json_t *ai_tasks,
		      struct err *err)
{
	struct spokesman chosen = { .body = NULL };
	int rc = json_array_size(ai_tasks) > 0 ? group_ended(txn->db, group_id, err) : 0;

	if (rc == 1)
		rc = choose(txn->db, group_id, &chosen, err);
	if (rc != 1)
		return rc;
	_cleanup_free_ char *body = json_text(chosen.body);
	json_decref(chosen.body);
	if (!body)
		return err_set(err, ERR_NOMEM, "no memory for the end of an AI task");
	rc = 0;
	for (size_t i = 0; rc == 0 && i < json_array_size(ai_tasks); i++)
		rc = queue_end(txn, json_string_value(json_array_get(ai_tasks, i)), &chosen, body,
			       err);
	return rc;
}

int ai_group_ended(struct txn *txn, const char *group_id, struct err *err)
{
	json_t *ai_tasks = NULL;

	if (db_strings(txn->db, "SELECT id FROM ai_tasks WHERE group_id = ?",
		       DB_WITH(TEXT(group_id)), &ai_tasks, err) < 0)
		return -1;
	const int rc = queue_ends(txn, group_id, ai_tasks, err);
	json_decref(ai_tasks);
	return rc;
}

static int queue_end_of(struct txn *txn, const char *ai_task_id, const char *group_id,
			struct err *err)
{
	json_t *one = json_pack("[s]", ai_task_id);
	const int rc = one ? queue_ends(txn, group_id, one, err)
			   : err_set(err, ERR_NOMEM, "no memory for the end of an AI task");

	json_decref(one);
	return rc;
}

int ai_link(struct txn *txn, const char *event_id, const struct store_event *event,
	    const char *group_id, struct err *err)
{
	if (!event->ai_task_id)
		return 0;
	if (db_run(txn->db,
		   "INSERT INTO ai_tasks (id, event_id, group_id, bot_id, bot_name, attempt,"
		   " max_attempts, linked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		   DB_WITH(TEXT(event->ai_task_id), TEXT(event_id), TEXT(group_id),
			   TEXT(event->bot_id), TEXT(event->bot_name), INT(event->ai_attempt),
			   INT(event->ai_max_attempts), INT(clock_wall())),
		   err) < 0 ||
	    db_run(txn->db,
		   "UPDATE events SET status = 'joined', open = 0, group_id = ?1,"
		   " reason = 'superseded by a later attempt that was taken' WHERE ai_task_id = ?2"
		   " AND id <> ?3 AND group_id IS NULL"
		   " AND status IN ('held', 'observed', 'no_agent', 'disabled')",
		   DB_WITH(TEXT(group_id), TEXT(event->ai_task_id), TEXT(event_id)), err) < 0 ||
	    dispatch_settle_group(txn, group_id, err) < 0)
		return -1;
	return queue_end_of(txn, event->ai_task_id, group_id, err);
}

int ai_repeat(struct txn *txn, const struct store_event *event, struct err *err)
{
	_cleanup_free_ char *group_id = NULL;
	int rc =
	    db_string(txn->db, "SELECT group_id FROM ai_tasks WHERE id = ? AND attempt < ?",
		      DB_WITH(TEXT(event->ai_task_id), INT(event->ai_attempt)), &group_id, err);

	if (rc != 1)
		return rc;
	rc = db_run(
	    txn->db, "UPDATE ai_tasks SET attempt = ?, max_attempts = ? WHERE id = ?",
	    DB_WITH(INT(event->ai_attempt), INT(event->ai_max_attempts), TEXT(event->ai_task_id)),
	    err);
	return rc < 0 ? -1 : queue_end_of(txn, event->ai_task_id, group_id, err);
}

int ai_take_back(struct txn *txn, const char *group_id, struct err *err)
{
	return db_run(txn->db,
		      "UPDATE reports SET state = 'dropped', done_at = ?,"
		      " why = 'the task was started again' WHERE state = 'pending'"
		      " AND ai_task_id IN (SELECT id FROM ai_tasks WHERE group_id = ?)",
		      DB_WITH(INT(clock_wall()), TEXT(group_id)), err);
}
