/* Handing tasks out, and taking them back before they have begun. */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/internal.h"

/*
 * The oldest waiting task that is due and whose issue is free: nothing claimed or running there,
 * and no earlier task waiting; one that an agent behind HTTP has put off holds up that agent's own
 * later work alone, or a target that is gone for a day would hold up everything.  Both looks and
 * the order come from partial indexes, so that the ended tasks cost nothing.
 */
static const char next_task[] =
    "SELECT t.id FROM tasks t WHERE t.state = 'waiting' AND t.due <= ?1"
    " AND t.agent NOT IN (SELECT value FROM json_each(?2))"
    " AND NOT EXISTS (SELECT 1 FROM tasks b WHERE b.issue_id = t.issue_id"
    "  AND b.state IN ('claimed', 'running'))"
    " AND NOT EXISTS (SELECT 1 FROM tasks w WHERE w.issue_id = t.issue_id"
    "  AND w.state = 'waiting'"
    "  AND (w.agent = t.agent OR NOT EXISTS (SELECT 1 FROM tasks p"
    "   WHERE p.issue_id = t.issue_id AND p.state = 'waiting' AND p.agent = w.agent"
    "   AND p.put_off > 0 AND p.due > ?1))"
    "  AND (w.event_at, w.position, w.id) < (t.event_at, t.position, t.id))"
    " ORDER BY t.event_at, t.position, t.id LIMIT 1";

struct claim {
	int64_t now;
	char *busy; /* JSON */
	struct store_task *task;
};

static int read_task(sqlite3_stmt *row, struct store_task *task)
{
	char **const texts[] = { &task->agent,	   &task->rule,	       &task->issue_id,
				 &task->issue_key, &task->issue_state, &task->bot_id,
				 &task->bot_name,  &task->comment_id,  &task->completion,
				 &task->session,   &task->plan };

	for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++) {
		*texts[i] = db_copy(row, i);
		if (!*texts[i] && sqlite3_column_type(row, i) != SQLITE_NULL)
			return -1;
	}
	text_copy(task->id, ID_SIZE, db_text(row, 11));
	text_copy(task->run_id, ID_SIZE, db_text(row, 12));
	text_copy(task->event_id, ID_SIZE, db_text(row, 13));
	task->attempt = (int)db_int(row, 14);
	task->kind = word_to_kind(db_text(row, 15));
	task->source = word_to_source(db_text(row, 16));
	task->timeout = db_int(row, 17);
	task->started_before = db_int(row, 18) != 0;
	text_copy(task->key, ID_SIZE, db_text(row, 20));
	task->put_off = (int)db_int(row, 21);
	task->put_off_at = db_int(row, 22);
	task->body_len = (size_t)sqlite3_column_bytes(row, 19);
	task->body = calloc(1, task->body_len + 1);
	if (!task->body)
		return -1;
	if (task->body_len > 0)
		memcpy(task->body, sqlite3_column_blob(row, 19), task->body_len);
	return 0;
}

static int load(struct db *db, const char *id, struct store_task **task, struct err *err)
{
	sqlite3_stmt *row = db_start(
	    db,
	    "SELECT t.agent, e.rule, t.issue_id, e.issue_key, e.issue_state, t.bot_id, e.bot_name,"
	    " e.comment_id, b.completion,"
	    " (SELECT r.session_id FROM runs r WHERE r.task_id = t.id"
	    "  AND r.attempt >= (SELECT k.attempt FROM runs k WHERE k.id = t.key)"
	    "  AND r.session_id IS NOT NULL ORDER BY r.attempt DESC LIMIT 1),"
	    " t.plan, t.id, t.run_id, t.event_id, t.attempt, e.kind, e.source,"
	    " t.timeout, t.start_reported, b.body, t.key, t.put_off, t.put_off_at"
	    " FROM tasks t JOIN events e ON e.id = t.event_id"
	    " LEFT JOIN bodies b ON b.event_id = e.id WHERE t.id = ?",
	    DB_WITH(TEXT(id)), err);
	int rc = row ? db_step(db, row, err) : -1;

	if (rc != 1)
		return rc == 0 ? err_set(err, ERR_NOTFOUND, "there is no task %s", id) : -1;
	struct store_task *made = calloc(1, sizeof(*made));
	rc = made ? read_task(row, made) : -1;
	db_done(row);
	if (rc < 0) {
		store_task_free(made);
		return err_set(err, ERR_NOMEM, "no memory for a task");
	}
	*task = made;
	return 0;
}

