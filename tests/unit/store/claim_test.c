/* Who runs next, and what gives a task back. */

#include "helper.h"

static struct store_event on_issue(const char *issue_id, int64_t at)
{
	struct store_event event = webhook("issue.state_changed", KIND_NONE, NULL, at);

	event.issue_id = issue_id;
	return event;
}

static struct store_answer for_agent(struct store *store, struct store_event event,
				     const char *agent)
{
	struct store_decision decision = decide(ACTION_ACCEPT);
	struct store_answer answer;

	decision.targets[0].agent = agent;
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	return answer;
}

static void a_claimed_task_has_all_that_running_needs(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = mentioned("c1", T0);
	struct store_decision decision = decide(ACTION_ACCEPT);
	struct store_answer answer;

	event.completion = "{\"issue\":{}}";
	decision.targets[0].timeout = 1234;
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	struct store_task *task = claim(store, clock_wall());
	assert_true(id_valid(task->id));
	assert_string_equal(task->run_id, answer.runs[0].run_id);
	assert_string_equal(task->event_id, answer.event_id);
	assert_int_equal(task->attempt, 1);
	assert_int_equal(task->kind, KIND_MENTION);
	assert_int_equal(task->source, SOURCE_WEBHOOK);
	assert_string_equal(task->agent, "default");
	assert_string_equal(task->rule, "a rule");
	assert_string_equal(task->issue_id, ISSUE);
	assert_string_equal(task->issue_key, "CORE-A1B2C3D4");
	assert_string_equal(task->issue_state, "todo");
	assert_string_equal(task->bot_id, BOT);
	assert_string_equal(task->bot_name, "ai-fixer");
	assert_string_equal(task->comment_id, "c1");
	assert_int_equal(task->timeout, 1234);
	assert_false(task->started_before);
	assert_int_equal(task->body_len, 11);
	assert_memory_equal(task->body, "{\"event\":1}", 12);
	assert_string_equal(task->completion, "{\"issue\":{}}");
	assert_string_equal(shown(store, task->run_id, "state"), "waiting");
	store_task_free(task);
}

static void the_oldest_event_goes_first_whenever_it_came(void **state)
{
	struct store *store = store_of(state);

	receive(store, on_issue("i2", T0 + 20), ACTION_ACCEPT);
	receive(store, on_issue("i3", T0 + 30), ACTION_ACCEPT);
	receive(store, on_issue("i1", T0 + 10), ACTION_ACCEPT);
	for (int i = 1; i <= 3; i++) {
		struct store_task *task = claim(store, clock_wall());
		char expected[8];
		snprintf(expected, sizeof(expected), "i%d", i);
		assert_string_equal(task->issue_id, expected);
		store_task_free(task);
	}
	assert_null(claim(store, clock_wall()));
}

static void an_issue_has_one_run_at_a_time(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, on_issue("i1", T0), ACTION_ACCEPT);
	receive(store, on_issue("i1", T0 + 1), ACTION_ACCEPT);
	receive(store, on_issue("i2", T0 + 2), ACTION_ACCEPT);
	start(store, run_id);
	struct store_task *other = claim(store, clock_wall());
	assert_string_equal(other->issue_id, "i2");
	store_task_free(other);
	assert_null(claim(store, clock_wall()));
	end(store, run_id, OUTCOME_SUCCESS);
	struct store_task *second = claim(store, clock_wall());
	assert_string_equal(second->issue_id, "i1");
	store_task_free(second);
}

/* An older event that comes late must not overtake a run either. */
static void a_late_older_event_waits_for_the_run(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, on_issue("i1", T0 + 10), ACTION_ACCEPT);
	start(store, run_id);
	receive(store, on_issue("i1", T0), ACTION_ACCEPT);
	assert_null(claim(store, clock_wall()));
}

static void work_without_an_issue_blocks_nobody(void **state)
{
	struct store *store = store_of(state);

	for (int i = 0; i < 3; i++)
		receive(store, on_issue(NULL, T0), ACTION_ACCEPT);
	for (int i = 0; i < 3; i++) {
		struct store_task *task = claim(store, clock_wall());
		assert_non_null(task);
		store_task_free(task);
	}
}

static void busy_agents_are_passed_over(void **state)
{
	static const char *const busy[] = { "slow", "slower" };
	struct store *store = store_of(state);
	struct store_task *task = NULL;

	for_agent(store, on_issue("i1", T0), "slow");
	for_agent(store, on_issue("i2", T0 + 1), "slower");
	for_agent(store, on_issue("i3", T0 + 2), "quick \"quoted\"");
	ok(store_claim(store, clock_wall(), busy, 2, &task, &err));
	assert_string_equal(task->agent, "quick \"quoted\"");
	store_task_free(task);
	ok(store_claim(store, clock_wall(), busy, 2, &task, &err));
	assert_null(task);
	ok(store_claim(store, clock_wall(), busy + 1, 1, &task, &err));
	assert_string_equal(task->agent, "slow");
	store_task_free(task);
}

