/*
 * Dispatches: what the control plane asked for through the tunnel, by its own run_id.  Each is owed
 * one ack and one result, which are columns of its row, so that they are written with what they
 * tell.
 */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/dispatch.h"
#include "store/internal.h"

int dispatch_next_seq(struct db *db, int64_t *seq, struct err *err)
{
	int64_t last = 0;

	/* Rows are never removed, so neither maximum falls. */
	if (db_number(db,
		      "SELECT max(coalesce((SELECT max(ack_seq) FROM dispatches), 0),"
		      " coalesce((SELECT max(result_seq) FROM dispatches"
		      "  WHERE result_seq IS NOT NULL), 0))",
		      DB_NONE, &last, err) < 0)
		return -1;
	*seq = last + 1;
	return 0;
}

/* ---- taking ---- */

int dispatch_insert(struct txn *txn, const char *event_id, const struct store_event *event,
		    struct err *err)
{
	int64_t seq = 0;

	txn->work = true;
	if (dispatch_next_seq(txn->db, &seq, err) < 0)
		return -1;
	return db_run(txn->db,
		      "INSERT INTO dispatches (run_id, event_id, issue_id, ack_seq, created_at)"
		      " VALUES (?, ?, ?, ?, ?)",
		      DB_WITH(TEXT(event->dispatch_id), TEXT(event_id), TEXT(event->issue_id),
			      INT(seq), INT(clock_wall())),
		      err);
}

/* What is owed already is not owed twice: it goes out once, or again on a new connection. */
static int owe_result(struct txn *txn, const char *run_id, struct err *err)
{
	int64_t seq = 0;

	txn->work = true;
	if (dispatch_next_seq(txn->db, &seq, err) < 0)
		return -1;
	return db_run(txn->db,
		      "UPDATE dispatches SET result_seq = ?, told_at = NULL WHERE run_id = ?"
		      " AND result IS NOT NULL AND told_at IS NOT NULL",
		      DB_WITH(INT(seq), TEXT(run_id)), err);
}

int dispatch_repeat(struct txn *txn, const char *run_id, char event_id[ID_SIZE], struct err *err)
{
	_cleanup_free_ char *found = NULL;
	int64_t seq = 0;
	const int rc = db_string(txn->db,
				 "SELECT coalesce((SELECT e.id FROM events e WHERE e.id ="
				 " d.event_id), '') FROM dispatches d WHERE d.run_id = ?",
				 DB_WITH(TEXT(run_id)), &found, err);

	if (rc != 1)
		return rc;
	text_copy(event_id, ID_SIZE, found);
	txn->work = true;
	if (dispatch_next_seq(txn->db, &seq, err) < 0 ||
	    db_run(txn->db,
		   "UPDATE dispatches SET ack_seq = ?, acked_at = NULL WHERE run_id = ?"
		   " AND acked_at IS NOT NULL",
		   DB_WITH(INT(seq), TEXT(run_id)), err) < 0)
		return -1;
	return owe_result(txn, run_id, err) < 0 ? -1 : 1;
}

/* ---- the result ---- */

static int set_result(struct txn *txn, const char *run_id, const char *result, struct err *err)
{
	int64_t seq = 0;

	txn->work = true;
	if (!result || dispatch_next_seq(txn->db, &seq, err) < 0)
		return -1;
	return db_run(txn->db,
		      "UPDATE dispatches SET result = ?, result_seq = ?, told_at = NULL, slim = 0"
		      " WHERE run_id = ?",
		      DB_WITH(TEXT(result), INT(seq), TEXT(run_id)), err);
}

/* A dispatch without a result, and what its event says. */
struct unsettled {
	char *run_id, *issue_id, *group_id;
	bool closed; /* its event starts nothing, and nobody will decide it again */
};

static void unsettled_done(struct unsettled *dispatch)
{
	free(dispatch->run_id);
	free(dispatch->issue_id);
	free(dispatch->group_id);
}

