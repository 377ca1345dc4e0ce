/* The operator's second chances: a task runs again, a run is reported again. */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/internal.h"

struct retry {
	const char *run_id;
	char new_run_id[ID_SIZE];
};

static int check_kept(struct db *db, const struct task *task, struct err *err)
{
	int64_t kept = 0;
	const int rc = db_number(db, "SELECT 1 FROM bodies WHERE event_id = ?",
				 DB_WITH(TEXT(task->event_id)), &kept, err);

	if (rc == 0)
		return err_set(err, ERR_CONFLICT, "the event of run %s is not kept any more",
			       task->run_id);
	return rc < 0 ? -1 : 0;
}

static int retry_job(struct txn *txn, void *arg, struct err *err)
{
	struct retry *retry = arg;
	struct task task;

	if (task_of_run(txn->db, retry->run_id, &task, err) < 0)
		return -1;
	if (!task_is(&task, "ended"))
		return err_set(err, ERR_CONFLICT, "run %s has not ended, it is %s", task.run_id,
			       task.state);
	if (check_kept(txn->db, &task, err) < 0 || task_again(txn, &task, 0, err) < 0 ||
	    db_run(txn->db,
		   "UPDATE tasks SET start_reported = 0, asked_at = max(asked_at, ?), key = run_id,"
		   " plan = NULL"
		   " WHERE id = ?",
		   DB_WITH(INT(clock_wall()), TEXT(task.id)), err) < 0)
		return -1;
	text_copy(retry->new_run_id, ID_SIZE, task.run_id);
	if (dispatch_reopen(txn, task.event_id, err) < 0)
		return -1;
	return ai_take_back(txn, task.event_id, err);
}

int store_retry(struct store *store, const char *run_id, char new_run_id[ID_SIZE], struct err *err)
{
	struct retry retry = { .run_id = run_id };

	if (store_write(store, retry_job, &retry, err) < 0)
		return -1;
	memcpy(new_run_id, retry.new_run_id, ID_SIZE);
	return 0;
}

/* ---- reports ---- */

/* What is dead or has not gone out yet is replaced by what is made anew. */
static int replace_reports(struct txn *txn, const struct task *task, struct err *err)
{
	return db_run(txn->db,
		      "UPDATE reports SET state = 'dropped', done_at = ?, why = 'made anew'"
		      " WHERE task_id = ? AND state IN ('pending', 'dead')",
		      DB_WITH(INT(clock_wall()), TEXT(task->id)), err);
}

static int check_not_sending(struct db *db, const struct task *task, struct err *err)
{
	int64_t sending = 0;
	const int rc = db_number(db,
				 "SELECT 1 FROM reports WHERE task_id = ? AND state = 'sending'"
				 " LIMIT 1",
				 DB_WITH(TEXT(task->id)), &sending, err);

	if (rc == 1)
		return err_set(err, ERR_CONFLICT, "a report of run %s is being sent at this moment",
			       task->run_id);
	return rc;
}

static int retry_report_job(struct txn *txn, void *arg, struct err *err)
{
	const char *run_id = arg;
	struct task task;

	if (task_of_run(txn->db, run_id, &task, err) < 0)
		return -1;
	if (!task_is(&task, "ended"))
		return err_set(err, ERR_CONFLICT, "run %s is %s: it is reported when it has ended",
			       task.run_id, task.state);
	if (check_kept(txn->db, &task, err) < 0 || check_not_sending(txn->db, &task, err) < 0 ||
	    replace_reports(txn, &task, err) < 0 || report_format(txn, task.id, false, err) < 0)
		return -1;
	txn->work = true;
	if (dispatch_tell_again(txn, task.event_id, err) < 0)
		return -1;
	return ai_group_ended(txn, task.event_id, err);
}

int store_retry_report(struct store *store, const char *run_id, struct err *err)
{
	return store_write(store, retry_report_job, (void *)(uintptr_t)run_id, err);
}