static void fan_out_runs_in_the_order_of_the_route(void **state)
{
	static const char *const agents[] = { "zeta", "alpha", "mid" };
	struct store *store = store_of(state);
	struct store_event event = on_issue("i1", T0);
	struct store_decision decision = decide(ACTION_ACCEPT);
	struct store_answer answer;

	for (int i = 0; i < 3; i++)
		decision.targets[i].agent = agents[i];
	decision.target_count = 3;
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	for (int i = 0; i < 3; i++) {
		char run_id[ID_SIZE];
		assert_string_equal(answer.runs[i].agent, agents[i]);
		start(store, run_id);
		assert_string_equal(run_id, answer.runs[i].run_id);
		end(store, run_id, OUTCOME_SUCCESS);
	}
}

/* ---- back-off ---- */

static void a_deferred_task_waits_without_using_an_attempt(void **state)
{
	struct store *store = store_of(state);

	receive(store, on_issue("i1", T0), ACTION_ACCEPT);
	struct store_task *task = claim(store, 1000);
	ok(store_defer(store, task->run_id, 5000, "OpenPR is away", &err));
	assert_string_equal(shown(store, task->run_id, "note"), "OpenPR is away");
	assert_null(claim(store, 4999));
	struct store_task *again = claim(store, 5000);
	assert_non_null(again);
	assert_string_equal(again->run_id, task->run_id);
	assert_int_equal(again->attempt, 1);
	assert_string_equal(shown(store, task->run_id, "note"), "null");
	store_task_free(task);
	store_task_free(again);
}

static void a_deferred_task_blocks_its_issue_only(void **state)
{
	struct store *store = store_of(state);

	receive(store, on_issue("i1", T0), ACTION_ACCEPT);
	receive(store, on_issue("i1", T0 + 1), ACTION_ACCEPT);
	receive(store, on_issue("i2", T0 + 2), ACTION_ACCEPT);
	struct store_task *task = claim(store, 1000);
	ok(store_defer(store, task->run_id, 5000, "OpenPR is away", &err));
	store_task_free(task);
	task = claim(store, 2000);
	assert_string_equal(task->issue_id, "i2");
	store_task_free(task);
	assert_null(claim(store, 2000));
}

static void a_held_task_blocks_nobody(void **state)
{
	struct store *store = store_of(state);

	receive(store, on_issue("i1", T0), ACTION_ACCEPT);
	receive(store, on_issue("i1", T0 + 1), ACTION_ACCEPT);
	struct store_task *task = claim(store, 1000);
	ok(store_hold_task(store, task->run_id, "unknown placeholder", &err));
	assert_string_equal(shown(store, task->run_id, "note"), "unknown placeholder");
	assert_string_equal(shown(store, task->run_id, "state"), "waiting");
	assert_int_equal(count_of(store, "held"), 1);
	store_task_free(task);
	task = claim(store, 1000);
	assert_non_null(task);
	store_task_free(task);
}

static void the_next_due_time_is_told(void **state)
{
	struct store *store = store_of(state);

	assert_true(store_next_due(store) == INT64_MAX);
	receive(store, on_issue("i1", T0), ACTION_ACCEPT);
	receive(store, on_issue("i2", T0 + 1), ACTION_ACCEPT);
	struct store_task *first = claim(store, 1000);
	struct store_task *second = claim(store, 1000);
	ok(store_defer(store, first->run_id, 9000, "away", &err));
	ok(store_defer(store, second->run_id, 7000, "away", &err));
	assert_true(store_next_due(store) == 7000);
	store_task_free(first);
	store_task_free(second);
}

/* Else a task that is due but blocked would be waited for in a busy loop. */
static void what_was_due_and_blocked_is_not_told_again(void **state)
{
	static const char *const busy[] = { "default" };
	struct store *store = store_of(state);
	struct store_task *task;

	receive(store, on_issue("i1", T0), ACTION_ACCEPT);
	task = claim(store, 1000);
	ok(store_defer(store, task->run_id, 2000, "away", &err));
	store_task_free(task);
	ok(store_claim(store, 2500, busy, 1, &task, &err));
	assert_null(task);
	assert_true(store_next_due(store) == INT64_MAX);
}

static void only_a_claimed_task_is_given_back(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer = receive(store, on_issue("i1", T0), ACTION_ACCEPT);
	const char *run_id = answer.runs[0].run_id;
	char running[ID_SIZE];

	refused(store_defer(store, run_id, 0, "x", &err), ERR_CONFLICT);
	refused(store_hold_task(store, run_id, "x", &err), ERR_CONFLICT);
	refused(store_started(store, run_id, 0, NULL, &err), ERR_CONFLICT);
	start(store, running);
	refused(store_defer(store, run_id, 0, "x", &err), ERR_CONFLICT);
	refused(store_started(store, run_id, 0, NULL, &err), ERR_CONFLICT);
	refused(store_defer(store, "no such run", 0, "x", &err), ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(a_claimed_task_has_all_that_running_needs),
		place_test(the_oldest_event_goes_first_whenever_it_came),
		place_test(an_issue_has_one_run_at_a_time),
		place_test(a_late_older_event_waits_for_the_run),
		place_test(work_without_an_issue_blocks_nobody),
		place_test(busy_agents_are_passed_over),
		place_test(fan_out_runs_in_the_order_of_the_route),
		place_test(a_deferred_task_waits_without_using_an_attempt),
		place_test(a_deferred_task_blocks_its_issue_only),
		place_test(a_held_task_blocks_nobody),
		place_test(the_next_due_time_is_told),
		place_test(what_was_due_and_blocked_is_not_told_again),
		place_test(only_a_claimed_task_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
