/* The joining rules: what is one piece of work, in every order of arrival. */

#include "helper.h"

static void assert_joined(const struct store_answer *answer, const struct store_answer *first)
{
	assert_int_equal(answer->status, STATUS_JOINED);
	assert_int_equal(answer->run_count, first->run_count);
	for (size_t i = 0; i < first->run_count; i++)
		assert_string_equal(answer->runs[i].run_id, first->runs[i].run_id);
	assert_string_not_equal(answer->event_id, first->event_id);
	assert_string_equal(answer->rule, first->rule);
}

/* ---- the three POSTs of one assignment ---- */

enum post { CREATED, ASSIGNED, AI };
enum when { BEFORE, RUNNING, SUCCEEDED, FAILED };

static struct store_event post(enum post which)
{
	if (which == AI)
		return ai_task(AI_TASK, 1, KEY, T0 + 4000);
	return which == CREATED ? created(T0) : assigned(T0 + 7);
}

static void bring_to(struct store *store, enum when when)
{
	char run_id[ID_SIZE];

	if (when == BEFORE)
		return;
	start(store, run_id);
	if (when != RUNNING)
		end(store, run_id, when == SUCCEEDED ? OUTCOME_SUCCESS : OUTCOME_FAILURE);
}

/* The run is brought to `when` after the first POST, the others come then. */
static void one_order(const enum post order[3], enum when when)
{
	void *state = NULL;

	assert_int_equal(place_setup(&state), 0);
	struct store *store = store_of(&state);
	const struct store_answer first = receive(store, post(order[0]), ACTION_ACCEPT);
	assert_int_equal(first.status, STATUS_DISPATCHED);
	assert_int_equal(first.run_count, 1);
	bring_to(store, when);

	for (int i = 1; i < 3; i++) {
		const struct store_answer later = receive(store, post(order[i]), ACTION_ACCEPT);
		assert_joined(&later, &first);
	}
	if (when == BEFORE)
		bring_to(store, SUCCEEDED);
	if (when == RUNNING)
		end(store, first.runs[0].run_id, OUTCOME_SUCCESS);
	assert_int_equal(count_runs(store), 1);
	assert_null(claim(store, clock_wall()));

	const char *said = deliver_all(store);
	assert_non_null(strstr(said, "comment "));
	assert_non_null(strstr(said, when == FAILED ? "ai_fail " : "ai_complete "));
	assert_null(strstr(said, when == FAILED ? "ai_complete " : "ai_fail "));
	place_teardown(&state);
}

static void every_order_is_one_task(void **state)
{
	static const enum post orders[6][3] = {
		{ CREATED, ASSIGNED, AI }, { CREATED, AI, ASSIGNED }, { ASSIGNED, CREATED, AI },
		{ ASSIGNED, AI, CREATED }, { AI, CREATED, ASSIGNED }, { AI, ASSIGNED, CREATED },
	};

	(void)state;
	for (int i = 0; i < 6; i++)
		for (enum when when = BEFORE; when <= FAILED; when++)
			one_order(orders[i], when);
}

/* ---- duplicates ---- */

static void the_same_delivery_is_a_duplicate(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = created(T0);
	const struct store_answer first = receive(store, event, ACTION_ACCEPT);
	const struct store_answer again = receive(store, event, ACTION_IGNORE);

	assert_int_equal(again.status, STATUS_DUPLICATE);
	assert_int_equal(again.first_status, STATUS_DISPATCHED);
	assert_true(again.first_was_taken);
	assert_string_equal(again.event_id, first.event_id);
	assert_int_equal(again.run_count, 1);
	assert_string_equal(again.runs[0].run_id, first.runs[0].run_id);
	assert_string_equal(again.rule, "a rule");
	assert_int_equal(count_runs(store), 1);
}

static void a_joiner_s_duplicate_has_the_runs_it_joined(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, created(T0), ACTION_ACCEPT);
	struct store_event second = assigned(T0 + 7);
	const struct store_answer joined = receive(store, second, ACTION_ACCEPT);
	const struct store_answer again = receive(store, second, ACTION_ACCEPT);

	assert_int_equal(again.status, STATUS_DUPLICATE);
	assert_int_equal(again.first_status, STATUS_JOINED);
	assert_true(again.first_was_taken);
	assert_string_equal(again.event_id, joined.event_id);
	assert_string_equal(again.runs[0].run_id, first.runs[0].run_id);
}

