/* The outbox: order, back-off, unknown outcomes, what the issue must have now. */

#include "helper.h"

static struct store_event on_issue(const char *issue_id)
{
	struct store_event event = webhook("x", KIND_NONE, NULL, T0);

	event.issue_id = issue_id;
	return event;
}

static struct store_report *take_at(struct store *store, int64_t now)
{
	struct store_report *report = NULL;

	ok(store_take_report(store, now, NULL, 0, &report, &err));
	return report;
}

static void delivered(struct store *store, enum store_report_kind kind, const char *text)
{
	struct store_report *report = take(store);

	assert_non_null(report);
	assert_int_equal(report->kind, kind);
	if (text)
		assert_string_equal(report->text, text);
	ok(store_report_delivered(store, report->id, &err));
	store_report_free(report);
}

static void calls_take_the_place_of_their_format_row(void **state)
{
	static const struct store_call started[] = { { REPORT_STATE, "in_progress" } };
	static const struct store_call ended[] = { { REPORT_COMMENT, "hello" },
						   { REPORT_STATE, "done" } };
	struct store *store = store_of(state);
	const struct store_answer answer = ended_task(store, ai_task(AI_TASK, 1, KEY, T0));

	expand(store, started, 1);
	assert_string_equal(shown(store, answer.runs[0].run_id, "report"), "pending");
	delivered(store, REPORT_STATE, "in_progress");
	expand(store, ended, 2);
	delivered(store, REPORT_COMMENT, "hello");
	delivered(store, REPORT_STATE, "done");
	assert_string_equal(shown(store, answer.runs[0].run_id, "report"), "pending");
	delivered(store, REPORT_AI_COMPLETE, NULL);
	assert_null(take(store));
	assert_string_equal(shown(store, answer.runs[0].run_id, "report"), "delivered");
}

static void saying_nothing_is_a_delivered_report(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer = ended_task(store, assigned(T0));

	expand(store, NULL, 0);
	expand(store, NULL, 0);
	assert_null(take(store));
	assert_string_equal(shown(store, answer.runs[0].run_id, "report"), "delivered");
}

/* ---- order ---- */

static void an_issue_s_rows_go_out_one_after_another(void **state)
{
	struct store *store = store_of(state);

	ended_task(store, on_issue("i1"));
	ended_task(store, on_issue("i2"));
	struct store_report *first = take(store);
	struct store_report *second = take(store);
	assert_string_equal(first->issue_id, "i1");
	assert_string_equal(second->issue_id, "i2");
	assert_null(take(store)); /* the ends wait for the starts */
	ok(store_report_dropped(store, first->id, "a person was faster", &err));
	store_report_free(first);
	first = take(store);
	assert_string_equal(first->issue_id, "i1");
	assert_false(first->started);
	store_report_free(first);
	store_report_free(second);
}

static void a_backed_off_row_holds_its_issue_up(void **state)
{
	struct store *store = store_of(state);
	const int64_t now = clock_wall() + 1000;

	ended_task(store, on_issue("i1"));
	struct store_report *report = take_at(store, now);
	ok(store_report_failed(store, report->id, now + 5000, true, "connection refused", &err));
	assert_null(take_at(store, now + 4999));
	assert_true(store_next_report_due(store) == now + 5000);
	struct store_report *again = take_at(store, now + 5000);
	assert_string_equal(again->id, report->id);
	assert_int_equal(again->attempts, 1);
	store_report_free(report);
	store_report_free(again);
}

static void a_dead_row_lets_the_next_one_go(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer = ended_task(store, on_issue("i1"));
	struct store_report *report = take(store);

	ok(store_report_dead(store, report->id, "24 h", &err));
	store_report_free(report);
	report = take(store);
	assert_false(report->started);
	assert_string_equal(shown(store, answer.runs[0].run_id, "report"), "pending");
	ok(store_report_dead(store, report->id, "24 h", &err));
	store_report_free(report);
	assert_string_equal(shown(store, answer.runs[0].run_id, "report"), "dead");
	assert_int_equal(count_of(store, "reports_dead"), 2);
	assert_int_equal(count_of(store, "reports_pending"), 0);
}

static void work_without_an_issue_is_in_order_by_itself(void **state)
{
	struct store *store = store_of(state);

	ended_task(store, on_issue(NULL));
	ended_task(store, on_issue(NULL));
	struct store_report *first = take(store);
	struct store_report *second = take(store);
	assert_non_null(second);
	assert_string_not_equal(first->task_id, second->task_id);
	assert_null(take(store));
	store_report_free(first);
	store_report_free(second);
}

static void paused_bots_are_passed_over(void **state)
{
	static const char *const paused[] = { BOT, "" };
	struct store *store = store_of(state);
	struct store_event nobody = on_issue("i2"), other = on_issue("i3");
	struct store_report *report = NULL;

	nobody.bot_id = NULL;
	other.bot_id = OTHER_BOT;
	ended_task(store, on_issue("i1"));
	ended_task(store, nobody);
	ended_task(store, other);
	ok(store_take_report(store, clock_wall(), paused, 2, &report, &err));
	assert_string_equal(report->issue_id, "i3");
	store_report_free(report);
	ok(store_take_report(store, clock_wall(), paused, 2, &report, &err));
	assert_null(report);
	ok(store_take_report(store, clock_wall(), paused, 1, &report, &err));
	assert_string_equal(report->issue_id, "i2");
	store_report_free(report);
}