static int load_unsettled(struct db *db, const char *event_id, struct unsettled *dispatch,
			  struct err *err)
{
	sqlite3_stmt *row =
	    db_start(db,
		     "SELECT d.run_id, coalesce(d.issue_id, e.issue_id), e.group_id, e.open = 0"
		     " FROM dispatches d JOIN events e ON e.id = d.event_id"
		     " WHERE d.event_id = ? AND d.result IS NULL",
		     DB_WITH(TEXT(event_id)), err);
	const int rc = row ? db_step(db, row, err) : -1;

	if (rc != 1)
		return rc;
	dispatch->run_id = db_copy(row, 0);
	dispatch->issue_id = db_copy(row, 1);
	dispatch->group_id = db_copy(row, 2);
	dispatch->closed = db_int(row, 3) != 0;
	db_done(row);
	return dispatch->run_id ? 1 : err_set(err, ERR_NOMEM, "no memory for a dispatch");
}

static int settle_one(struct txn *txn, const char *event_id, const struct unsettled *dispatch,
		      struct err *err)
{
	const char *run_id = dispatch->run_id, *group_id = dispatch->group_id;
	_cleanup_free_ char *result = NULL;
	const int over = group_id ? group_ended(txn->db, group_id, err) : dispatch->closed;

	if (over != 1)
		return over;
	result = group_id ? result_of_group(txn->db, run_id, dispatch->issue_id, group_id, err)
			  : result_of_event(txn->db, run_id, dispatch->issue_id, event_id, err);
	return set_result(txn, run_id, result, err);
}

int dispatch_settle(struct txn *txn, const char *event_id, struct err *err)
{
	struct unsettled dispatch = { .run_id = NULL };
	int rc = load_unsettled(txn->db, event_id, &dispatch, err);

	if (rc == 1)
		rc = settle_one(txn, event_id, &dispatch, err);
	unsettled_done(&dispatch);
	return rc;
}

static int settle_all(struct txn *txn, const char *sql, const char *id, struct err *err)
{
	json_t *ids = NULL;
	int rc = db_strings(txn->db, sql, DB_WITH(TEXT(id)), &ids, err);

	for (size_t i = 0; rc == 0 && i < json_array_size(ids); i++)
		rc = dispatch_settle(txn, json_string_value(json_array_get(ids, i)), err);
	json_decref(ids);
	return rc;
}

int dispatch_settle_group(struct txn *txn, const char *group_id, struct err *err)
{
	return settle_all(txn,
			  "SELECT e.id FROM events e JOIN dispatches d ON d.event_id = e.id"
			  " WHERE e.group_id = ? AND d.result IS NULL ORDER BY d.ack_seq",
			  group_id, err);
}

int dispatch_settle_issue(struct txn *txn, const char *issue_id, struct err *err)
{
	return settle_all(txn,
			  "SELECT e.id FROM dispatches d JOIN events e ON e.id = d.event_id"
			  " WHERE d.result IS NULL AND e.issue_id = ? AND e.open = 0"
			  " AND e.group_id IS NULL",
			  issue_id, err);
}

#define OF_GROUP                                                                                   \
	" WHERE run_id IN (SELECT d.run_id FROM events e JOIN dispatches d ON d.event_id = e.id"   \
	"  WHERE e.group_id = ?)"

int dispatch_reopen(struct txn *txn, const char *group_id, struct err *err)
{
	return db_run(txn->db, "UPDATE dispatches SET result = NULL, told_at = NULL" OF_GROUP,
		      DB_WITH(TEXT(group_id)), err);
}

int dispatch_tell_again(struct txn *txn, const char *group_id, struct err *err)
{
	json_t *ids = NULL;
	int rc = db_strings(txn->db, "SELECT run_id FROM dispatches" OF_GROUP,
			    DB_WITH(TEXT(group_id)), &ids, err);

	for (size_t i = 0; rc == 0 && i < json_array_size(ids); i++)
		rc = owe_result(txn, json_string_value(json_array_get(ids, i)), err);
	json_decref(ids);
	return rc;
}

