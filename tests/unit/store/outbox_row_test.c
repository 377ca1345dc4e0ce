/* What a taken row brings along: the run and its event, the state that is expected. */

#include "helper.h"

static struct store_event on_issue(const char *issue_id)
{
	struct store_event event = webhook("x", KIND_NONE, NULL, T0);

	event.issue_id = issue_id;
	return event;
}

static void a_format_row_has_the_run_and_its_event(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = assigned(T0);

	event.completion = "{}";
	const struct store_answer answer = ended_task(store, event);
	struct store_report *started = take(store);
	assert_true(started->started);
	assert_true(json_is_null(json_at(started->run, "outcome")));
	ok(store_expand_report(store, started->id, NULL, 0, &err));
	store_report_free(started);

	struct store_report *report = take(store);
	assert_false(report->started);
	assert_string_equal(report->run_id, answer.runs[0].run_id);
	assert_string_equal(report->issue_id, ISSUE);
	assert_string_equal(report->bot_id, BOT);
	assert_string_equal(report->bot_name, "ai-fixer");
	assert_string_equal(json_str(report->run, "run_id"), report->run_id);
	assert_string_equal(json_str(report->run, "outcome"), "success");
	assert_string_equal(json_str(report->run, "final_text"), "all done");
	assert_string_equal(json_str(report->run, "tail"), "last lines");
	assert_string_equal(json_str(report->run, "agent"), "default");
	assert_string_equal(json_str(report->run, "rule"), "a rule");
	assert_string_equal(json_str(report->run, "kind"), "assignment");
	assert_int_equal(json_int(report->run, "exit_code", -7), 0);
	assert_int_equal(json_int(report->run, "duration", -7), 1500);
	assert_int_equal(json_int(report->run, "attempt", -7), 1);
	assert_int_equal(json_int(report->run, "input_tokens", -7), 10);
	assert_true(json_is_null(json_at(report->run, "signal")));
	assert_memory_equal(report->body, "{\"event\":1}", 12);
	assert_string_equal(report->completion, "{}");
	store_report_free(report);
}

/* ---- the expected state ---- */

static void assert_expected(struct store *store, const char *text, const char *expected)
{
	struct store_report *report = take(store);

	assert_non_null(report);
	assert_int_equal(report->kind, REPORT_STATE);
	assert_string_equal(report->text, text);
	if (expected)
		assert_string_equal(report->expected_state, expected);
	else
		assert_null(report->expected_state);
	ok(store_report_delivered(store, report->id, &err));
	store_report_free(report);
}

static const struct store_call in_progress[] = { { REPORT_STATE, "in_progress" } };
static const struct store_call done[] = { { REPORT_STATE, "done" } };

static void the_event_s_state_is_expected_then_ours(void **state)
{
	struct store *store = store_of(state);

	ended_task(store, on_issue("i1"));
	expand(store, in_progress, 1);
	assert_expected(store, "in_progress", "todo");
	expand(store, done, 1);
	assert_expected(store, "done", "in_progress");
}

static void an_unknown_state_expects_nothing(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = on_issue("i1");

	event.issue_state = NULL;
	ended_task(store, event);
	expand(store, in_progress, 1);
	assert_expected(store, "in_progress", NULL);
}

static void a_state_that_was_not_set_is_not_ours(void **state)
{
	struct store *store = store_of(state);

	ended_task(store, on_issue("i1"));
	expand(store, in_progress, 1);
	struct store_report *report = take(store);
	ok(store_report_dropped(store, report->id, "changed by a person", &err));
	store_report_free(report);
	expand(store, done, 1);
	assert_expected(store, "done", "todo");
}

/* Two agents on one issue: the first one's `done` is not a person's change. */
static void what_another_task_of_ours_set_is_ours(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = assigned(T0);
	struct store_decision decision = decide(ACTION_ACCEPT);
	struct store_answer answer;

	decision.targets[1].agent = "second";
	decision.target_count = 2;
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	run_to(store, OUTCOME_SUCCESS);
	expand(store, in_progress, 1);
	assert_expected(store, "in_progress", "todo");
	expand(store, done, 1);
	assert_expected(store, "done", "in_progress");
	run_to(store, OUTCOME_SUCCESS);
	expand(store, in_progress, 1);
	assert_expected(store, "in_progress", "done");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(a_format_row_has_the_run_and_its_event),
		place_test(the_event_s_state_is_expected_then_ours),
		place_test(an_unknown_state_expects_nothing),
		place_test(a_state_that_was_not_set_is_not_ours),
		place_test(what_another_task_of_ours_set_is_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
