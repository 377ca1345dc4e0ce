/*
 * No statement of the store reads through a table: every one that was prepared while the verbs were
 * exercised is asked for its plan.  A million ended tasks must not slow a claim down.
 */

#include "helper_tunnel.h"

static void exercise_tunnel(struct store *store)
{
	json_t *list = NULL;

	const struct store_answer answer = receive(store, dispatched("r1"), ACTION_ACCEPT);
	receive(store, dispatched("r1"), ACTION_ACCEPT);
	receive(store, dispatched("r2"), ACTION_NO_AGENT);
	receive(store, carried("r3", assigned(T0), "delivery:d"), ACTION_HOLD);
	ok(store_dispatches(store, 10, &list, &err));
	json_decref(list);
	ok(store_cancel_dispatch(store, "r1", &err));
	ok(store_cancel_dispatch(store, "r3", &err));
	ok(store_cancel_dispatch(store, "r4", &err));
	ok(store_retry_report(store, answer.runs[0].run_id, &err));
	owed(store, true);
}

static void exercise(struct store *store)
{
	static const char *const bots[] = { BOT };
	struct store_stored *stored = NULL;
	struct store_event event = ai_task(AI_TASK, 1, KEY, T0);
	json_t *list = NULL;
	char run_id[ID_SIZE], again[ID_SIZE];
	size_t count;

	exercise_tunnel(store);
	event.ai_task_id = "another";
	event.dedupe_key = "ai:another:1";
	receive(store, event, ACTION_HOLD);
	receive(store, created(T0), ACTION_IGNORE);
	receive(store, assigned(T0), ACTION_ACCEPT);
	receive(store, created(T0), ACTION_HOLD);
	receive(store, assigned(T0 + 60000), ACTION_ACCEPT);
	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	receive(store, ai_task(AI_TASK, 2, KEY, T0), ACTION_ACCEPT);
	receive(store, mentioned("c1", T0), ACTION_ACCEPT);
	store_ai_task_known(store, AI_TASK, KEY);
	struct store_task *task = claim(store, clock_wall());
	ok(store_defer(store, task->run_id, 1, "away", &err));
	store_task_free(task);
	task = claim(store, clock_wall());
	ok(store_hold_task(store, task->run_id, "held", &err));
	const struct store_decision accepting = decide(ACTION_ACCEPT);
	struct store_answer answer;
	ok(store_redecide(store, task->event_id, &accepting, &answer, &err));
	store_task_free(task);
	start(store, run_id);
	ok(store_session(store, run_id, "s", &err));
	ok(store_recover(store, 2, &count, &err));
	start(store, run_id);
	end(store, run_id, OUTCOME_FAILURE);
	ok(store_retry(store, run_id, again, &err));
	start(store, run_id);
	end(store, run_id, OUTCOME_FAILURE);
	struct store_report *report = take(store);
	ok(store_report_failed(store, report->id, 0, false, "x", &err));
	store_report_free(report);
	ok(store_recover_reports(store, &err));
	static const struct store_call state_call = { REPORT_STATE, "done" };
	report = take(store);
	ok(store_expand_report(store, report->id, &state_call, 1, &err));
	store_report_free(report);
	deliver_all(store);
	ok(store_retry_report(store, run_id, &err));
	ok(store_cancel_requests(store, &list, &err));
	json_decref(list);
	store_next_due(store);
	store_next_report_due(store);
	store_oldest_report(store);
	ok(store_next_undecided(store, &stored, &err));
	receive(store, removal(bots, 1, T0 + 90000), ACTION_CANCEL);
	receive(store, removal(NULL, 0, T0 + 90000), ACTION_CANCEL);
	const struct store_answer held = receive(store, assigned(T0 + 99999), ACTION_HOLD);
	ok(store_discard(store, held.event_id, &err));
	json_decref(show(store, run_id));
	json_decref(store_brief(store, run_id, &(struct err){ .text = "" }));
	count_runs(store);
	status_of(store, run_id);
	list = store_events(store, "held", 10, &(struct err){ .text = "" });
	json_decref(list);
	list = store_events(store, "ignored", 10, &(struct err){ .text = "" });
	json_decref(list);
	count_of(store, "waiting");
	deliver_all(store);
	ok(store_prune(store, clock_wall() + 1000000, 1, 1, &list, &err));
	json_decref(list);
}

/* A scan is a table's or a whole index's; a partial index holds only what is alive. */
static bool is_slow(const char *detail)
{
	static const char *const fine[] = {
		"json_each",	      "CONSTANT ROW",
		"sqlite_master",      "tasks_waiting",
		"tasks_due",	      "tasks_busy",
		"tasks_held",	      "tasks_whole",
		"events_open",	      "events_whole",
		"events_slim",	      "reports_due",
		"reports_lane",	      "reports_sending",
		"reports_owed",	      "reports_dead",
		"dispatches_unacked", "dispatches_untold",
		"dispatches_open",    "dispatches_whole",
		"runs_created",	      "events_received" /* newest first, with a LIMIT */,
	};

	if (strncmp(detail, "SCAN", 4) != 0)
		return false;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (strstr(detail, fine[i]))
			return false;
	return true;
}

