/* A run's beginning and end, and what a dead daemon left behind. */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/internal.h"

/* ---- beginning ---- */

struct start {
	const char *run_id, *log_path;
	int64_t at;
};

static int start_job(struct txn *txn, void *arg, struct err *err)
{
	const struct start *start = arg;
	struct task task;

	if (task_at(txn->db, start->run_id, "claimed", &task, err) < 0)
		return -1;
	if (task.asked_to_stop)
		return err_set(err, ERR_CONFLICT, "run %s was asked to stop before it started: %s",
			       start->run_id, task.cancel);
	if (db_run(txn->db,
		   "UPDATE runs SET state = 'running', started_at = ?, log_path = ?"
		   " WHERE id = ?",
		   DB_WITH(INT(start->at), TEXT(start->log_path), TEXT(start->run_id)), err) < 0 ||
	    db_run(txn->db,
		   "UPDATE tasks SET state = 'running', due = 0, start_reported = 1 WHERE id = ?",
		   DB_WITH(TEXT(task.id)), err) < 0)
		return -1;
	return task.start_reported ? 0 : report_format(txn, task.id, true, err);
}

int store_started(struct store *store, const char *run_id, int64_t at, const char *log_path,
		  struct err *err)
{
	struct start start = { run_id, log_path, at };

	return store_write(store, start_job, &start, err);
}

struct session {
	const char *run_id, *session_id;
};

static int session_job(struct txn *txn, void *arg, struct err *err)
{
	const struct session *session = arg;
	_cleanup_free_ char *id = text_bounded(session->session_id, STORE_WORDS_LIMIT, false);

	if (db_run(txn->db, "UPDATE runs SET session_id = ? WHERE id = ?",
		   DB_WITH(TEXT(id), TEXT(session->run_id)), err) < 0)
		return -1;
	return db_changes(txn->db) > 0
		   ? 0
		   : err_set(err, ERR_NOTFOUND, "there is no run %s", session->run_id);
}

int store_session(struct store *store, const char *run_id, const char *session_id, struct err *err)
{
	struct session session = { run_id, session_id };

	return store_write(store, session_job, &session, err);
}

/* ---- end ---- */

struct ending {
	const struct store_end *end;
	bool counted;
	int max_attempts;
};

/* Back to the queue: as it was when it had not begun, else as a new run. */
static int go_back(struct txn *txn, struct task *task, const struct ending *ending, struct err *err)
{
	const struct store_end *end = ending->end;

	if (!task_is(task, "claimed"))
		return run_end(txn, end, OUTCOME_INTERRUPTED, end->cause, err) < 0
			   ? -1
			   : task_again(txn, task, task->counted + ending->counted, err);
	txn->work = true;
	if (db_run(txn->db, "UPDATE tasks SET state = 'waiting', due = 0 WHERE id = ?",
		   DB_WITH(TEXT(task->id)), err) < 0)
		return -1;
	return db_run(txn->db, "UPDATE runs SET state = 'waiting' WHERE id = ?",
		      DB_WITH(TEXT(task->run_id)), err);
}

static int end_task(struct txn *txn, struct task *task, const struct ending *ending,
		    struct err *err)
{
	const struct store_end *end = ending->end;
	const bool more = !ending->counted || task_is(task, "claimed") ||
			  task->counted + 1 < ending->max_attempts;

	if (end->outcome == OUTCOME_SUCCESS)
		return task_finish(txn, task, end, OUTCOME_SUCCESS, end->cause, err);
	if (task->asked_to_stop)
		return task_finish(txn, task, end, OUTCOME_CANCELLED, task->cancel, err);
	if (end->outcome == OUTCOME_INTERRUPTED && more)
		return go_back(txn, task, ending, err);
	return task_finish(txn, task, end, end->outcome, end->cause, err);
}

static int end_job(struct txn *txn, void *arg, struct err *err)
{
	const struct ending *ending = arg;
	const char *run_id = ending->end->run_id;
	struct task task;
	int64_t over = 0;

	/* Said twice (an answer was lost): the first one stands. */
	const int rc = db_number(txn->db, "SELECT state = 'ended' FROM runs WHERE id = ?",
				 DB_WITH(TEXT(run_id)), &over, err);
	if (rc < 0 || over)
		return rc < 0 ? -1 : 0;
	if (task_at(txn->db, run_id, "claimed running", &task, err) < 0)
		return -1;
	return end_task(txn, &task, ending, err);
}

int store_end(struct store *store, const struct store_end *end, bool counted, int max_attempts,
	      struct err *err)
{
	struct ending ending = { end, counted, max_attempts };

	if (end->outcome == OUTCOME_NONE)
		return err_set(err, ERR_CONFLICT, "run %s has no outcome", end->run_id);
	return store_write(store, end_job, &ending, err);
}

/* ---- after a crash ---- */

struct recovery {
	int max_attempts;
	size_t count;
};

static int recover_one(struct txn *txn, const char *id, int max_attempts, struct err *err)
{
	struct task task;

	if (task_load(txn->db, id, &task, err) < 0)
		return -1;
	if (task.asked_to_stop && task_is(&task, "claimed"))
		return task_cancel(txn, &task, task.cancel, err);
	const struct store_end end =
	    task_no_end(&task, OUTCOME_INTERRUPTED, "the daemon ended while this ran");
	const struct ending ending = { &end, true, max_attempts };
	return end_task(txn, &task, &ending, err);
}

static int recover_job(struct txn *txn, void *arg, struct err *err)
{
	struct recovery *recovery = arg;
	json_t *ids = NULL;
	int rc = db_strings(txn->db,
			    "SELECT id FROM tasks WHERE state IN ('claimed', 'running')"
			    " ORDER BY event_at, position, id",
			    DB_NONE, &ids, err);

	recovery->count = json_array_size(ids);
	for (size_t i = 0; rc == 0 && i < recovery->count; i++)
		rc = recover_one(txn, json_string_value(json_array_get(ids, i)),
				 recovery->max_attempts, err);
	json_decref(ids);
	return rc;
}

int store_recover(struct store *store, int max_attempts, size_t *count, struct err *err)
{
	struct recovery recovery = { .max_attempts = max_attempts };

	if (store_write(store, recover_job, &recovery, err) < 0)
		return -1;
	*count = recovery.count;
	return 0;
}
