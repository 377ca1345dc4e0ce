/* What people are shown. */

#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

#define LOOK_LIMIT 100000 /* rows in one answer */
#define MORE_LIMIT 200	  /* rows of each kind with one run */

/* A run's report is that of its end. */
#define RUN_COLUMNS                                                                                \
	"SELECT r.id AS run_id, t.id AS task_id, t.event_id, t.issue_id, e.issue_key, t.agent,"    \
	" e.rule, CASE r.state WHEN 'claimed' THEN 'waiting' ELSE r.state END AS state,"           \
	" t.state = 'held' AND r.id = t.run_id AS held,"                                           \
	" CASE WHEN r.id = t.run_id THEN coalesce(t.cancel, t.note) END AS note,"                  \
	" r.outcome, (SELECT CASE max(CASE p.state WHEN 'pending' THEN 3 WHEN 'sending' THEN 3"    \
	"    WHEN 'dead' THEN 2 ELSE 1 END) WHEN 3 THEN 'pending' WHEN 2 THEN 'dead'"              \
	"    WHEN 1 THEN 'delivered' END FROM reports p WHERE p.task_id = t.id"                    \
	"    AND p.run_id = r.id AND p.started = 0) AS report,"                                    \
	" (SELECT CASE WHEN count(*) = 0 THEN NULL WHEN count(d.told_at) = count(*)"               \
	"    THEN 'delivered' ELSE 'pending' END FROM events g JOIN dispatches d"                  \
	"    ON d.event_id = g.id WHERE g.group_id = t.event_id AND d.result IS NOT NULL"          \
	"    AND r.id = t.run_id) AS tunnel,"                                                      \
	" r.attempt, e.name, e.bot_id, e.bot_name, r.created_at, r.started_at, r.ended_at,"        \
	" r.duration, CASE WHEN r.id = t.run_id AND t.due > 0 THEN t.due END AS due"
#define RUN_TABLES                                                                                 \
	" FROM runs r JOIN tasks t ON t.id = r.task_id JOIN events e ON e.id = t.event_id"

/* Columns that SQLite has only as 0 and 1. */
static void make_bool(json_t *object, const char *key)
{
	if (json_object_get(object, key))
		json_object_set_new(object, key, json_boolean(json_int(object, key, 0) != 0));
}

static json_t *one(sqlite3_stmt *row)
{
	json_t *object = db_object(row);

	make_bool(object, "held");
	make_bool(object, "truncated");
	make_bool(object, "started");
	make_bool(object, "unsure");
	make_bool(object, "releasable");
	return object;
}

static json_t *rows(struct db *db, const char *sql, struct db_values values,
		    json_t *(*read)(sqlite3_stmt *), struct err *err)
{
	sqlite3_stmt *row = db_start(db, sql, values, err);
	json_t *list = json_array();
	int rc = row ? 1 : -1;

	while (rc == 1 && (rc = db_step(db, row, err)) == 1)
		if (json_array_append_new(list, read(row)) < 0)
			rc = err_set(err, ERR_NOMEM, "no memory for rows of the database");
	if (rc == 0)
		return list;
	db_done(row);
	json_decref(list);
	return NULL;
}

static json_t *all(struct db *db, const char *sql, struct db_values values, struct err *err)
{
	return rows(db, sql, values, one, err);
}

static int64_t bounded(size_t limit)
{
	return limit < LOOK_LIMIT ? (int64_t)limit : LOOK_LIMIT;
}

json_t *store_runs(struct store *store, size_t limit, struct err *err)
{
	struct db *db = store_read_begin(store);
	json_t *list =
	    all(db, RUN_COLUMNS RUN_TABLES " ORDER BY r.created_at DESC, r.id DESC LIMIT ?",
		DB_WITH(INT(bounded(limit))), err);

	store_read_end(store);
	return list;
}

json_t *store_brief(struct store *store, const char *run_id, struct err *err)
{
	struct db *db = store_read_begin(store);
	json_t *found = all(db,
			    "SELECT r.id AS run_id, t.event_id, t.issue_id, t.agent, r.attempt,"
			    " CASE r.state WHEN 'claimed' THEN 'waiting' ELSE r.state END AS state,"
			    " t.state = 'held' AND r.id = t.run_id AS held, r.outcome, r.log_path"
			    " FROM runs r JOIN tasks t ON t.id = r.task_id WHERE r.id = ?",
			    DB_WITH(TEXT(run_id)), err);
	json_t *run = json_incref(json_array_get(found, 0));

	if (found && !run)
		err_set(err, ERR_NOTFOUND, "there is no run %s", run_id);
	json_decref(found);
	store_read_end(store);
	return run;
}

/* ---- one run ---- */

static json_t *find_run(struct db *db, const char *run_id, struct err *err)
{
	json_t *found =
	    all(db,
		RUN_COLUMNS ", r.exit_code, r.signal, r.cause, r.final_text, r.tail, r.session_id,"
			    " r.input_tokens, r.output_tokens, r.cost_usd, r.truncated, r.log_path,"
			    " t.timeout" RUN_TABLES " WHERE r.id = ?",
		DB_WITH(TEXT(run_id)), err);
	json_t *run = json_incref(json_array_get(found, 0));

	if (found && !run)
		err_set(err, ERR_NOTFOUND, "there is no run %s", run_id);
	json_decref(found);
	return run;
}

static int add(struct db *db, json_t *run, const char *key, const char *sql, const char *id,
	       struct err *err)
{
	json_t *list = all(db, sql, DB_WITH(TEXT(id), INT(MORE_LIMIT)), err);

