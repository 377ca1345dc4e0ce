/*
 * Forgetting (design 6, queue.keep_days), a few rows a transaction so that nobody waits long.
 *
 *   an ended task       its runs and its reports go when nothing of them is owed or dead; the row
 *                       itself stays as long as an AI task could still join it
 *   an event            its body and its texts go; the row stays when it made the tasks of a join
 *                       key, was ignored for one, or is an AI task's; else until no replay of it
 * can be inside webhook.tolerance any more
 */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/internal.h"

#define SLICE 200	    /* rows a transaction */
#define VACUUM_PAGES "1000" /* pages a transaction */

struct prune {
	int64_t cutoff;	 /* what is older goes */
	int64_t horizon; /* a delivery that came before can't be replayed any more */
	json_t *logs;
	size_t found; /* rows of the last slice */
};

/* ---- tasks ---- */

static int keep_logs(struct txn *txn, const char *task_id, json_t *logs, struct err *err)
{
	json_t *paths = NULL;

	if (db_strings(txn->db,
		       "SELECT log_path FROM runs WHERE task_id = ? AND log_path IS NOT NULL",
		       DB_WITH(TEXT(task_id)), &paths, err) < 0)
		return -1;
	const int rc = json_array_extend(logs, paths);
	json_decref(paths);
	return rc < 0 ? err_set(err, ERR_NOMEM, "no memory for a list of log files") : 0;
}

/* An AI task can come for the newest task of a join key at any time, and again once it came. */
static const char forget_task[] =
    "DELETE FROM tasks WHERE id = ?1"
    " AND NOT EXISTS (SELECT 1 FROM ai_tasks a WHERE a.group_id = tasks.event_id)"
    " AND (join_key IS NULL OR EXISTS (SELECT 1 FROM tasks n WHERE n.join_key = tasks.join_key"
    "  AND (n.event_at, n.id) > (tasks.event_at, tasks.id) AND n.event_id <> tasks.event_id))";

static int prune_task(struct txn *txn, const char *task_id, json_t *logs, struct err *err)
{
	if (keep_logs(txn, task_id, logs, err) < 0 ||
	    db_run(txn->db, "DELETE FROM reports WHERE task_id = ?", DB_WITH(TEXT(task_id)), err) <
		0 ||
	    db_run(txn->db, "DELETE FROM runs WHERE task_id = ?", DB_WITH(TEXT(task_id)), err) <
		0 ||
	    db_run(txn->db, "UPDATE tasks SET pruned = 1, note = NULL, plan = NULL WHERE id = ?",
		   DB_WITH(TEXT(task_id)), err) < 0)
		return -1;
	return db_run(txn->db, forget_task, DB_WITH(TEXT(task_id)), err);
}

static int prune_tasks(struct txn *txn, void *arg, struct err *err)
{
	struct prune *prune = arg;
	json_t *ids = NULL;
	json_t *logs = json_array();
	int rc =
	    db_strings(txn->db,
		       "SELECT id FROM tasks WHERE state = 'ended' AND pruned = 0 AND ended_at < ?"
		       " AND NOT EXISTS (SELECT 1 FROM reports r WHERE r.task_id = tasks.id"
		       "  AND (r.done_at IS NULL OR r.state = 'dead'"
		       "   OR r.done_at >= ?)) AND NOT EXISTS (SELECT 1 FROM events e"
		       "  JOIN dispatches d ON d.event_id = e.id WHERE e.group_id = tasks.event_id"
		       "  AND d.told_at IS NULL) ORDER BY ended_at LIMIT ?",
		       DB_WITH(INT(prune->cutoff), INT(prune->cutoff), INT(SLICE)), &ids, err);

	prune->found = json_array_size(ids);
	for (size_t i = 0; rc == 0 && i < prune->found; i++)
		rc = prune_task(txn, json_string_value(json_array_get(ids, i)), logs, err);
	if (rc == 0 && json_array_extend(prune->logs, logs) < 0)
		rc = err_set(err, ERR_NOMEM, "no memory for a list of log files");
	json_decref(ids);
	json_decref(logs);
	return rc;
}

/* ---- events ---- */

/* Not: what waits for a person (held), or whose tasks, its own or those it joined, are whole. */
static const char old_events[] =
    "SELECT id FROM events WHERE slim = 0 AND received_at < ?"
    " AND NOT (open > 0 AND status = 'held')"
    " AND NOT EXISTS (SELECT 1 FROM tasks t"
    "  WHERE t.event_id = coalesce(events.group_id, events.id) AND t.pruned = 0)"
    " ORDER BY received_at LIMIT ?";

