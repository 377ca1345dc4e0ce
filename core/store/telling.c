/* What the control plane is owed, handed out in order, and how far its dispatches are. */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dispatch.h"
#include "store/internal.h"

/* ---- acks and results ---- */

static const char next_ack[] =
    "SELECT ack_seq, run_id, issue_id, NULL FROM dispatches WHERE acked_at IS NULL AND ack_seq > ?"
    " ORDER BY ack_seq LIMIT 1";
static const char next_result[] = "SELECT result_seq, run_id, issue_id, result FROM dispatches"
				  " WHERE result IS NOT NULL AND told_at IS NULL AND result_seq > ?"
				  " ORDER BY result_seq LIMIT 1";

static json_t *payload_of(sqlite3_stmt *row, bool ack, struct err *err)
{
	const char *result = db_text(row, 3);

	if (!ack && result)
		return json_parse(result, strlen(result), err);
	json_t *payload = json_pack("{s:s, s:s?, s:s}", "run_id", db_text(row, 1), "issue_id",
				    db_text(row, 2), "status", "accepted");
	if (!payload)
		err_set(err, ERR_NOMEM, "no memory for an ack");
	return payload;
}

/* Replaces what is in `telling` by an earlier one. */
static int earlier(struct db *db, const char *sql, int64_t seq, struct store_telling *telling,
		   struct err *err)
{
	sqlite3_stmt *row = db_start(db, sql, DB_WITH(INT(seq)), err);
	int rc = row ? db_step(db, row, err) : -1;

	if (rc != 1)
		return rc;
	if (!telling->payload || db_int(row, 0) < telling->seq) {
		json_decref(telling->payload);
		telling->seq = db_int(row, 0);
		telling->ack = sql == next_ack;
		telling->payload = payload_of(row, telling->ack, err);
		rc = telling->payload ? 1 : -1;
	}
	db_done(row);
	return rc;
}

int store_next_telling(struct store *store, int64_t seq, struct store_telling *telling,
		       struct err *err)
{
	struct db *db = store_read_begin(store);
	struct store_telling found = { .payload = NULL };
	const int rc = earlier(db, next_ack, seq, &found, err) < 0 ||
			       earlier(db, next_result, seq, &found, err) < 0
			   ? -1
			   : found.payload != NULL;

	store_read_end(store);
	if (rc == 1)
		*telling = found;
	else
		store_telling_done(&found);
	return rc;
}

void store_telling_done(struct store_telling *telling)
{
	json_decref(telling->payload);
	memset(telling, 0, sizeof(*telling));
}

static int told_job(struct txn *txn, void *arg, struct err *err)
{
	const int64_t seq = *(const int64_t *)arg;

	if (db_run(txn->db,
		   "UPDATE dispatches SET acked_at = ? WHERE ack_seq = ? AND acked_at IS NULL",
		   DB_WITH(INT(clock_wall()), INT(seq)), err) < 0)
		return -1;
	return db_run(txn->db,
		      "UPDATE dispatches SET told_at = ? WHERE result_seq = ? AND told_at IS NULL"
		      " AND result IS NOT NULL",
		      DB_WITH(INT(clock_wall()), INT(seq)), err);
}

int store_told(struct store *store, int64_t seq, struct err *err)
{
	return store_write(store, told_job, &seq, err);
}

static void told_done(void *arg, int rc, const struct err *err)
{
	(void)rc;
	(void)err;
	free(arg);
}

void store_told_soon(struct store *store, int64_t seq)
{
	int64_t *copy = malloc(sizeof(*copy));

	if (!copy)
		return;
	*copy = seq;
	writer_post(store->writer, told_job, told_done, copy, sizeof(*copy));
}

/* ---- how far they are ---- */

static const char unfinished[] =
    "SELECT d.run_id, d.issue_id, CASE t.state WHEN 'claimed' THEN 'waiting' WHEN 'ended' THEN"
    "  'waiting' ELSE coalesce(t.state, 'held') END AS state, t.agent, t.attempt,"
    " CASE WHEN t.id IS NULL THEN e.reason ELSE coalesce(t.cancel, t.note) END AS note,"
    " t.run_id AS run, CASE t.state WHEN 'running' THEN r.log_path END AS log_path"
    " FROM dispatches d JOIN events e ON e.id = d.event_id"
    " LEFT JOIN tasks t ON t.event_id = e.group_id AND t.state <> 'ended'"
    " LEFT JOIN runs r ON r.id = t.run_id WHERE d.result IS NULL"
    " AND (t.state IN ('running', 'held') OR t.attempt > 1 OR t.due > 0 OR t.id IS NULL)"
    " ORDER BY d.created_at, d.run_id LIMIT ?";

int store_dispatches(struct store *store, size_t limit, json_t **list, struct err *err)
{
	struct db *db = store_read_begin(store);
	sqlite3_stmt *row = db_start(db, unfinished, DB_WITH(INT((int64_t)limit)), err);
	json_t *found = json_array();
	int rc = row ? 1 : -1;

	while (rc == 1 && (rc = db_step(db, row, err)) == 1)
		if (json_array_append_new(found, db_object(row)) < 0)
			rc = err_set(err, ERR_NOMEM, "no memory for dispatches");
	if (rc == 0)
		*list = found;
	else
		json_decref(found);
	if (rc < 0)
		db_done(row);
	store_read_end(store);
	return rc;
}
