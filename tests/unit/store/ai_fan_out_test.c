/* One AI task, several agents: ended when all have, completed if any succeeded. */

#include "helper_ai.h"

static struct store_decision fan_out(void)
{
	struct store_decision decision = decide(ACTION_ACCEPT);

	decision.targets[1].agent = "second";
	decision.targets[1].timeout = 5000;
	decision.target_count = 2;
	return decision;
}

static void fan_out_to(struct store *store, enum outcome first, enum outcome second,
		       const char *expected)
{
	struct store_event event = ai_task(AI_TASK, 1, KEY, T0);
	const struct store_decision decision = fan_out();
	struct store_answer answer;

	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	assert_int_equal(answer.run_count, 2);
	assert_string_equal(answer.runs[0].agent, "default");
	assert_string_equal(answer.runs[1].agent, "second");
	run_to(store, first);
	assert_string_equal(deliver_all(store), "format comment format comment ");
	run_to(store, second);
	assert_string_equal(deliver_all(store), expected);
}

static void fan_out_completes_when_any_succeeded(void **state)
{
	fan_out_to(store_of(state), OUTCOME_SUCCESS, OUTCOME_FAILURE,
		   "format comment format comment ai_complete ");
}

static void fan_out_fails_when_none_succeeded(void **state)
{
	fan_out_to(store_of(state), OUTCOME_TIMEOUT, OUTCOME_FAILURE,
		   "format comment format comment ai_fail ");
}

static void fan_out_names_every_run(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = ai_task(AI_TASK, 1, KEY, T0);
	const struct store_decision decision = fan_out();
	struct store_answer answer;

	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	run_to(store, OUTCOME_FAILURE);
	run_to(store, OUTCOME_SUCCESS);
	struct store_report *end_row = take_ai_end(store);
	assert_int_equal(end_row->kind, REPORT_AI_COMPLETE);
	assert_text(end_row->text, "run_id", answer.runs[1].run_id);
	assert_non_null(strstr(end_row->text, answer.runs[0].run_id));
	store_report_free(end_row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(fan_out_completes_when_any_succeeded),
		place_test(fan_out_fails_when_none_succeeded),
		place_test(fan_out_names_every_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
