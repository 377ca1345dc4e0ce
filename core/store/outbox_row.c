#include "store/outbox_row.h"

#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

static int copy(char **out, sqlite3_stmt *row, int column)
{
	*out = db_copy(row, column);
	return !*out && sqlite3_column_type(row, column) != SQLITE_NULL ? -1 : 0;
}

static int read_row(sqlite3_stmt *row, struct store_report *report)
{
	text_copy(report->id, ID_SIZE, db_text(row, 0));
	text_copy(report->task_id, ID_SIZE, db_text(row, 1));
	text_copy(report->run_id, ID_SIZE, db_text(row, 2));
	report->kind = word_to_report(db_text(row, 3));
	report->started = db_int(row, 4) != 0;
	report->attempts = (int)db_int(row, 5);
	report->unsure = db_int(row, 6) != 0;
	report->created_at = db_int(row, 7);
	return copy(&report->issue_id, row, 8) | copy(&report->bot_id, row, 9) |
	       copy(&report->bot_name, row, 10) | copy(&report->ai_task_id, row, 11) |
	       copy(&report->text, row, 12);
}

/* ---- FORMAT: the run, for the callback policy ---- */

static json_t *read_run(struct db *db, const struct store_report *report, struct err *err)
{
	sqlite3_stmt *row = db_start(
	    db,
	    "SELECT r.id AS run_id, r.outcome, r.exit_code, r.signal, r.cause, r.final_text,"
	    " r.tail, r.duration, r.attempt, t.agent, e.rule,"
	    " CASE e.kind WHEN 'none' THEN 'other' ELSE e.kind END AS kind, r.session_id,"
	    " r.input_tokens, r.output_tokens, r.cost_usd, r.truncated, r.started_at, t.plan"
	    " FROM runs r JOIN tasks t ON t.id = r.task_id JOIN events e ON e.id = t.event_id"
	    " WHERE r.id = ?",
	    DB_WITH(TEXT(report->run_id)), err);
	const int rc = row ? db_step(db, row, err) : -1;

	if (rc == 0)
		err_set(err, ERR_NOTFOUND, "there is no run %s", report->run_id);
	if (rc != 1)
		return NULL;
	json_t *run = db_object(row);
	if (!run)
		err_set(err, ERR_NOMEM, "no memory for a run");
	else
		json_object_set_new(run, "truncated",
				    json_boolean(json_int(run, "truncated", 0) != 0));
	db_done(row);
	return run;
}

/* The start is told as it was, also when the run was faster than its report. */
static void forget_end(json_t *run)
{
	static const char *const keys[] = { "outcome",	"exit_code",	"signal",
					    "cause",	"final_text",	"tail",
					    "duration", "input_tokens", "output_tokens",
					    "cost_usd" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_object_set_new(run, keys[i], json_null());
}

static int read_body(struct db *db, struct store_report *report, struct err *err)
{
	sqlite3_stmt *row = db_start(
	    db,
	    "SELECT b.body, b.completion FROM tasks t JOIN bodies b ON b.event_id = t.event_id"
	    " WHERE t.id = ?",
	    DB_WITH(TEXT(report->task_id)), err);
	const int rc = row ? db_step(db, row, err) : -1;

	if (rc != 1)
		return rc;
	report->body_len = (size_t)sqlite3_column_bytes(row, 0);
	report->body = calloc(1, report->body_len + 1);
	if (report->body && report->body_len > 0)
		memcpy(report->body, sqlite3_column_blob(row, 0), report->body_len);
	const int copied = report->body ? copy(&report->completion, row, 1) : -1;
	db_done(row);
	return copied < 0 ? err_set(err, ERR_NOMEM, "no memory for an event") : 0;
}

static int read_format(struct db *db, struct store_report *report, struct err *err)
{
	report->run = read_run(db, report, err);
	if (!report->run)
		return -1;
	if (report->started)
		forget_end(report->run);
	return read_body(db, report, err);
}

/* ---- STATE: what the issue must have now ---- */

/* What we set last on the issue since the task was made, else what the event said. */
static int read_expected(struct db *db, struct store_report *report, struct err *err)
{
	const int rc = db_string(
	    db,
	    "SELECT coalesce((SELECT s.text FROM reports s WHERE s.issue_id = t.issue_id"
	    "   AND s.kind = 'state' AND s.state = 'delivered' AND s.done_at >= t.created_at"
	    "   ORDER BY s.done_at DESC, s.seq DESC, s.sub DESC LIMIT 1), e.issue_state)"
	    " FROM tasks t JOIN events e ON e.id = t.event_id WHERE t.id = ?",
	    DB_WITH(TEXT(report->task_id)), &report->expected_state, err);

	return rc < 0 ? -1 : 0;
}

static int complete(struct db *db, struct store_report *report, struct err *err)
{
	switch (report->kind) {
	case REPORT_FORMAT:
		return read_format(db, report, err);
	case REPORT_STATE:
		return read_expected(db, report, err);
	default:
		return 0;
	}
}

int outbox_load(struct db *db, const char *id, struct store_report **report, struct err *err)
{
	struct store_report *made = calloc(1, sizeof(*made));
	sqlite3_stmt *row = db_start(
	    db,
	    "SELECT id, task_id, run_id, kind, started, attempts, unsure, created_at, issue_id,"
	    " bot_id, bot_name, ai_task_id, text FROM reports WHERE id = ?",
	    DB_WITH(TEXT(id)), err);
	int rc = row ? db_step(db, row, err) : -1;

	if (rc == 0)
		rc = err_set(err, ERR_NOTFOUND, "there is no report %s", id);
	if (rc == 1) {
		rc = made ? read_row(row, made) : -1;
		db_done(row);
		if (rc < 0)
			err_set(err, ERR_NOMEM, "no memory for a report");
	}
	if (rc < 0 || complete(db, made, err) < 0) {
		store_report_free(made);
		return -1;
	}
	*report = made;
	return 0;
}

void store_report_free(struct store_report *report)
{
	if (!report)
		return;
	free(report->issue_id);
	free(report->bot_id);
	free(report->bot_name);
	free(report->ai_task_id);
	free(report->text);
	free(report->expected_state);
	json_decref(report->run);
	free(report->body);
	free(report->completion);
	free(report);
}
