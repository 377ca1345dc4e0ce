/*
 * The outbox: what is owed to OpenPR, one row a call.  Rows of one lane (an issue; a task that has
 * none) go out one after another.  FORMAT rows become calls at their place in the lane.
 */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/internal.h"
#include "store/outbox_row.h"

int report_format(struct txn *txn, const char *task_id, bool started, struct err *err)
{
	char id[ID_SIZE];

	id_make(id);
	txn->work = true;
	return db_run(
	    txn->db,
	    "INSERT INTO reports (id, task_id, run_id, lane, seq, sub, kind, started, issue_id,"
	    " bot_id, bot_name, state, next_at, created_at)"
	    " SELECT ?1, t.id, t.run_id, coalesce(t.issue_id, t.id),"
	    " (SELECT coalesce(max(seq), 0) + 1 FROM reports), 0, 'format', ?2, t.issue_id,"
	    " t.bot_id, e.bot_name, 'pending', ?3, ?3"
	    " FROM tasks t JOIN events e ON e.id = t.event_id WHERE t.id = ?4 AND t.mute = 0",
	    DB_WITH(TEXT(id), INT(started), INT(clock_wall()), TEXT(task_id)), err);
}

/* ---- taking ---- */

/* The oldest due row whose lane has no earlier one that is still owed. */
static const char next_row[] =
    "SELECT r.id FROM reports r WHERE r.state = 'pending' AND r.next_at <= ?1"
    " AND coalesce(r.bot_id, '') NOT IN (SELECT value FROM json_each(?2))"
    " AND NOT EXISTS (SELECT 1 FROM reports e WHERE e.lane = r.lane AND e.done_at IS NULL"
    "  AND (e.seq, e.sub) < (r.seq, r.sub))"
    " ORDER BY r.next_at, r.seq, r.sub LIMIT 1";

struct taking {
	int64_t now;
	char *paused; /* JSON */
	struct store_report *report;
};

static int take_job(struct txn *txn, void *arg, struct err *err)
{
	struct taking *taking = arg;
	_cleanup_free_ char *id = NULL;
	const int rc =
	    db_string(txn->db, next_row, DB_WITH(INT(taking->now), TEXT(taking->paused)), &id, err);

	if (rc != 1)
		return rc;
	if (outbox_load(txn->db, id, &taking->report, err) < 0)
		return -1;
	return db_run(txn->db,
		      "UPDATE reports SET state = 'sending', attempts = attempts + 1 WHERE id = ?",
		      DB_WITH(TEXT(id)), err);
}

static char *paused_json(const char *const *bots, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(bots[i]));
	char *text = json_array_size(list) == count ? json_text(list) : NULL;
	json_decref(list);
	return text;
}

int store_take_report(struct store *store, int64_t now, const char *const *paused_bots,
		      size_t paused_count, struct store_report **report, struct err *err)
{
	_cleanup_free_ char *paused = paused_json(paused_bots, paused_count);
	struct taking taking = { .now = now, .paused = paused };

	if (!paused)
		return err_set(err, ERR_NOMEM, "no memory for a list of bots");
	if (store_write(store, take_job, &taking, err) < 0) {
		store_report_free(taking.report); /* the COMMIT failed: it is not ours */
		return -1;
	}
	if (!taking.report)
		atomic_store(&store->report_looked, now);
	*report = taking.report;
	return 0;
}

int64_t store_next_report_due(struct store *store)
{
	const int64_t looked = atomic_load(&store->report_looked);
	struct db *db = store_read_begin(store);
	struct err ignored;
	int64_t due = 0;
	const int rc = db_number(db,
				 "SELECT next_at FROM reports WHERE state = 'pending'"
				 " AND next_at > ? ORDER BY next_at LIMIT 1",
				 DB_WITH(INT(looked)), &due, &ignored);

	store_read_end(store);
	return rc == 1 ? due : INT64_MAX;
}

int64_t store_oldest_report(struct store *store)
{
	struct db *db = store_read_begin(store);
	struct err ignored;
	int64_t made = 0;
	const int rc = db_number(db,
				 "SELECT created_at FROM reports WHERE done_at IS NULL"
				 " ORDER BY created_at LIMIT 1",
				 DB_NONE, &made, &ignored);

	store_read_end(store);
	return rc == 1 ? made : INT64_MAX;
}

/* ---- what became of a row ---- */

struct fate {
	const char *report_id, *state, *why;
	int64_t next_at;
	bool unsure;
	const struct store_call *calls;
	size_t count;
};

static int check_taken(struct txn *txn, const char *report_id, struct err *err)
{
	_cleanup_free_ char *state = NULL;
	const int rc = db_string(txn->db, "SELECT state FROM reports WHERE id = ?",
				 DB_WITH(TEXT(report_id)), &state, err);

	if (rc == 0)
		return err_set(err, ERR_NOTFOUND, "there is no report %s", report_id);
	if (rc == 1 && strcmp(state, "sending") != 0)
		return err_set(err, ERR_CONFLICT, "report %s is %s, not being sent", report_id,
			       state);
	return rc < 0 ? -1 : 0;
}