static int slim_event(struct txn *txn, const char *id, struct err *err)
{
	if (db_run(txn->db, "DELETE FROM bodies WHERE event_id = ?", DB_WITH(TEXT(id)), err) < 0)
		return -1;
	return db_run(txn->db,
		      "UPDATE events SET slim = 1, open = 0, issue_key = NULL, issue_title = NULL,"
		      " issue_state = NULL, project_id = NULL, project_name = NULL,"
		      " actor_id = NULL, removed_bots = NULL, targets = NULL WHERE id = ?",
		      DB_WITH(TEXT(id)), err);
}

static int slim_events(struct txn *txn, void *arg, struct err *err)
{
	struct prune *prune = arg;
	json_t *ids = NULL;
	int rc =
	    db_strings(txn->db, old_events, DB_WITH(INT(prune->cutoff), INT(SLICE)), &ids, err);

	prune->found = json_array_size(ids);
	for (size_t i = 0; rc == 0 && i < prune->found; i++)
		rc = slim_event(txn, json_string_value(json_array_get(ids, i)), err);
	json_decref(ids);
	return rc;
}

static int forget_events(struct txn *txn, void *arg, struct err *err)
{
	struct prune *prune = arg;

	if (db_run(txn->db,
		   "DELETE FROM events WHERE id IN (SELECT id FROM events e WHERE slim = 1"
		   " AND ai_task_id IS NULL AND (join_key IS NULL OR status = 'joined')"
		   " AND received_at < ?"
		   " AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.event_id = e.id) LIMIT ?)",
		   DB_WITH(INT(prune->horizon), INT(SLICE)), err) < 0)
		return -1;
	prune->found = (size_t)db_changes(txn->db);
	return 0;
}

/* ---- the rest ---- */

/* What became of a run_id is known for ever, in one word. */
static int slim_dispatches(struct txn *txn, void *arg, struct err *err)
{
	struct prune *prune = arg;

	if (db_run(txn->db,
		   "UPDATE dispatches SET slim = 1, result = json_object('run_id', run_id,"
		   " 'issue_id', issue_id, 'status', json_extract(result, '$.status'), 'summary',"
		   " 'forgotten: older than queue.keep_days') WHERE run_id IN"
		   " (SELECT run_id FROM dispatches WHERE slim = 0 AND told_at IS NOT NULL"
		   "  AND told_at < ? AND result IS NOT NULL LIMIT ?)",
		   DB_WITH(INT(prune->cutoff), INT(SLICE)), err) < 0)
		return -1;
	prune->found = (size_t)db_changes(txn->db);
	return 0;
}

static int forget_cancellations(struct txn *txn, void *arg, struct err *err)
{
	struct prune *prune = arg;

	prune->found = 0;
	return db_run(txn->db, "DELETE FROM cancellations WHERE at < ?",
		      DB_WITH(INT(prune->horizon)), err);
}

/* Gives free pages back to the file system. */
static int vacuum(struct txn *txn, void *arg, struct err *err)
{
	struct prune *prune = arg;
	int64_t before = 0, after = 0;

	if (db_number(txn->db, "PRAGMA freelist_count", DB_NONE, &before, err) < 0 ||
	    db_script(txn->db, "PRAGMA incremental_vacuum(" VACUUM_PAGES ")", err) < 0 ||
	    db_number(txn->db, "PRAGMA freelist_count", DB_NONE, &after, err) < 0)
		return -1;
	prune->found = after > 0 && after < before;
	return 0;
}

static int slices(struct store *store, writer_fn *slice, struct prune *prune, struct err *err)
{
	do {
		if (store_write(store, slice, prune, err) < 0)
			return -1;
	} while (prune->found > 0);
	return 0;
}

int store_prune(struct store *store, int64_t now, int64_t keep, int64_t tolerance, json_t **logs,
		struct err *err)
{
	/* A timestamp may lie `tolerance` in the future, and is good until `tolerance` after. */
	const int64_t longest = keep > 2 * tolerance ? keep : 2 * tolerance;
	struct prune prune = { .cutoff = now - keep,
			       .horizon = now - longest,
			       .logs = json_array() };

	if (!prune.logs)
		return err_set(err, ERR_NOMEM, "no memory for a list of log files");
	if (slices(store, prune_tasks, &prune, err) < 0 ||
	    slices(store, slim_events, &prune, err) < 0 ||
	    slices(store, forget_events, &prune, err) < 0 ||
	    slices(store, slim_dispatches, &prune, err) < 0 ||
	    slices(store, forget_cancellations, &prune, err) < 0 ||
	    slices(store, vacuum, &prune, err) < 0) {
		json_decref(prune.logs);
		return -1;
	}
	*logs = prune.logs;
	return 0;
}
