/* By what an agent behind HTTP knows its work again, and what putting it off does to others. */

#include "helper.h"

static struct store_answer for_agent(struct store *store, const char *agent, int64_t at)
{
	struct store_event event = webhook("issue.state_changed", KIND_NONE, NULL, at);
	struct store_decision decision = decide(ACTION_ACCEPT);
	struct store_answer answer;

	event.issue_id = ISSUE;
	decision.targets[0].agent = agent;
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	return answer;
}

static void interrupt(struct store *store, const char *run_id, bool counted)
{
	const struct store_end done = { .run_id = run_id, .outcome = OUTCOME_INTERRUPTED };

	ok(store_end(store, &done, counted, 5, &err));
}

static void runs_after_a_crash_keep_the_key_and_a_retry_does_not(void **state)
{
	struct store *store = store_of(state);
	char first[ID_SIZE], second[ID_SIZE], third[ID_SIZE];

	for_agent(store, "claw", T0);
	struct store_task *task = claim(store, clock_wall());
	memcpy(first, task->run_id, ID_SIZE);
	assert_string_equal(task->key, first);
	assert_null(task->session);
	ok(store_started(store, first, T0, "log", &err));
	ok(store_session(store, first, "job-1", &err));
	interrupt(store, first, true);
	store_task_free(task);

	task = claim(store, clock_wall());
	memcpy(second, task->run_id, ID_SIZE);
	assert_string_not_equal(second, first);
	assert_string_equal(task->key, first);
	assert_string_equal(task->session, "job-1");
	ok(store_started(store, second, T0, "log", &err));
	interrupt(store, second, false);
	store_task_free(task);

	task = claim(store, clock_wall());
	assert_string_equal(task->key, first);
	assert_string_equal(task->session, "job-1");
	memcpy(third, task->run_id, ID_SIZE);
	store_task_free(task);
	ok(store_started(store, third, T0, "log", &err));
	end(store, third, OUTCOME_FAILURE);

	char again[ID_SIZE];
	ok(store_retry(store, third, again, &err));
	task = claim(store, clock_wall());
	assert_string_equal(task->run_id, again);
	assert_string_equal(task->key, again);
	assert_null(task->session);
	store_task_free(task);
}

static void a_claim_that_a_crash_cuts_off_keeps_its_run(void **state)
{
	struct store *store = store_of(state);
	size_t count = 0;

	for_agent(store, "claw", T0);
	struct store_task *task = claim(store, clock_wall());
	ok(store_recover(store, 2, &count, &err));
	struct store_task *next = claim(store, clock_wall());
	assert_string_equal(next->run_id, task->run_id);
	assert_string_equal(next->key, task->key);
	store_task_free(task);
	store_task_free(next);
}

static void putting_off_is_counted_and_uses_no_attempt(void **state)
{
	struct store *store = store_of(state);
	int64_t since = 0;

	for_agent(store, "claw", T0);
	for (int i = 0; i < 3; i++) {
		struct store_task *task = claim(store, 1000 * (i + 1));
		assert_int_equal(task->put_off, i);
		assert_int_equal(task->attempt, 1);
		assert_true(i == 0 ? task->put_off_at == 0 : task->put_off_at > 0);
		assert_true(i < 2 || task->put_off_at == since);
		since = task->put_off_at;
		ok(store_put_off(store, task->run_id, 1000 * (i + 2), "it answered 503", &err));
		assert_string_equal(shown(store, task->run_id, "note"), "it answered 503");
		store_task_free(task);
		assert_null(claim(store, 1000 * (i + 2) - 1));
	}
}

static void one_that_was_put_off_holds_up_its_own_agent_alone(void **state)
{
	struct store *store = store_of(state);

	for_agent(store, "claw", T0);
	for_agent(store, "claw", T0 + 1);
	for_agent(store, "cli", T0 + 2);
	struct store_task *task = claim(store, 1000);
	ok(store_put_off(store, task->run_id, 5000, "away", &err));
	store_task_free(task);
	task = claim(store, 2000);
	assert_string_equal(task->agent, "cli");
	/* It is due, and the issue has a run. */
	assert_null(claim(store, 6000));
	ok(store_started(store, task->run_id, T0, "log", &err));
	end(store, task->run_id, OUTCOME_SUCCESS);
	store_task_free(task);
	task = claim(store, 6000);
	assert_string_equal(task->agent, "claw");
	assert_int_equal(task->put_off, 1);
	store_task_free(task);
}

static void a_cancelled_one_is_not_put_off_again(void **state)
{
	struct store *store = store_of(state);

	for_agent(store, "claw", T0);
	struct store_task *task = claim(store, 1000);
	ok(store_cancel(store, task->run_id, &err));
	ok(store_put_off(store, task->run_id, 5000, "away", &err));
	assert_string_equal(shown(store, task->run_id, "outcome"), "cancelled");
	store_task_free(task);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(runs_after_a_crash_keep_the_key_and_a_retry_does_not),
		place_test(a_claim_that_a_crash_cuts_off_keeps_its_run),
		place_test(putting_off_is_counted_and_uses_no_attempt),
		place_test(one_that_was_put_off_holds_up_its_own_agent_alone),
		place_test(a_cancelled_one_is_not_put_off_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