	if (!list)
		return -1;
	return json_object_set_new(run, key, list) == 0
		   ? 0
		   : err_set(err, ERR_NOMEM, "no memory for rows of the database");
}

static const char event_of_run[] =
    "SELECT id AS event_id, source, name, kind, status, rule, reason, gate, issue_id, issue_key,"
    " issue_title, issue_state, project_id, project_name, bot_id, bot_name, comment_id, actor_id,"
    " ai_task_id, ai_attempt, at, received_at FROM events WHERE id = ? LIMIT ?";
static const char joined_of_run[] =
    "SELECT id AS event_id, source, name, status, rule, reason, ai_task_id, ai_attempt, at,"
    " received_at FROM events WHERE group_id = ?1 AND id <> ?1 ORDER BY received_at, id LIMIT ?2";
static const char reports_of_run[] =
    "SELECT id AS report_id, run_id, kind, started, state, attempts, unsure, why, text, ai_task_id,"
    " created_at, next_at, done_at FROM reports WHERE task_id = ? ORDER BY seq, sub LIMIT ?";
static const char dispatches_of_run[] =
    "SELECT d.run_id, d.result ->> '$.status' AS status, d.created_at, d.acked_at, d.told_at"
    " FROM events g JOIN dispatches d ON d.event_id = g.id WHERE g.group_id = ?"
    " ORDER BY d.created_at, d.run_id LIMIT ?";
static const char runs_of_task[] =
    "SELECT id AS run_id, attempt, CASE state WHEN 'claimed' THEN 'waiting' ELSE state END"
    " AS state, outcome, cause, created_at, started_at, ended_at FROM runs WHERE task_id = ?"
    " ORDER BY attempt LIMIT ?";

static int add_more(struct db *db, json_t *run, struct err *err)
{
	const char *event_id = json_str(run, "event_id");
	const char *task_id = json_str(run, "task_id");

	if (add(db, run, "event", event_of_run, event_id, err) < 0 ||
	    add(db, run, "joined", joined_of_run, event_id, err) < 0 ||
	    add(db, run, "reports", reports_of_run, task_id, err) < 0 ||
	    add(db, run, "dispatches", dispatches_of_run, event_id, err) < 0 ||
	    add(db, run, "attempts", runs_of_task, task_id, err) < 0)
		return -1;
	return json_object_set(run, "event", json_array_get(json_object_get(run, "event"), 0));
}

json_t *store_show(struct store *store, const char *run_id, struct err *err)
{
	struct db *db = store_read_begin(store);
	json_t *run = find_run(db, run_id, err);

	if (run && add_more(db, run, err) < 0) {
		json_decref(run);
		run = NULL;
	}
	store_read_end(store);
	return run;
}

/* ---- events ---- */

/* An event whose task is held is shown as held, by its task's reason. */
#define HELD_TASK "SELECT 1 FROM tasks h WHERE h.event_id = events.id AND h.state = 'held'"
#define EVENT_COLUMNS                                                                              \
	"SELECT id AS event_id, name, source,"                                                     \
	" CASE WHEN EXISTS (" HELD_TASK ") THEN 'held' ELSE status END AS status, rule,"           \
	" coalesce((SELECT note FROM tasks h WHERE h.event_id = events.id AND h.state = 'held'"    \
	"  LIMIT 1), reason) AS reason, gate, issue_id, issue_key, bot_id, bot_name, group_id,"    \
	" received_at, at, (open > 0 OR EXISTS (" HELD_TASK ")) AS releasable FROM events "
#define NEWEST_FIRST " ORDER BY received_at DESC, id DESC LIMIT ?"

static const char every_event[] = EVENT_COLUMNS NEWEST_FIRST;
static const char held_events[] =
    EVENT_COLUMNS "WHERE id IN (SELECT id FROM events WHERE open > 0 AND status = 'held' UNION ALL"
		  " SELECT event_id FROM tasks WHERE state = 'held')" NEWEST_FIRST;
static const char events_by_status[] =
    EVENT_COLUMNS "WHERE status = ? AND NOT EXISTS (" HELD_TASK ")" NEWEST_FIRST;

json_t *store_events(struct store *store, const char *status, size_t limit, struct err *err)
{
	const int64_t most = bounded(limit);
	struct db *db = store_read_begin(store);
	json_t *list = NULL;

	if (!status)
		list = all(db, every_event, DB_WITH(INT(most)), err);
	else if (strcmp(status, "held") == 0)
		list = all(db, held_events, DB_WITH(INT(most)), err);
	else
		list = all(db, events_by_status, DB_WITH(TEXT(status), INT(most)), err);
	store_read_end(store);
	return list;
}

json_t *store_counts(struct store *store, struct err *err)
{
	struct db *db = store_read_begin(store);
	json_t *found =
	    rows(db,
		 "SELECT (SELECT count(*) FROM tasks WHERE state = 'waiting') AS waiting,"
		 " (SELECT count(*) FROM tasks WHERE state IN ('claimed', 'running')) AS running,"
		 " (SELECT count(*) FROM tasks WHERE state = 'held')"
		 "  + (SELECT count(*) FROM events WHERE open > 0 AND status = 'held') AS held,"
		 " (SELECT count(*) FROM reports WHERE done_at IS NULL) AS reports_pending,"
		 " (SELECT count(*) FROM reports WHERE state = 'dead') AS reports_dead",
		 DB_NONE, db_object, err);
	json_t *counts = json_incref(json_array_get(found, 0));

	json_decref(found);
	store_read_end(store);
	return counts;
}
