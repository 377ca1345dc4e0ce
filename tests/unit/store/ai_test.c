/* AI tasks: linked once, ended when their tasks have, repeated by OpenPR until it is content. */

#include "helper_ai.h"

static void a_success_completes_with_the_final_text(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer =
	    receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);

	run_to(store, OUTCOME_SUCCESS);
	struct store_report *end_row = take_ai_end(store);
	assert_int_equal(end_row->kind, REPORT_AI_COMPLETE);
	assert_string_equal(end_row->ai_task_id, AI_TASK);
	assert_string_equal(end_row->bot_id, BOT);
	assert_string_equal(end_row->bot_name, "ai-fixer");
	assert_text(end_row->text, "run_id", answer.runs[0].run_id);
	assert_text(end_row->text, "outcome", "success");
	assert_text(end_row->text, "summary", "all done");
	store_report_free(end_row);
}

static void a_failure_fails_with_its_cause(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer =
	    receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);

	run_to(store, OUTCOME_TIMEOUT);
	struct store_report *end_row = take_ai_end(store);
	assert_int_equal(end_row->kind, REPORT_AI_FAIL);
	assert_text(end_row->text, "error_message", "it broke");
	assert_text(end_row->text, "payload.run_id", answer.runs[0].run_id);
	assert_text(end_row->text, "payload.outcome", "timeout");
	assert_text(end_row->text, "payload.summary", "last lines");
	store_report_free(end_row);
}

static void what_openpr_gets_is_bounded(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];
	char *huge = malloc(200001);

	memset(huge, 'x', 200000);
	huge[200000] = '\0';
	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	start(store, run_id);
	const struct store_end done = { .run_id = run_id,
					.outcome = OUTCOME_FAILURE,
					.ended_at = clock_wall(),
					.cause = huge,
					.final_text = huge,
					.tail = huge };
	ok(store_end(store, &done, true, 2, &err));
	struct store_report *end_row = take_ai_end(store);
	assert_true(strlen(end_row->text) < 12000);
	store_report_free(end_row);
	free(huge);
}

static void nothing_is_said_while_it_runs(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	start(store, run_id);
	const struct store_answer second =
	    receive(store, ai_task(AI_TASK, 2, KEY, T0 + 40000), ACTION_ACCEPT);
	assert_int_equal(second.status, STATUS_DUPLICATE);
	assert_int_equal(second.first_status, STATUS_DISPATCHED);
	assert_true(second.first_was_taken);
	assert_string_equal(second.runs[0].run_id, run_id);
	assert_string_equal(deliver_all(store), "format comment ");
	end(store, run_id, OUTCOME_SUCCESS);
	assert_string_equal(deliver_all(store), "format comment ai_complete ");
	assert_int_equal(count_runs(store), 1);
}

static void attempts_after_a_good_end_complete_again(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first =
	    receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);

	run_to(store, OUTCOME_SUCCESS);
	deliver_all(store);
	for (int attempt = 2; attempt <= 3; attempt++) {
		const struct store_answer again =
		    receive(store, ai_task(AI_TASK, attempt, KEY, T0 + 40000), ACTION_HOLD);
		assert_int_equal(again.status, STATUS_DUPLICATE);
		assert_string_equal(again.event_id, first.event_id);
		assert_string_equal(again.runs[0].run_id, first.runs[0].run_id);
		assert_string_equal(deliver_all(store), "ai_complete ");
	}
	assert_int_equal(count_runs(store), 1);
}

static void attempts_after_a_bad_end_fail_again(void **state)
{
	struct store *store = store_of(state);

	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	assert_string_equal(deliver_all(store), "format comment format comment ai_fail ");
	for (int attempt = 2; attempt <= 3; attempt++) {
		const struct store_answer again =
		    receive(store, ai_task(AI_TASK, attempt, KEY, T0 + 40000), ACTION_ACCEPT);
		assert_int_equal(again.status, STATUS_DUPLICATE);
		assert_string_equal(deliver_all(store), "ai_fail ");
	}
	assert_int_equal(count_runs(store), 1);
}

