/*
 * Taking work back: a person deleted the issue or took the bot off it (design 4.10).  Remembered,
 * because deliveries overtake each other: an event older than its cancellation starts nothing.
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/internal.h"

struct scope {
	const char *issue_id, *bot_id; /* bot_id "": every bot */
	int64_t at;
	const char *reason;
	bool gone;
};

static int remember(struct txn *txn, const struct scope *scope, struct err *err)
{
	return db_run(
	    txn->db,
	    "INSERT INTO cancellations (issue_id, bot_id, at, gone) VALUES (?, ?, ?, ?)"
	    " ON CONFLICT DO UPDATE SET at = max(at, excluded.at),"
	    " gone = max(gone, excluded.gone)",
	    DB_WITH(TEXT(scope->issue_id), TEXT(scope->bot_id), INT(scope->at), INT(scope->gone)),
	    err);
}

/* Nothing is written to a deleted issue any more; the ends of AI tasks still go out. */
static int mute(struct txn *txn, const struct scope *scope, struct err *err)
{
	if (!scope->gone)
		return 0;
	if (db_run(txn->db, "UPDATE tasks SET mute = 1 WHERE issue_id = ? AND asked_at <= ?",
		   DB_WITH(TEXT(scope->issue_id), INT(scope->at)), err) < 0)
		return -1;
	return db_run(txn->db,
		      "UPDATE reports SET state = 'dropped', done_at = ?1,"
		      " why = 'the issue was deleted' WHERE lane = ?2 AND done_at IS NULL"
		      " AND state = 'pending' AND kind IN ('format', 'comment', 'state')"
		      " AND task_id IN (SELECT id FROM tasks WHERE issue_id = ?2 AND mute = 1)",
		      DB_WITH(INT(clock_wall()), TEXT(scope->issue_id)), err);
}

static int end_waiting(struct txn *txn, const struct scope *scope, size_t *count, struct err *err)
{
	json_t *ids = NULL;
	int rc = db_strings(txn->db,
			    "SELECT id FROM tasks WHERE issue_id = ?1 AND (?2 = '' OR bot_id = ?2)"
			    " AND state IN ('waiting', 'held') AND asked_at <= ?3"
			    " ORDER BY event_at, position, id",
			    DB_WITH(TEXT(scope->issue_id), TEXT(scope->bot_id), INT(scope->at)),
			    &ids, err);

	for (size_t i = 0; rc == 0 && i < json_array_size(ids); i++) {
		struct task task;
		rc = task_load(txn->db, json_string_value(json_array_get(ids, i)), &task, err);
		if (rc == 0)
			rc = task_cancel(txn, &task, scope->reason, err);
	}
	*count += json_array_size(ids);
	json_decref(ids);
	return rc;
}

static int stop_running(struct txn *txn, const struct scope *scope, size_t *count, struct err *err)
{
	if (db_run(txn->db,
		   "UPDATE tasks SET cancel = ?1 WHERE issue_id = ?2 AND (?3 = '' OR bot_id = ?3)"
		   " AND state IN ('claimed', 'running') AND asked_at <= ?4 AND cancel IS NULL",
		   DB_WITH(TEXT(scope->reason), TEXT(scope->issue_id), TEXT(scope->bot_id),
			   INT(scope->at)),
		   err) < 0)
		return -1;
	*count += (size_t)db_changes(txn->db);
	return 0;
}

/* What was not taken yet never will be. */
static int end_open_events(struct txn *txn, const struct scope *scope, struct err *err)
{
	if (db_run(txn->db,
		   "UPDATE events SET status = 'ignored', open = 0, rule = 'cancelled since',"
		   " reason = ?1 WHERE open > 0 AND issue_id = ?2"
		   " AND (?3 = '' OR bot_id = ?3) AND at <= ?4",
		   DB_WITH(TEXT(scope->reason), TEXT(scope->issue_id), TEXT(scope->bot_id),
			   INT(scope->at)),
		   err) < 0)
		return -1;
	return dispatch_settle_issue(txn, scope->issue_id, err);
}

static int apply(struct txn *txn, const struct scope *scope, size_t *count, struct err *err)
{
	if (remember(txn, scope, err) < 0 || mute(txn, scope, err) < 0 ||
	    end_waiting(txn, scope, count, err) < 0 || stop_running(txn, scope, count, err) < 0)
		return -1;
	txn->work = true;
	return end_open_events(txn, scope, err);
}

int cancel_apply(struct txn *txn, const struct store_event *event,
		 const struct store_decision *decision, size_t *count, struct err *err)
{
	struct scope scope = {
		.issue_id = event->issue_id,
		.bot_id = "",
		.at = event->at,
		.reason = decision->reason ? decision->reason : event->name,
		.gone = decision->issue_gone,
	};

	*count = 0;
	if (!event->issue_id)
		return 0;
	if (event->removed_count == 0 || decision->issue_gone)
		return apply(txn, &scope, count, err);
	for (size_t i = 0; i < event->removed_count; i++) {
		scope.bot_id = event->removed_bots[i];
		if (scope.bot_id && scope.bot_id[0] && apply(txn, &scope, count, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the verb of the command line ---- */

static int cancel_job(struct txn *txn, void *arg, struct err *err)
{
	const char *run_id = arg;
	struct task task;

	if (task_of_run(txn->db, run_id, &task, err) < 0)
		return -1;
	if (task_is(&task, "waiting held"))
		return task_cancel(txn, &task, "cancelled by the operator", err);
	if (task_is(&task, "ended"))
		return err_set(err, ERR_CONFLICT, "run %s has ended already", run_id);
	txn->work = true;
	return db_run(txn->db, "UPDATE tasks SET cancel = coalesce(cancel, ?) WHERE id = ?",
		      DB_WITH(TEXT("cancelled by the operator"), TEXT(task.id)), err);
}

int store_cancel(struct store *store, const char *run_id, struct err *err)
{
	return store_write(store, cancel_job, (void *)(uintptr_t)run_id, err);
}

int store_cancel_requests(struct store *store, json_t **run_ids, struct err *err)
{
	struct db *db = store_read_begin(store);
	const int rc = db_strings(db,
				  "SELECT run_id FROM tasks WHERE state IN ('claimed', 'running')"
				  " AND cancel IS NOT NULL",
				  DB_NONE, run_ids, err);

	store_read_end(store);
	return rc;
}
