#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/internal.h"

/* ---- reading one ---- */

#define TASK_COLUMNS                                                                               \
	"t.id, t.event_id, t.run_id, t.state, t.attempt, t.counted, t.start_reported, t.cancel,"   \
	" t.outcome FROM tasks t "

static int read_task(struct db *db, const char *sql, const char *id, struct task *task,
		     struct err *err)
{
	sqlite3_stmt *row = db_start(db, sql, DB_WITH(TEXT(id)), err);
	const int rc = row ? db_step(db, row, err) : -1;

	if (rc != 1)
		return rc;
	memset(task, 0, sizeof(*task));
	text_copy(task->id, sizeof(task->id), db_text(row, 0));
	text_copy(task->event_id, sizeof(task->event_id), db_text(row, 1));
	text_copy(task->run_id, sizeof(task->run_id), db_text(row, 2));
	text_copy(task->state, sizeof(task->state), db_text(row, 3));
	task->attempt = (int)db_int(row, 4);
	task->counted = (int)db_int(row, 5);
	task->start_reported = db_int(row, 6) != 0;
	task->asked_to_stop = sqlite3_column_type(row, 7) != SQLITE_NULL;
	text_copy(task->cancel, sizeof(task->cancel), db_text(row, 7));
	text_copy(task->outcome, sizeof(task->outcome), db_text(row, 8));
	db_done(row);
	return 1;
}

int task_of_run(struct db *db, const char *run_id, struct task *task, struct err *err)
{
	const int rc =
	    read_task(db, "SELECT " TASK_COLUMNS "JOIN runs r ON r.task_id = t.id WHERE r.id = ?",
		      run_id, task, err);

	return rc == 0 ? err_set(err, ERR_NOTFOUND, "there is no run %s", run_id) : rc < 0 ? -1 : 0;
}

int task_load(struct db *db, const char *id, struct task *task, struct err *err)
{
	const int rc = read_task(db, "SELECT " TASK_COLUMNS "WHERE t.id = ?", id, task, err);

	return rc == 0 ? err_set(err, ERR_NOTFOUND, "there is no task %s", id) : rc < 0 ? -1 : 0;
}

bool task_is(const struct task *task, const char *states)
{
	return strstr(states, task->state) != NULL;
}

int task_at(struct db *db, const char *run_id, const char *states, struct task *task,
	    struct err *err)
{
	if (task_of_run(db, run_id, task, err) < 0)
		return -1;
	if (strcmp(task->run_id, run_id) != 0)
		return err_set(err, ERR_CONFLICT, "run %s is over, the task goes on as run %s",
			       run_id, task->run_id);
	if (!task_is(task, states))
		return err_set(err, ERR_CONFLICT, "run %s is %s", run_id, task->state);
	return 0;
}

/* ---- making ---- */

static int add_run(struct txn *txn, const char *run_id, const char *task_id, int attempt,
		   struct err *err)
{
	return db_run(txn->db,
		      "INSERT INTO runs (id, task_id, attempt, state, created_at)"
		      " VALUES (?, ?, ?, 'waiting', ?)",
		      DB_WITH(TEXT(run_id), TEXT(task_id), INT(attempt), INT(clock_wall())), err);
}

static int make_one(struct txn *txn, const char *event_id, const struct store_event *event,
		    const struct store_decision *decision, size_t position, struct err *err)
{
	const struct store_target *target = &decision->targets[position];
	char id[ID_SIZE], run_id[ID_SIZE];

	id_make(id);
	id_make(run_id);
	if (db_run(txn->db,
		   "INSERT INTO tasks (id, event_id, position, join_key, issue_id, bot_id, agent,"
		   " timeout, state, event_at, asked_at, due, run_id, first_run_id, key, attempt,"
		   " created_at, mute) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'waiting', ?9, ?9,"
		   " 0, ?10, ?10, ?10, 1, ?11, ?12)",
		   DB_WITH(TEXT(id), TEXT(event_id), INT((int64_t)position), TEXT(event->join_key),
			   TEXT(event->issue_id), TEXT(event->bot_id), TEXT(target->agent),
			   INT(target->timeout), INT(event->at), TEXT(run_id), INT(clock_wall()),
			   INT(decision->quiet)),
		   err) < 0)
		return -1;
	return add_run(txn, run_id, id, 1, err);
}

int task_make(struct txn *txn, const char *event_id, const struct store_event *event,
	      const struct store_decision *decision, struct err *err)
{
	for (size_t i = 0; i < decision->target_count && i < STORE_TARGETS; i++)
		if (make_one(txn, event_id, event, decision, i, err) < 0)
			return -1;
	txn->work = true;
	return 0;
}