static void what_was_not_taken_has_duplicates_too(void **state)
{
	static const struct {
		enum store_action action;
		enum store_status status;
	} cases[] = {
		{ ACTION_HOLD, STATUS_HELD },	      { ACTION_UNDECIDED, STATUS_HELD },
		{ ACTION_IGNORE, STATUS_IGNORED },    { ACTION_NO_AGENT, STATUS_NO_AGENT },
		{ ACTION_DISABLED, STATUS_DISABLED }, { ACTION_OBSERVE, STATUS_OBSERVED },
	};
	struct store *store = store_of(state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store_event event = webhook("x", KIND_NONE, NULL, T0);
		const struct store_answer first = receive(store, event, cases[i].action);
		assert_int_equal(first.status, cases[i].status);
		const struct store_answer again = receive(store, event, ACTION_ACCEPT);
		assert_int_equal(again.status, STATUS_DUPLICATE);
		assert_int_equal(again.first_status, cases[i].status);
		assert_false(again.first_was_taken);
		assert_int_equal(again.run_count, 0);
		assert_string_equal(again.reason, "a reason");
	}
	assert_int_equal(count_runs(store), 0);
}

static void an_observed_event_tells_what_would_have_run(void **state)
{
	const struct store_answer answer = receive(store_of(state), created(T0), ACTION_OBSERVE);

	assert_int_equal(answer.run_count, 1);
	assert_string_equal(answer.runs[0].agent, "default");
	assert_string_equal(answer.runs[0].run_id, "");
}

/* ---- pairs of issue.created and issue.assigned ---- */

static void a_pair_joins_whatever_its_own_decision(void **state)
{
	static const enum store_action actions[] = { ACTION_HOLD,     ACTION_UNDECIDED,
						     ACTION_IGNORE,   ACTION_NO_AGENT,
						     ACTION_DISABLED, ACTION_OBSERVE };

	(void)state;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		void *own = NULL;
		assert_int_equal(place_setup(&own), 0);
		struct store *store = store_of(&own);
		const struct store_answer first = receive(store, created(T0), ACTION_ACCEPT);
		const struct store_answer second = receive(store, assigned(T0 + 7), actions[i]);
		assert_joined(&second, &first);
		place_teardown(&own);
	}
}

static void a_pair_is_at_most_five_seconds_apart(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, created(T0), ACTION_ACCEPT);

	run_to(store, OUTCOME_FAILURE);
	const struct store_answer late = receive(store, assigned(T0 + 5001), ACTION_ACCEPT);
	assert_int_equal(late.status, STATUS_DISPATCHED);
	assert_string_not_equal(late.runs[0].run_id, first.runs[0].run_id);
}

static void exactly_five_seconds_either_way_is_a_pair(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, created(T0 + 5000), ACTION_ACCEPT);

	run_to(store, OUTCOME_FAILURE);
	const struct store_answer before = receive(store, assigned(T0), ACTION_ACCEPT);
	assert_joined(&before, &first);
}

static void a_second_assignment_is_no_second_half(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, created(T0), ACTION_ACCEPT);

	run_to(store, OUTCOME_SUCCESS);
	const struct store_answer half = receive(store, assigned(T0 + 7), ACTION_ACCEPT);
	assert_joined(&half, &first);
	const struct store_answer again = receive(store, assigned(T0 + 2000), ACTION_ACCEPT);
	assert_int_equal(again.status, STATUS_DISPATCHED);
}

static void the_other_half_finds_an_older_group(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, created(T0), ACTION_ACCEPT);

	run_to(store, OUTCOME_SUCCESS);
	const struct store_answer later = receive(store, assigned(T0 + 60000), ACTION_ACCEPT);
	assert_int_equal(later.status, STATUS_DISPATCHED);
	const struct store_answer overtaken = receive(store, assigned(T0 + 7), ACTION_ACCEPT);
	assert_joined(&overtaken, &first);
}

/* An assignment after the bot was taken off is a new wish, however soon. */
static void a_half_after_a_removal_is_new_work(void **state)
{
	static const char *const bots[] = { BOT };
	struct store *store = store_of(state);

	receive(store, created(T0), ACTION_ACCEPT);
	const struct store_answer cancel =
	    receive(store, removal(bots, 1, T0 + 1000), ACTION_CANCEL);
	assert_int_equal(cancel.cancelled, 1);
	const struct store_answer again = receive(store, assigned(T0 + 2000), ACTION_ACCEPT);
	assert_int_equal(again.status, STATUS_DISPATCHED);
}

/* ---- asking again ---- */

static void asking_again_joins_what_waits(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, assigned(T0), ACTION_ACCEPT);
	const struct store_answer again = receive(store, assigned(T0 + 60000), ACTION_ACCEPT);

	assert_joined(&again, &first);
	assert_int_equal(count_runs(store), 1);
}

static void asking_again_joins_what_is_held(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, assigned(T0), ACTION_ACCEPT);
	struct store_task *task = claim(store, clock_wall());

	ok(store_hold_task(store, task->run_id, "render failed", &err));
	store_task_free(task);
	const struct store_answer again = receive(store, assigned(T0 + 60000), ACTION_ACCEPT);
	assert_joined(&again, &first);
}