static void what_waits_for_an_earlier_row_is_not_told_as_due(void **state)
{
	struct store *store = store_of(state);

	assert_true(store_next_report_due(store) == INT64_MAX);
	ended_task(store, on_issue("i1"));
	struct store_report *report = take(store);
	assert_null(take(store));
	assert_true(store_next_report_due(store) == INT64_MAX);
	store_report_free(report);
}

/* ---- outcomes ---- */

static void a_row_is_settled_once_and_only_when_taken(void **state)
{
	struct store *store = store_of(state);

	ended_task(store, on_issue("i1"));
	struct store_report *report = take(store);
	ok(store_report_failed(store, report->id, 0, true, "x", &err));
	refused(store_report_delivered(store, report->id, &err), ERR_CONFLICT);
	refused(store_report_dead(store, report->id, "x", &err), ERR_CONFLICT);
	refused(store_report_dropped(store, report->id, "x", &err), ERR_CONFLICT);
	refused(store_report_failed(store, report->id, 0, true, "x", &err), ERR_CONFLICT);
	refused(store_expand_report(store, report->id, NULL, 0, &err), ERR_CONFLICT);
	refused(store_report_delivered(store, "no such report", &err), ERR_NOTFOUND);
	store_report_free(report);
}

static void a_call_is_not_expanded(void **state)
{
	static const struct store_call call = { REPORT_COMMENT, "hello" };
	struct store *store = store_of(state);

	ended_task(store, on_issue("i1"));
	expand(store, &call, 1);
	struct store_report *report = take(store);
	refused(store_expand_report(store, report->id, &call, 1, &err), ERR_CONFLICT);
	store_report_free(report);
}

static struct store_report *fail_and_take(struct store *store, bool outcome_known)
{
	struct store_report *report = take(store);

	ok(store_report_failed(store, report->id, 0, outcome_known, "x", &err));
	store_report_free(report);
	return take(store);
}

static void an_unknown_outcome_stays_known_as_such(void **state)
{
	struct store *store = store_of(state);

	ended_task(store, on_issue("i1"));
	struct store_report *report = fail_and_take(store, true);
	assert_int_equal(report->attempts, 1);
	assert_false(report->unsure);
	ok(store_report_failed(store, report->id, 0, false, "timeout", &err));
	store_report_free(report);
	report = fail_and_take(store, true);
	assert_int_equal(report->attempts, 3);
	assert_true(report->unsure);
	store_report_free(report);
}

static void a_crash_while_sending_is_an_unknown_outcome(void **state)
{
	struct place *place = *state;
	const struct store_answer answer = ended_task(place->store, on_issue("i1"));

	store_report_free(take(place->store));
	store_close(place->store);
	ok(store_open(place->path, &place->store, &err));
	assert_null(take(place->store));
	ok(store_recover_reports(place->store, &err));
	struct store_report *report = take(place->store);
	assert_non_null(report);
	assert_int_equal(report->attempts, 1);
	assert_true(report->unsure);
	assert_string_equal(report->run_id, answer.runs[0].run_id);
	store_report_free(report);
}

/* ---- reporting again ---- */

static void dead_and_delivered_calls_are_made_anew(void **state)
{
	static const struct store_call calls[] = { { REPORT_COMMENT, "hello" },
						   { REPORT_STATE, "done" } };
	struct store *store = store_of(state);
	const struct store_answer answer = ended_task(store, ai_task(AI_TASK, 1, KEY, T0));
	const char *run_id = answer.runs[0].run_id;

	expand(store, NULL, 0);
	expand(store, calls, 2);
	delivered(store, REPORT_COMMENT, "hello");
	struct store_report *report = take(store);
	refused(store_retry_report(store, run_id, &err), ERR_CONFLICT);
	ok(store_report_dead(store, report->id, "404", &err));
	store_report_free(report);
	assert_int_equal(count_of(store, "reports_dead"), 1);

	ok(store_retry_report(store, run_id, &err));
	assert_int_equal(count_of(store, "reports_dead"), 0);
	assert_string_equal(deliver_all(store), "format comment ai_complete ");
	assert_string_equal(shown(store, run_id, "report"), "delivered");
}

static void only_an_ended_run_is_reported_again(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, run_id);
	refused(store_retry_report(store, run_id, &err), ERR_CONFLICT);
	refused(store_retry_report(store, "no such run", &err), ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(calls_take_the_place_of_their_format_row),
		place_test(saying_nothing_is_a_delivered_report),
		place_test(an_issue_s_rows_go_out_one_after_another),
		place_test(a_backed_off_row_holds_its_issue_up),
		place_test(a_dead_row_lets_the_next_one_go),
		place_test(work_without_an_issue_is_in_order_by_itself),
		place_test(paused_bots_are_passed_over),
		place_test(what_waits_for_an_earlier_row_is_not_told_as_due),
		place_test(a_row_is_settled_once_and_only_when_taken),
		place_test(a_call_is_not_expanded),
		place_test(an_unknown_outcome_stays_known_as_such),
		place_test(a_crash_while_sending_is_an_unknown_outcome),
		place_test(dead_and_delivered_calls_are_made_anew),
		place_test(only_an_ended_run_is_reported_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