int task_again(struct txn *txn, struct task *task, int counted, struct err *err)
{
	id_make(task->run_id);
	task->attempt++;
	txn->work = true;
	if (db_run(txn->db,
		   "UPDATE tasks SET state = 'waiting', due = 0, note = NULL, outcome = NULL,"
		   " ended_at = NULL, cancel = NULL, put_off = 0, put_off_at = NULL, run_id = ?,"
		   " attempt = ?, counted = ?"
		   " WHERE id = ?",
		   DB_WITH(TEXT(task->run_id), INT(task->attempt), INT(counted), TEXT(task->id)),
		   err) < 0)
		return -1;
	return add_run(txn, task->run_id, task->id, task->attempt, err);
}

/* ---- ending ---- */

int group_ended(struct db *db, const char *group_id, struct err *err)
{
	int64_t alive = 0;
	const int rc = db_number(db,
				 "SELECT 1 FROM tasks WHERE event_id = ? AND state <> 'ended'"
				 " LIMIT 1",
				 DB_WITH(TEXT(group_id)), &alive, err);

	return rc < 0 ? -1 : rc == 0;
}

struct store_end task_no_end(const struct task *task, enum outcome outcome, const char *cause)
{
	return (struct store_end){
		.run_id = task->run_id,
		.outcome = outcome,
		.exit_code = -1,
		.ended_at = clock_wall(),
		.duration = -1,
		.cause = cause,
		.input_tokens = -1,
		.output_tokens = -1,
		.cost_usd = -1,
	};
}

int run_end(struct txn *txn, const struct store_end *end, enum outcome outcome, const char *cause,
	    struct err *err)
{
	_cleanup_free_ char *why = text_bounded(cause, STORE_WORDS_LIMIT, false);
	_cleanup_free_ char *final_text = text_bounded(end->final_text, STORE_TEXT_LIMIT, false);
	_cleanup_free_ char *tail = text_bounded(end->tail, STORE_TEXT_LIMIT, true);
	_cleanup_free_ char *session = text_bounded(end->session_id, STORE_WORDS_LIMIT, false);

	if ((cause && !why) || (end->final_text && !final_text) || (end->tail && !tail) ||
	    (end->session_id && !session))
		return err_set(err, ERR_NOMEM, "no memory for the end of a run");
	return db_run(txn->db,
		      "UPDATE runs SET state = 'ended', outcome = ?, ended_at = ?, duration = ?,"
		      " exit_code = ?, signal = ?, cause = ?, final_text = ?, tail = ?,"
		      " session_id = coalesce(?, session_id), input_tokens = ?, output_tokens = ?,"
		      " cost_usd = ?, truncated = ? WHERE id = ?",
		      DB_WITH(TEXT(outcome_name(outcome)), INT(end->ended_at),
			      INT_OR_NULL(end->duration, -1), INT_OR_NULL(end->exit_code, -1),
			      INT_OR_NULL(end->signal, 0), TEXT(why), TEXT(final_text), TEXT(tail),
			      TEXT(session), INT_OR_NULL(end->input_tokens, -1),
			      INT_OR_NULL(end->output_tokens, -1),
			      ((struct db_value){ .type = end->cost_usd < 0 ? DB_NULL : DB_REAL,
						  .real = end->cost_usd }),
			      INT(end->truncated), TEXT(end->run_id)),
		      err);
}

int task_finish(struct txn *txn, const struct task *task, const struct store_end *end,
		enum outcome outcome, const char *cause, struct err *err)
{
	txn->work = true;
	if (run_end(txn, end, outcome, cause, err) < 0 ||
	    db_run(txn->db,
		   "UPDATE tasks SET state = 'ended', outcome = ?, ended_at = ?, due = 0,"
		   " note = NULL, cancel = NULL WHERE id = ?",
		   DB_WITH(TEXT(outcome_name(outcome)), INT(end->ended_at), TEXT(task->id)),
		   err) < 0 ||
	    report_format(txn, task->id, false, err) < 0 ||
	    dispatch_settle_group(txn, task->event_id, err) < 0)
		return -1;
	return ai_group_ended(txn, task->event_id, err);
}

int task_cancel(struct txn *txn, struct task *task, const char *cause, struct err *err)
{
	const struct store_end end = task_no_end(task, OUTCOME_CANCELLED, cause);

	return task_finish(txn, task, &end, OUTCOME_CANCELLED, cause, err);
}