static int done_job(struct txn *txn, void *arg, struct err *err)
{
	const struct fate *fate = arg;
	_cleanup_free_ char *why = text_bounded(fate->why, STORE_WORDS_LIMIT, false);

	txn->work = true;
	if (check_taken(txn, fate->report_id, err) < 0)
		return -1;
	return db_run(
	    txn->db, "UPDATE reports SET state = ?, why = ?, done_at = ? WHERE id = ?",
	    DB_WITH(TEXT(fate->state), TEXT(why), INT(clock_wall()), TEXT(fate->report_id)), err);
}

int store_report_delivered(struct store *store, const char *report_id, struct err *err)
{
	struct fate fate = { .report_id = report_id, .state = "delivered" };

	return store_write(store, done_job, &fate, err);
}

int store_report_dropped(struct store *store, const char *report_id, const char *why,
			 struct err *err)
{
	struct fate fate = { .report_id = report_id, .state = "dropped", .why = why };

	return store_write(store, done_job, &fate, err);
}

int store_report_dead(struct store *store, const char *report_id, const char *why, struct err *err)
{
	struct fate fate = { .report_id = report_id, .state = "dead", .why = why };

	return store_write(store, done_job, &fate, err);
}

/* The issue may have been deleted while the call was out. */
static int again_job(struct txn *txn, void *arg, struct err *err)
{
	const struct fate *fate = arg;
	_cleanup_free_ char *why = text_bounded(fate->why, STORE_WORDS_LIMIT, false);

	txn->work = true;
	if (check_taken(txn, fate->report_id, err) < 0)
		return -1;
	if (db_run(txn->db,
		   "UPDATE reports SET state = 'pending', why = ?, next_at = ?,"
		   " unsure = max(unsure, ?) WHERE id = ?",
		   DB_WITH(TEXT(why), INT(fate->next_at), INT(fate->unsure), TEXT(fate->report_id)),
		   err) < 0)
		return -1;
	return db_run(txn->db,
		      "UPDATE reports SET state = 'dropped', why = 'the issue was deleted',"
		      " done_at = ? WHERE id = ? AND kind IN ('format', 'comment', 'state')"
		      " AND (SELECT mute FROM tasks WHERE id = task_id) = 1",
		      DB_WITH(INT(clock_wall()), TEXT(fate->report_id)), err);
}

int store_report_failed(struct store *store, const char *report_id, int64_t next_at,
			bool outcome_known, const char *why, struct err *err)
{
	struct fate fate = {
		.report_id = report_id, .why = why, .next_at = next_at, .unsure = !outcome_known
	};

	return store_write(store, again_job, &fate, err);
}

/* ---- expanding ---- */

static int add_call(struct txn *txn, const char *report_id, const struct store_call *call,
		    size_t sub, struct err *err)
{
	char id[ID_SIZE];

	id_make(id);
	return db_run(
	    txn->db,
	    "INSERT INTO reports (id, task_id, run_id, lane, seq, sub, kind, started, issue_id,"
	    " bot_id, bot_name, state, next_at, created_at, text)"
	    " SELECT ?1, task_id, run_id, lane, seq, ?2, ?3, started, issue_id, bot_id, bot_name,"
	    " 'pending', ?4, ?4, ?5 FROM reports WHERE id = ?6 AND"
	    " (SELECT mute FROM tasks WHERE tasks.id = task_id) = 0",
	    DB_WITH(TEXT(id), INT((int64_t)sub), TEXT(word_report(call->kind)), INT(clock_wall()),
		    TEXT(call->text), TEXT(report_id)),
	    err);
}

static int expand_job(struct txn *txn, void *arg, struct err *err)
{
	const struct fate *fate = arg;
	int64_t is_format = 0;

	if (check_taken(txn, fate->report_id, err) < 0 ||
	    db_number(txn->db, "SELECT kind = 'format' FROM reports WHERE id = ?",
		      DB_WITH(TEXT(fate->report_id)), &is_format, err) < 0)
		return -1;
	if (!is_format)
		return err_set(err, ERR_CONFLICT, "report %s is a call already", fate->report_id);
	for (size_t i = 0; i < fate->count; i++)
		if (add_call(txn, fate->report_id, &fate->calls[i], i + 1, err) < 0)
			return -1;
	return done_job(txn, arg, err);
}

int store_expand_report(struct store *store, const char *report_id, const struct store_call *calls,
			size_t count, struct err *err)
{
	struct fate fate = {
		.report_id = report_id, .state = "expanded", .calls = calls, .count = count
	};

	return store_write(store, expand_job, &fate, err);
}

/* ---- after a crash ---- */

static int recover_job(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	txn->work = true;
	return db_run(txn->db,
		      "UPDATE reports SET state = 'pending', next_at = ?, unsure = 1,"
		      " why = 'the daemon ended while this was being sent'"
		      " WHERE state = 'sending'",
		      DB_WITH(INT(clock_wall())), err);
}

int store_recover_reports(struct store *store, struct err *err)
{
	return store_write(store, recover_job, NULL, err);
}
