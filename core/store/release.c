/* Events that were stored without being taken, and held tasks: deciding them again, or ending them.
 */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/internal.h"

int store_next_undecided(struct store *store, struct store_stored **stored, struct err *err)
{
	struct db *db = store_read_begin(store);
	_cleanup_free_ char *id = NULL;
	int rc = db_string(db,
			   "SELECT id FROM events WHERE open > 0 AND open = 2"
			   " ORDER BY received_at, id LIMIT 1",
			   DB_NONE, &id, err);

	if (rc == 1)
		rc = event_load(db, id, stored, err);
	else if (rc == 0)
		*stored = NULL;
	store_read_end(store);
	return rc;
}

int event_releasable(struct db *db, const char *id, bool *has_tasks, struct err *err)
{
	sqlite3_stmt *row =
	    db_start(db,
		     "SELECT open, status, EXISTS (SELECT 1 FROM tasks WHERE event_id = events.id"
		     " AND state = 'held') FROM events WHERE id = ?",
		     DB_WITH(TEXT(id)), err);
	const int rc = row ? db_step(db, row, err) : -1;
	char status[16];

	if (rc != 1)
		return rc == 0 ? err_set(err, ERR_NOTFOUND, "there is no event %s", id) : -1;
	const bool open = db_int(row, 0) > 0;
	const bool held = db_int(row, 2) != 0;
	text_copy(status, sizeof(status), db_text(row, 1));
	db_done(row);
	if (!open && !held)
		return err_set(err, ERR_CONFLICT, "event %s is not waiting for a release, it is %s",
			       id, status);
	*has_tasks = held;
	return 0;
}

int store_releasable(struct store *store, const char *event_id, struct store_stored **stored,
		     struct err *err)
{
	struct db *db = store_read_begin(store);
	bool has_tasks = false;
	int rc = event_releasable(db, event_id, &has_tasks, err);

	if (rc == 0)
		rc = event_load(db, event_id, stored, err);
	if (rc == 0 && has_tasks)
		(*stored)->status = STATUS_HELD;
	store_read_end(store);
	return rc;
}

/* ---- held tasks ---- */

static int held_tasks(struct db *db, const char *event_id, json_t **ids, struct err *err)
{
	return db_strings(db,
			  "SELECT id FROM tasks WHERE event_id = ? AND state = 'held'"
			  " ORDER BY position, id",
			  DB_WITH(TEXT(event_id)), ids, err);
}

/* Ends them all, or says anew why they are held. */
static int end_held(struct txn *txn, const char *event_id, const char *cause, struct err *err)
{
	json_t *ids = NULL;
	int rc = held_tasks(txn->db, event_id, &ids, err);

	for (size_t i = 0; rc == 0 && i < json_array_size(ids); i++) {
		struct task task;
		rc = task_load(txn->db, json_string_value(json_array_get(ids, i)), &task, err);
		if (rc == 0)
			rc = task_cancel(txn, &task, cause, err);
	}
	json_decref(ids);
	return rc;
}

/* 1: one of the event's tasks other than `task_id` has this agent. */
static int agent_has_task(struct db *db, const char *event_id, const char *task_id,
			  const char *agent, struct err *err)
{
	int64_t found;

	return db_number(db,
			 "SELECT 1 FROM tasks WHERE event_id = ? AND id <> ? AND agent = ? LIMIT 1",
			 DB_WITH(TEXT(event_id), TEXT(task_id), TEXT(agent)), &found, err);
}

/* Today's route may have another agent for it: the task's own if that is still among the targets,
 * else the first that has no task of this event yet.  *target NULL: none. */
static int choose_target(struct txn *txn, const char *event_id, const char *task_id,
			 const struct store_decision *decision, const struct store_target **target,
			 struct err *err)
{
	_cleanup_free_ char *agent = NULL;
	int taken = 1;

	*target = NULL;
	if (db_string(txn->db, "SELECT agent FROM tasks WHERE id = ?", DB_WITH(TEXT(task_id)),
		      &agent, err) < 0)
		return -1;
	for (size_t i = 0; i < decision->target_count; i++)
		if (strcmp(decision->targets[i].agent, agent) == 0)
			*target = &decision->targets[i];
	for (size_t i = 0; !*target && taken > 0 && i < decision->target_count; i++) {
		taken = agent_has_task(txn->db, event_id, task_id, decision->targets[i].agent, err);
		if (taken == 0)
			*target = &decision->targets[i];
	}
	return taken < 0 ? -1 : 0;
}