/* The same attempt once more is a replay: OpenPR counts up. */
static void a_replayed_attempt_says_nothing(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first =
	    receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);

	run_to(store, OUTCOME_FAILURE);
	deliver_all(store);
	receive(store, ai_task(AI_TASK, 2, KEY, T0), ACTION_ACCEPT);
	deliver_all(store);
	for (int attempt = 1; attempt <= 2; attempt++) {
		const struct store_answer again =
		    receive(store, ai_task(AI_TASK, attempt, KEY, T0), ACTION_ACCEPT);
		assert_int_equal(again.status, STATUS_DUPLICATE);
		assert_string_equal(again.event_id, first.event_id);
		assert_true(again.first_was_taken);
		assert_string_equal(again.runs[0].run_id, first.runs[0].run_id);
		assert_string_equal(deliver_all(store), "");
	}
}

static void an_overtaken_attempt_says_nothing(void **state)
{
	struct store *store = store_of(state);

	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	receive(store, ai_task(AI_TASK, 3, KEY, T0), ACTION_ACCEPT);
	deliver_all(store);
	receive(store, ai_task(AI_TASK, 2, KEY, T0), ACTION_ACCEPT);
	assert_string_equal(deliver_all(store), "");
}

/* OpenPR was away: one end is enough for all attempts that came meanwhile. */
static void one_pending_end_serves_every_attempt(void **state)
{
	struct store *store = store_of(state);

	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	receive(store, ai_task(AI_TASK, 2, KEY, T0), ACTION_ACCEPT);
	receive(store, ai_task(AI_TASK, 3, KEY, T0), ACTION_ACCEPT);
	assert_string_equal(deliver_all(store), "format comment format comment ai_fail ");
}

static void one_that_joins_an_ended_task_is_ended_at_once(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, assigned(T0), ACTION_ACCEPT);

	run_to(store, OUTCOME_FAILURE);
	deliver_all(store);
	const struct store_answer joined =
	    receive(store, ai_task(AI_TASK, 1, KEY, T0 + 4000), ACTION_IGNORE);
	assert_int_equal(joined.status, STATUS_JOINED);
	assert_string_equal(joined.runs[0].run_id, first.runs[0].run_id);
	assert_string_equal(deliver_all(store), "ai_fail ");
	assert_null(claim(store, clock_wall()));
}

static void one_joins_the_newest_group(void **state)
{
	struct store *store = store_of(state);

	receive(store, assigned(T0), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	const struct store_answer newer = receive(store, assigned(T0 + 60000), ACTION_ACCEPT);
	const struct store_answer joined =
	    receive(store, ai_task(AI_TASK, 1, KEY, T0 + 4000), ACTION_ACCEPT);
	assert_string_equal(joined.runs[0].run_id, newer.runs[0].run_id);
	deliver_all(store);
	run_to(store, OUTCOME_SUCCESS);
	assert_string_equal(deliver_all(store), "format comment format comment ai_complete ");
}

/* ---- not taken ---- */

static void all_ignored_events_of_its_key_decide(void **state)
{
	struct store *store = store_of(state);
	const struct store_event event = created(T0);
	const struct store_decision no = { .action = ACTION_IGNORE,
					   .rule = "label wontfix",
					   .reason = "it says so" };
	struct store_answer answer;

	ok(store_accept_wait(store, &event, &no, &answer, &err));
	assert_true(store_ai_task_known(store, AI_TASK, KEY));
	answer = receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	assert_int_equal(answer.status, STATUS_IGNORED);
	assert_string_equal(answer.rule, "label wontfix");
	assert_string_equal(answer.reason, "it says so");
	assert_null(claim(store, clock_wall()));
}

static void one_event_that_was_not_ignored_leaves_it_to_the_policies(void **state)
{
	struct store *store = store_of(state);

	receive(store, created(T0), ACTION_IGNORE);
	receive(store, assigned(T0 + 7), ACTION_HOLD);
	assert_false(store_ai_task_known(store, AI_TASK, KEY));
	assert_int_equal(receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT).status,
			 STATUS_DISPATCHED);
}