/* Only work that is wanted now stands behind what waits. */
static void asking_again_needs_an_accepting_decision(void **state)
{
	struct store *store = store_of(state);

	receive(store, assigned(T0), ACTION_ACCEPT);
	assert_int_equal(receive(store, assigned(T0 + 60000), ACTION_HOLD).status, STATUS_HELD);
	assert_int_equal(receive(store, assigned(T0 + 61000), ACTION_IGNORE).status,
			 STATUS_IGNORED);
	assert_int_equal(receive(store, created(T0 + 62000), ACTION_ACCEPT).status,
			 STATUS_DISPATCHED);
}

static void asking_again_while_it_runs_is_queued_behind(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, run_id);
	const struct store_answer again = receive(store, assigned(T0 + 60000), ACTION_ACCEPT);
	assert_int_equal(again.status, STATUS_DISPATCHED);
	assert_null(claim(store, clock_wall()));
	end(store, run_id, OUTCOME_SUCCESS);

	struct store_task *task = claim(store, clock_wall());
	assert_non_null(task);
	assert_string_equal(task->run_id, again.runs[0].run_id);
	store_task_free(task);
}

static void asking_again_after_the_end_is_new_work(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, assigned(T0), ACTION_ACCEPT);

	run_to(store, OUTCOME_FAILURE);
	const struct store_answer again = receive(store, assigned(T0 + 60000), ACTION_ACCEPT);
	assert_int_equal(again.status, STATUS_DISPATCHED);
	assert_string_not_equal(again.runs[0].run_id, first.runs[0].run_id);
}

/* ---- mentions ---- */

static void a_mention_joins_its_ai_task_in_either_order(void **state)
{
	(void)state;
	for (int webhook_first = 0; webhook_first < 2; webhook_first++)
		for (int ended = 0; ended < 2; ended++) {
			void *own = NULL;
			assert_int_equal(place_setup(&own), 0);
			struct store *store = store_of(&own);
			struct store_event comment = mentioned("c1", T0);
			struct store_event task = ai_task(AI_TASK, 1, comment.join_key, T0 + 4000);
			task.kind = KIND_MENTION;
			const struct store_answer first =
			    receive(store, webhook_first ? comment : task, ACTION_ACCEPT);
			if (ended)
				run_to(store, OUTCOME_SUCCESS);
			const struct store_answer second =
			    receive(store, webhook_first ? task : comment, ACTION_HOLD);
			assert_joined(&second, &first);
			if (!ended)
				run_to(store, OUTCOME_SUCCESS);
			assert_string_equal(deliver_all(store),
					    "format comment format comment ai_complete ");
			place_teardown(&own);
		}
}

static void two_mentions_are_two_tasks_in_order(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer second = receive(store, mentioned("c2", T0 + 10), ACTION_ACCEPT);
	const struct store_answer first = receive(store, mentioned("c1", T0), ACTION_ACCEPT);
	struct store_task *task = claim(store, clock_wall());

	assert_string_equal(task->run_id, first.runs[0].run_id);
	assert_null(claim(store, clock_wall()));
	ok(store_started(store, task->run_id, clock_wall(), NULL, &err));
	end(store, task->run_id, OUTCOME_SUCCESS);
	store_task_free(task);

	task = claim(store, clock_wall());
	assert_string_equal(task->run_id, second.runs[0].run_id);
	store_task_free(task);
}

static void events_without_a_key_join_nothing(void **state)
{
	struct store *store = store_of(state);

	for (int i = 0; i < 3; i++) {
		struct store_event event = webhook("issue.state_changed", KIND_NONE, NULL, T0);
		assert_int_equal(receive(store, event, ACTION_ACCEPT).status, STATUS_DISPATCHED);
	}
	assert_int_equal(count_runs(store), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_is_one_task),
		place_test(the_same_delivery_is_a_duplicate),
		place_test(a_joiner_s_duplicate_has_the_runs_it_joined),
		place_test(what_was_not_taken_has_duplicates_too),
		place_test(an_observed_event_tells_what_would_have_run),
		cmocka_unit_test(a_pair_joins_whatever_its_own_decision),
		place_test(a_pair_is_at_most_five_seconds_apart),
		place_test(exactly_five_seconds_either_way_is_a_pair),
		place_test(a_second_assignment_is_no_second_half),
		place_test(the_other_half_finds_an_older_group),
		place_test(a_half_after_a_removal_is_new_work),
		place_test(asking_again_joins_what_waits),
		place_test(asking_again_joins_what_is_held),
		place_test(asking_again_needs_an_accepting_decision),
		place_test(asking_again_while_it_runs_is_queued_behind),
		place_test(asking_again_after_the_end_is_new_work),
		cmocka_unit_test(a_mention_joins_its_ai_task_in_either_order),
		place_test(two_mentions_are_two_tasks_in_order),
		place_test(events_without_a_key_join_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