static int explain(sqlite3 *handle, const char *sql)
{
	char *text = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *plan = NULL;
	int slow = 0;

	assert_int_equal(sqlite3_prepare_v2(handle, text, -1, &plan, NULL), SQLITE_OK);
	while (sqlite3_step(plan) == SQLITE_ROW) {
		const char *detail = (const char *)sqlite3_column_text(plan, 3);
		if (is_slow(detail)) {
			print_error("%s\n    %s\n", detail, sql);
			slow++;
		}
	}
	sqlite3_finalize(plan);
	sqlite3_free(text);
	return slow;
}

static int explain_all(sqlite3 *handle, int *looked)
{
	const char *sqls[256];
	int count = 0, slow = 0;

	for (sqlite3_stmt *each = sqlite3_next_stmt(handle, NULL); each;
	     each = sqlite3_next_stmt(handle, each))
		sqls[count++] = sqlite3_sql(each);
	for (int i = 0; i < count; i++)
		if (strncmp(sqls[i], "SELECT", 6) == 0 || strncmp(sqls[i], "UPDATE", 6) == 0 ||
		    strncmp(sqls[i], "DELETE", 6) == 0 || strncmp(sqls[i], "INSERT", 6) == 0) {
			slow += explain(handle, sqls[i]);
			(*looked)++;
		}
	return slow;
}

struct look {
	int slow, looked;
};

static int look_job(struct txn *txn, void *arg, struct err *err)
{
	struct look *look = arg;

	(void)err;
	look->slow = explain_all(db_handle(txn->db), &look->looked);
	return 0;
}

static void nothing_reads_through_a_table(void **state)
{
	struct store *store = store_of(state);
	struct look writing = { 0, 0 }, reading = { 0, 0 };

	exercise(store);
	ok(store_write(store, look_job, &writing, &err));
	struct db *db = store_read_begin(store);
	reading.slow = explain_all(db_handle(db), &reading.looked);
	store_read_end(store);
	assert_true(writing.looked > 70); /* the walk really happened */
	assert_true(reading.looked > 10);
	assert_int_equal(writing.slow, 0);
	assert_int_equal(reading.slow, 0);
}

/* The same said by counting: what the hot statements step over does not grow with the past. */
static int steps_job(struct txn *txn, void *arg, struct err *err)
{
	int *steps = arg;

	(void)err;
	*steps = 0;
	for (sqlite3_stmt *each = sqlite3_next_stmt(db_handle(txn->db), NULL); each;
	     each = sqlite3_next_stmt(db_handle(txn->db), each))
		*steps += sqlite3_stmt_status(each, SQLITE_STMTSTATUS_VM_STEP, 1);
	return 0;
}

static int work_steps(struct store *store)
{
	int steps = 0;

	ok(store_write(store, steps_job, &steps, &err));
	struct store_event event = ai_task(fresh_key("t"), 1, fresh_key("j"), T0);
	event.issue_id = "issue-7";
	receive(store, event, ACTION_ACCEPT);
	event = webhook("issue.assigned", KIND_ASSIGNMENT, event.join_key, T0 + 7);
	event.issue_id = "issue-7";
	assert_int_equal(receive(store, event, ACTION_ACCEPT).status, STATUS_JOINED);
	run_to(store, OUTCOME_SUCCESS);
	deliver_all(store);
	ok(store_write(store, steps_job, &steps, &err));
	return steps;
}

static int make_past(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	return db_script(
	    txn->db,
	    "CREATE TEMP TABLE n AS WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c"
	    "  WHERE i < 20000) SELECT i, printf('past-%06d', i) AS id FROM c;"
	    "INSERT INTO events (id, dedupe_key, source, name, kind, join_key, issue_id, bot_id,"
	    " ai_attempt, ai_max_attempts, at, received_at, status, group_id, open)"
	    " SELECT id, id, 'webhook', 'x', 'mention', id, 'issue-' || i % 100, 'b', 0, 0, i, i,"
	    " 'dispatched', id, 0 FROM n;"
	    "INSERT INTO tasks (id, event_id, position, join_key, issue_id, bot_id, agent, timeout,"
	    " state, event_at, asked_at, due, run_id, first_run_id, attempt, outcome, created_at,"
	    " ended_at) SELECT id, id, 0, id, 'issue-' || i % 100, 'b', 'default', 0, 'ended', i,"
	    " i, 0, id, id, 1, 'success', i, i FROM n;"
	    "INSERT INTO runs (id, task_id, attempt, state, outcome, created_at)"
	    " SELECT id, id, 1, 'ended', 'success', i FROM n;"
	    "INSERT INTO reports (id, task_id, run_id, lane, seq, sub, kind, started, issue_id,"
	    " state, next_at, created_at, done_at) SELECT id, id, id, 'issue-' || i % 100,"
	    " -i, 0, 'comment', 0, 'issue-' || i % 100, 'delivered', i, i, i FROM n;"
	    "DROP TABLE n",
	    err);
}

static void the_past_costs_nothing(void **state)
{
	struct store *store = store_of(state);

	work_steps(store);
	const int early = work_steps(store);
	ok(store_write(store, make_past, NULL, &err));
	const int late = work_steps(store);
	if (late > 2 * early)
		fail_msg("%d steps with nothing behind, %d with 20000 ended tasks", early, late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(nothing_reads_through_a_table),
		place_test(the_past_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