/* Its own earlier attempt is not such an event: a policy may have been mended since. */
static void its_own_ignored_attempt_does_not_decide(void **state)
{
	struct store *store = store_of(state);

	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_IGNORE);
	assert_false(store_ai_task_known(store, AI_TASK, KEY));
	assert_int_equal(receive(store, ai_task(AI_TASK, 2, KEY, T0), ACTION_ACCEPT).status,
			 STATUS_DISPATCHED);
}

/* Nor does one that was held, when the events that came since were all ignored. */
static void its_own_held_attempt_does_not_decide_either(void **state)
{
	struct store *store = store_of(state);

	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_HOLD);
	receive(store, assigned(T0), ACTION_IGNORE);
	assert_int_equal(receive(store, ai_task(AI_TASK, 2, KEY, T0), ACTION_ACCEPT).status,
			 STATUS_IGNORED);
}

static void a_taken_attempt_supersedes_the_earlier(void **state)
{
	static const enum store_action actions[] = { ACTION_HOLD, ACTION_UNDECIDED, ACTION_NO_AGENT,
						     ACTION_DISABLED, ACTION_OBSERVE };

	(void)state;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		void *own = NULL;
		assert_int_equal(place_setup(&own), 0);
		struct store *store = store_of(&own);
		struct store_stored *stored = NULL;
		const struct store_answer first =
		    receive(store, ai_task(AI_TASK, 1, KEY, T0), actions[i]);
		assert_int_not_equal(first.status, STATUS_DISPATCHED);
		assert_false(store_ai_task_known(store, AI_TASK, KEY));
		const struct store_answer second =
		    receive(store, ai_task(AI_TASK, 2, KEY, T0 + 30000), ACTION_ACCEPT);
		assert_int_equal(second.status, STATUS_DISPATCHED);
		assert_true(store_ai_task_known(store, AI_TASK, NULL));

		refused(store_releasable(store, first.event_id, &stored, &err), ERR_CONFLICT);
		ok(store_next_undecided(store, &stored, &err));
		assert_null(stored);
		/* The first attempt, replayed, is part of what was taken. */
		const struct store_answer replay =
		    receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
		assert_int_equal(replay.status, STATUS_DUPLICATE);
		assert_true(replay.first_was_taken);
		assert_string_equal(replay.runs[0].run_id, second.runs[0].run_id);
		assert_int_equal(count_runs(store), 1);
		place_teardown(&own);
	}
}

static void other_kinds_join_by_their_own_id(void **state)
{
	struct store *store = store_of(state);
	struct store_event review = ai_task(AI_TASK, 1, "task:" AI_TASK, T0);

	review.kind = KIND_OTHER;
	review.issue_id = NULL;
	assert_int_equal(receive(store, review, ACTION_ACCEPT).status, STATUS_DISPATCHED);
	run_to(store, OUTCOME_SUCCESS);
	assert_string_equal(deliver_all(store), "format comment format comment ai_complete ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(a_success_completes_with_the_final_text),
		place_test(a_failure_fails_with_its_cause),
		place_test(what_openpr_gets_is_bounded),
		place_test(nothing_is_said_while_it_runs),
		place_test(attempts_after_a_good_end_complete_again),
		place_test(attempts_after_a_bad_end_fail_again),
		place_test(a_replayed_attempt_says_nothing),
		place_test(one_pending_end_serves_every_attempt),
		place_test(one_that_joins_an_ended_task_is_ended_at_once),
		place_test(one_joins_the_newest_group),
		place_test(all_ignored_events_of_its_key_decide),
		place_test(one_event_that_was_not_ignored_leaves_it_to_the_policies),
		place_test(its_own_ignored_attempt_does_not_decide),
		place_test(its_own_held_attempt_does_not_decide_either),
		place_test(a_taken_attempt_supersedes_the_earlier),
		place_test(an_overtaken_attempt_says_nothing),
		place_test(other_kinds_join_by_their_own_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