static int release_task(struct txn *txn, const char *event_id, const char *task_id,
			const struct store_decision *decision, struct err *err)
{
	const struct store_target *target = NULL;
	struct task task;

	if (choose_target(txn, event_id, task_id, decision, &target, err) < 0)
		return -1;
	if (!target)
		return task_load(txn->db, task_id, &task, err) < 0
			   ? -1
			   : task_cancel(txn, &task, "released, and no agent is routed to it now",
					 err);
	txn->work = true;
	return db_run(txn->db,
		      "UPDATE tasks SET state = 'waiting', due = 0, note = NULL, agent = ?1,"
		      " timeout = ?2, key = CASE WHEN agent = ?1 THEN key ELSE run_id END"
		      " WHERE id = ?3",
		      DB_WITH(TEXT(target->agent), INT(target->timeout), TEXT(task_id)), err);
}

static int release_held(struct txn *txn, const char *event_id,
			const struct store_decision *decision, struct err *err)
{
	json_t *ids = NULL;
	int rc = held_tasks(txn->db, event_id, &ids, err);

	for (size_t i = 0; rc == 0 && i < json_array_size(ids); i++)
		rc = release_task(txn, event_id, json_string_value(json_array_get(ids, i)),
				  decision, err);
	json_decref(ids);
	return rc;
}

static int redecide_held(struct txn *txn, const char *event_id,
			 const struct store_decision *decision, struct store_answer *answer,
			 struct err *err)
{
	memset(answer, 0, sizeof(*answer));
	text_copy(answer->event_id, ID_SIZE, event_id);
	text_copy(answer->rule, sizeof(answer->rule), decision->rule);
	text_copy(answer->reason, sizeof(answer->reason), decision->reason);
	text_copy(answer->gate, sizeof(answer->gate), decision->gate);
	switch (decision->action) {
	case ACTION_ACCEPT:
		answer->status = STATUS_DISPATCHED;
		if (release_held(txn, event_id, decision, err) < 0)
			return -1;
		return answer_runs(txn->db, event_id, answer, err);
	case ACTION_IGNORE:
	case ACTION_CANCEL:
		answer->status = STATUS_IGNORED;
		return end_held(txn, event_id,
				decision->reason ? decision->reason : "ignored when released", err);
	default:
		answer->status = STATUS_HELD;
		return db_run(txn->db,
			      "UPDATE tasks SET note = coalesce(?, note) WHERE event_id = ?"
			      " AND state = 'held'",
			      DB_WITH(TEXT(decision->reason), TEXT(event_id)), err);
	}
}

/* ---- deciding again ---- */

struct redecision {
	const char *event_id;
	const struct store_decision *decision;
	struct store_answer *answer;
};

static int redecide_event(struct txn *txn, const struct redecision *again,
			  const struct store_event *event, struct err *err)
{
	struct verdict verdict;

	if (join_judge(txn->db, event, again->decision, &verdict, err) < 0 ||
	    event_update(txn->db, again->event_id, event, again->decision, &verdict, err) < 0)
		return -1;
	return accept_follow(txn, again->event_id, event, again->decision, &verdict, again->answer,
			     err);
}

static int redecide_job(struct txn *txn, void *arg, struct err *err)
{
	const struct redecision *again = arg;
	struct store_stored *stored = NULL;
	bool has_tasks = false;

	if (event_releasable(txn->db, again->event_id, &has_tasks, err) < 0)
		return -1;
	if (has_tasks)
		return redecide_held(txn, again->event_id, again->decision, again->answer, err);
	if (event_load(txn->db, again->event_id, &stored, err) < 0)
		return -1;
	const int rc = redecide_event(txn, again, &stored->event, err);
	store_stored_free(stored);
	return rc;
}

int store_redecide(struct store *store, const char *event_id, const struct store_decision *decision,
		   struct store_answer *answer, struct err *err)
{
	struct store_answer made;
	struct redecision again = { event_id, decision, &made };

	if (store_write(store, redecide_job, &again, err) < 0)
		return -1;
	*answer = made;
	return 0;
}

/* ---- ending ---- */

static int discard_job(struct txn *txn, void *arg, struct err *err)
{
	const char *event_id = arg;
	bool has_tasks = false;

	if (event_releasable(txn->db, event_id, &has_tasks, err) < 0)
		return -1;
	if (has_tasks)
		return end_held(txn, event_id, "discarded by the operator", err);
	if (db_run(txn->db,
		   "UPDATE events SET open = 0, status = 'ignored', reason = 'discarded by the"
		   " operator; was ' || status || coalesce(': ' || reason, '') WHERE id = ?",
		   DB_WITH(TEXT(event_id)), err) < 0)
		return -1;
	return dispatch_settle(txn, event_id, err);
}

int store_discard(struct store *store, const char *event_id, struct err *err)
{
	return store_write(store, discard_job, (void *)(uintptr_t)event_id, err);
}