/* ---- cancelling ---- */

#define STOPPED "cancelled by the control plane"

/* A dispatch that comes later, or once more, finds itself cancelled. */
static int remember_cancelled(struct txn *txn, const char *run_id, struct err *err)
{
	_cleanup_free_ char *result =
	    result_cancelled(run_id, NULL, "cancelled before it came", err);
	const int64_t now = clock_wall();
	int64_t seq = 0;

	if (!result || dispatch_next_seq(txn->db, &seq, err) < 0 ||
	    db_run(txn->db,
		   "INSERT INTO dispatches (run_id, ack_seq, acked_at, created_at)"
		   " VALUES (?, ?, ?, ?)",
		   DB_WITH(TEXT(run_id), INT(seq), INT(now), INT(now)), err) < 0)
		return -1;
	return set_result(txn, run_id, result, err);
}

static int cancel_event(struct txn *txn, const char *event_id, const struct unsettled *dispatch,
			struct err *err)
{
	_cleanup_free_ char *result =
	    result_cancelled(dispatch->run_id, dispatch->issue_id, STOPPED, err);

	if (!result ||
	    db_run(txn->db,
		   "UPDATE events SET status = 'ignored', open = 0, rule = 'cancelled since',"
		   " reason = '" STOPPED "' WHERE id = ?",
		   DB_WITH(TEXT(event_id)), err) < 0)
		return -1;
	return set_result(txn, dispatch->run_id, result, err);
}

static int cancel_tasks(struct txn *txn, const char *group_id, struct err *err)
{
	json_t *ids = NULL;
	int rc = db_run(txn->db,
			"UPDATE tasks SET cancel = '" STOPPED "' WHERE event_id = ?"
			" AND state IN ('claimed', 'running') AND cancel IS NULL",
			DB_WITH(TEXT(group_id)), err);

	if (rc == 0)
		rc = db_strings(txn->db,
				"SELECT id FROM tasks WHERE event_id = ?"
				" AND state IN ('waiting', 'held') ORDER BY position, id",
				DB_WITH(TEXT(group_id)), &ids, err);
	for (size_t i = 0; rc == 0 && i < json_array_size(ids); i++) {
		struct task task;
		rc = task_load(txn->db, json_string_value(json_array_get(ids, i)), &task, err);
		if (rc == 0)
			rc = task_cancel(txn, &task, STOPPED, err);
	}
	json_decref(ids);
	return rc;
}

static int cancel_job(struct txn *txn, void *arg, struct err *err)
{
	const char *run_id = arg;
	struct unsettled dispatch = { .run_id = NULL };
	_cleanup_free_ char *event_id = NULL;
	int rc =
	    db_string(txn->db, "SELECT coalesce(event_id, '') FROM dispatches WHERE run_id = ?",
		      DB_WITH(TEXT(run_id)), &event_id, err);

	txn->work = true;
	if (rc != 1)
		return rc < 0 ? -1 : remember_cancelled(txn, run_id, err);
	rc = load_unsettled(txn->db, event_id, &dispatch, err);
	if (rc == 0)
		rc = owe_result(txn, run_id, err);
	else if (rc == 1)
		rc = dispatch.group_id ? cancel_tasks(txn, dispatch.group_id, err)
				       : cancel_event(txn, event_id, &dispatch, err);
	unsettled_done(&dispatch);
	return rc;
}

int store_cancel_dispatch(struct store *store, const char *run_id, struct err *err)
{
	if (!run_id[0] || strlen(run_id) > STORE_DISPATCH_ID)
		return err_set(err, ERR_INVALID, "a run_id has 1 to %d bytes", STORE_DISPATCH_ID);
	return store_write(store, cancel_job, (void *)(uintptr_t)run_id, err);
}