static int claim_job(struct txn *txn, void *arg, struct err *err)
{
	struct claim *claim = arg;
	_cleanup_free_ char *id = NULL;
	const int rc =
	    db_string(txn->db, next_task, DB_WITH(INT(claim->now), TEXT(claim->busy)), &id, err);

	if (rc != 1)
		return rc;
	if (db_run(txn->db, "UPDATE tasks SET state = 'claimed', note = NULL WHERE id = ?",
		   DB_WITH(TEXT(id)), err) < 0 ||
	    db_run(txn->db,
		   "UPDATE runs SET state = 'claimed'"
		   " WHERE id = (SELECT run_id FROM tasks WHERE id = ?)",
		   DB_WITH(TEXT(id)), err) < 0)
		return -1;
	return load(txn->db, id, &claim->task, err);
}

static char *names_json(const char *const *names, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(names[i]));
	char *text = json_array_size(list) == count ? json_text(list) : NULL;
	json_decref(list);
	return text;
}

int store_claim(struct store *store, int64_t now, const char *const *busy_agents, size_t busy_count,
		struct store_task **task, struct err *err)
{
	_cleanup_free_ char *busy = names_json(busy_agents, busy_count);
	struct claim claim = { .now = now, .busy = busy };

	if (!busy)
		return err_set(err, ERR_NOMEM, "no memory for a list of agents");
	if (store_write(store, claim_job, &claim, err) < 0) {
		store_task_free(claim.task); /* the COMMIT failed: it is not ours */
		return -1;
	}
	if (!claim.task)
		atomic_store(&store->claim_looked, now);
	*task = claim.task;
	return 0;
}

void store_task_free(struct store_task *task)
{
	if (!task)
		return;
	free(task->agent);
	free(task->rule);
	free(task->issue_id);
	free(task->issue_key);
	free(task->issue_state);
	free(task->bot_id);
	free(task->bot_name);
	free(task->comment_id);
	free(task->body);
	free(task->completion);
	free(task->session);
	free(task->plan);
	free(task);
}

struct planning {
	const char *run_id, *plan;
};

static int plan_job(struct txn *txn, void *arg, struct err *err)
{
	const struct planning *planning = arg;
	struct task task;

	if (task_at(txn->db, planning->run_id, "claimed running", &task, err) < 0)
		return -1;
	return db_run(txn->db, "UPDATE tasks SET plan = ? WHERE id = ?",
		      DB_WITH(TEXT(planning->plan), TEXT(task.id)), err);
}

int store_plan(struct store *store, const char *run_id, const char *plan, struct err *err)
{
	struct planning planning = { run_id, plan };

	return store_write(store, plan_job, &planning, err);
}

int64_t store_next_due(struct store *store)
{
	const int64_t looked = atomic_load(&store->claim_looked);
	struct db *db = store_read_begin(store);
	struct err ignored;
	int64_t due = 0;
	const int rc = db_number(db,
				 "SELECT due FROM tasks WHERE state = 'waiting' AND due > 0"
				 " AND due > ? ORDER BY due LIMIT 1",
				 DB_WITH(INT(looked)), &due, &ignored);

	store_read_end(store);
	return rc == 1 ? due : INT64_MAX;
}

/* ---- giving back ---- */

struct give_back {
	const char *run_id, *reason;
	int64_t until;
	const char *state; /* of the task afterwards */
	bool put_off;
};

static int give_back_job(struct txn *txn, void *arg, struct err *err)
{
	const struct give_back *given = arg;
	struct task task;
	_cleanup_free_ char *note = text_bounded(given->reason, STORE_WORDS_LIMIT, false);

	if (task_at(txn->db, given->run_id, "claimed", &task, err) < 0)
		return -1;
	if (task.asked_to_stop)
		return task_cancel(txn, &task, task.cancel, err);
	txn->work = true;
	if (db_run(txn->db, "UPDATE tasks SET state = ?, due = ?, note = ? WHERE id = ?",
		   DB_WITH(TEXT(given->state), INT(given->until), TEXT(note), TEXT(task.id)),
		   err) < 0)
		return -1;
	if (given->put_off &&
	    db_run(txn->db,
		   "UPDATE tasks SET put_off = put_off + 1, put_off_at = coalesce(put_off_at, ?)"
		   " WHERE id = ?",
		   DB_WITH(INT(clock_wall()), TEXT(task.id)), err) < 0)
		return -1;
	return db_run(txn->db, "UPDATE runs SET state = 'waiting' WHERE id = ?",
		      DB_WITH(TEXT(given->run_id)), err);
}

int store_defer(struct store *store, const char *run_id, int64_t until, const char *reason,
		struct err *err)
{
	struct give_back given = { run_id, reason, until, "waiting", false };

	return store_write(store, give_back_job, &given, err);
}

int store_put_off(struct store *store, const char *run_id, int64_t until, const char *reason,
		  struct err *err)
{
	struct give_back given = { run_id, reason, until, "waiting", true };

	return store_write(store, give_back_job, &given, err);
}

int store_hold_task(struct store *store, const char *run_id, const char *reason, struct err *err)
{
	struct give_back given = { run_id, reason, 0, "held", false };

	return store_write(store, give_back_job, &given, err);
}
