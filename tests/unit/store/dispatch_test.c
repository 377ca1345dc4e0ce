/* Dispatches: acknowledged once stored, answered once with what came of them, and never run twice.
 */

#include "helper_tunnel.h"

static void an_ack_is_owed_from_the_commit_on(void **state)
{
	struct store *store = store_of(state);
	int64_t seq = 0;
	bool ack = false;

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	json_t *payload = next_telling(store, &seq, &ack);
	assert_true(ack);
	assert_field(payload, "run_id", "r1");
	assert_field(payload, "issue_id", ISSUE);
	assert_field(payload, "status", "accepted");
	json_decref(payload);
	assert_null(next_telling(store, &seq, &ack));
	ok(store_told(store, seq, &err));
	assert_string_equal(owed(store, false), "");
}

static void what_is_owed_survives_a_restart(void **state)
{
	struct place *place = *state;

	receive(place->store, dispatched("r1"), ACTION_ACCEPT);
	run_to(place->store, OUTCOME_SUCCESS);
	store_close(place->store);
	ok(store_open(place->path, &place->store, &err));
	assert_string_equal(owed(place->store, true), "ack:r1 success:r1 ");
	store_close(place->store);
	ok(store_open(place->path, &place->store, &err));
	assert_string_equal(owed(place->store, true), "");
}

static void a_success_tells_the_final_text_and_the_facts(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer = receive(store, dispatched("r1"), ACTION_ACCEPT);

	run_to(store, OUTCOME_SUCCESS);
	json_t *told = result(store);
	assert_field(told, "run_id", "r1");
	assert_field(told, "issue_id", ISSUE);
	assert_field(told, "status", "success");
	assert_field(told, "summary", "all done");
	assert_field(told, "agent", "default");
	assert_field(told, "run", answer.runs[0].run_id);
	assert_int_equal(json_int(told, "attempt", 0), 1);
	assert_int_equal(json_int(told, "duration_ms", 0), 1500);
	assert_int_equal(json_int(told, "exit_code", -1), 0);
	assert_int_equal(json_int(told, "output_tokens", 0), 20);
	assert_null(json_object_get(told, "output"));
	json_decref(told);
}

static void every_bad_end_has_its_status(void **state)
{
	static const struct {
		enum outcome outcome;
		const char *status;
	} ends[] = { { OUTCOME_FAILURE, "failed" },
		     { OUTCOME_TIMEOUT, "timeout" },
		     { OUTCOME_CANCELLED, "cancelled" } };
	struct store *store = store_of(state);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		char run_id[8];
		snprintf(run_id, sizeof(run_id), "r%zu", i);
		receive(store, dispatched(run_id), ACTION_ACCEPT);
		run_to(store, ends[i].outcome);
		json_t *told = result(store);
		assert_field(told, "run_id", run_id);
		assert_field(told, "status", ends[i].status);
		assert_field(told, "summary", "it broke");
		assert_field(told, "output", "last lines");
		json_decref(told);
		owed(store, true);
	}
}

static void only_the_last_interruption_is_a_result(void **state)
{
	struct store *store = store_of(state);

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	run_to(store, OUTCOME_INTERRUPTED);
	assert_string_equal(owed(store, true), "ack:r1 ");
	run_to(store, OUTCOME_INTERRUPTED);
	assert_string_equal(owed(store, true), "interrupted:r1 ");
}

static void a_result_is_bounded(void **state)
{
	struct store *store = store_of(state);
	char *huge = malloc(300001);
	char run_id[ID_SIZE];

	memset(huge, '\x01', 300000); /* six bytes each as JSON */
	huge[300000] = '\0';
	receive(store, dispatched("r1"), ACTION_ACCEPT);
	start(store, run_id);
	const struct store_end done = { .run_id = run_id,
					.outcome = OUTCOME_FAILURE,
					.ended_at = clock_wall(),
					.cause = huge,
					.final_text = huge,
					.session_id = huge,
					.tail = huge };
	ok(store_end(store, &done, true, 2, &err));
	json_t *told = result(store);
	char *text = json_text(told);
	assert_true(strlen(text) < 200 * 1024);
	free(text);
	json_decref(told);
	free(huge);
}

/* ---- what starts nothing ---- */

static void what_starts_nothing_is_answered_at_once(void **state)
{
	static const struct {
		enum store_action action;
		const char *reason;
	} ends[] = { { ACTION_IGNORE, "ignored" },
		     { ACTION_DISABLED, "disabled" },
		     { ACTION_OBSERVE, "observed" },
		     { ACTION_NO_AGENT, "no_agent" } };
	struct store *store = store_of(state);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		char run_id[8];
		snprintf(run_id, sizeof(run_id), "r%zu", i);
		const struct store_answer answer =
		    receive(store, dispatched(run_id), ends[i].action);
		json_t *told = result(store);
		assert_field(told, "run_id", run_id);
		assert_field(told, "status", "failed");
		assert_field(told, "reason", ends[i].reason);
		assert_field(told, "summary", "a reason");
		assert_field(told, "rule", "a rule");
		if (ends[i].action == ACTION_DISABLED)
			assert_field(told, "gate", "cli_executor");
		json_decref(told);
		owed(store, true);
		/* The control plane has been told; it is not released behind its back. */
		struct store_stored *stored = NULL;
		refused(store_releasable(store, answer.event_id, &stored, &err), ERR_CONFLICT);
	}
}

static void a_cancellation_that_is_dispatched_succeeds(void **state)
{
	static const char *const bots[] = { BOT };
	struct store *store = store_of(state);

	receive(store, assigned(T0), ACTION_ACCEPT);
	receive(store, carried("r1", removal(bots, 1, T0 + 1000), "delivery:d1"), ACTION_CANCEL);
	json_t *told = result(store);
	assert_field(told, "status", "success");
	json_decref(told);
	assert_int_equal(count_of(store, "waiting"), 0);
}

static void one_that_is_held_waits_for_its_release(void **state)
{
	struct store *store = store_of(state);
	const struct store_decision accepting = decide(ACTION_ACCEPT);
	const struct store_answer held = receive(store, dispatched("r1"), ACTION_HOLD);
	struct store_answer answer;

	assert_string_equal(owed(store, true), "ack:r1 ");
	ok(store_redecide(store, held.event_id, &accepting, &answer, &err));
	assert_string_equal(owed(store, true), "");
	run_to(store, OUTCOME_SUCCESS);
	assert_string_equal(owed(store, true), "success:r1 ");
}

static void one_that_is_released_to_nothing_fails(void **state)
{
	struct store *store = store_of(state);
	const struct store_decision off = decide(ACTION_DISABLED);
	const struct store_answer held = receive(store, dispatched("r1"), ACTION_UNDECIDED);
	struct store_answer answer;

	ok(store_redecide(store, held.event_id, &off, &answer, &err));
	assert_string_equal(owed(store, true), "ack:r1 failed:r1 ");
}

static void one_that_is_discarded_fails(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer held = receive(store, dispatched("r1"), ACTION_HOLD);

	ok(store_discard(store, held.event_id, &err));
	assert_string_equal(owed(store, true), "ack:r1 failed:r1 ");
}

static void one_whose_task_is_held_and_discarded_is_cancelled(void **state)
{
	struct store *store = store_of(state);

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	struct store_task *task = claim(store, clock_wall());
	ok(store_hold_task(store, task->run_id, "no template", &err));
	ok(store_discard(store, task->event_id, &err));
	store_task_free(task);
	assert_string_equal(owed(store, true), "ack:r1 cancelled:r1 ");
}

static void an_issue_that_is_deleted_cancels_what_is_held(void **state)
{
	struct store *store = store_of(state);

	receive(store, carried("r1", assigned(T0), "delivery:d1"), ACTION_HOLD);
	receive(store, removal(NULL, 0, T0 + 1000), ACTION_CANCEL);
	assert_string_equal(owed(store, true), "ack:r1 cancelled:r1 ");
}

/* ---- repeats ---- */

static void a_repeat_runs_nothing_and_is_acknowledged(void **state)
{
	struct store *store = store_of(state);

	const struct store_answer first = receive(store, dispatched("r1"), ACTION_ACCEPT);
	owed(store, true);
	const struct store_answer again = receive(store, dispatched("r1"), ACTION_ACCEPT);
	assert_int_equal(again.status, STATUS_DUPLICATE);
	assert_string_equal(again.event_id, first.event_id);
	assert_string_equal(owed(store, true), "ack:r1 ");
	assert_int_equal(count_runs(store), 1);
}

static void a_repeat_of_what_has_ended_gets_the_known_result(void **state)
{
	struct store *store = store_of(state);

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	assert_string_equal(owed(store, true), "ack:r1 failed:r1 ");
	receive(store, dispatched("r1"), ACTION_IGNORE); /* whatever is decided of it now */
	assert_string_equal(owed(store, true), "ack:r1 failed:r1 ");
	assert_int_equal(count_runs(store), 1);
}

static void what_is_owed_is_not_owed_twice(void **state)
{
	struct store *store = store_of(state);

	receive(store, dispatched("r1"), ACTION_NO_AGENT);
	receive(store, dispatched("r1"), ACTION_NO_AGENT);
	receive(store, dispatched("r1"), ACTION_NO_AGENT);
	assert_string_equal(owed(store, true), "ack:r1 failed:r1 ");
}

/* A confirmation that comes late must not swallow what is owed anew. */
static void a_late_confirmation_is_of_the_old_telling(void **state)
{
	struct store *store = store_of(state);
	int64_t seq = 0;
	bool ack;

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	json_decref(next_telling(store, &seq, &ack));
	ok(store_told(store, seq, &err));
	receive(store, dispatched("r1"), ACTION_ACCEPT);
	ok(store_told(store, seq, &err));
	assert_string_equal(owed(store, true), "ack:r1 ");
}

static void a_new_telling_is_behind_what_was_handed_out(void **state)
{
	struct store *store = store_of(state);
	int64_t seq = 0;
	bool ack;

	receive(store, dispatched("r1"), ACTION_NO_AGENT);
	owed(store, true);
	receive(store, dispatched("r2"), ACTION_NO_AGENT);
	json_decref(next_telling(store, &seq, &ack));
	json_decref(next_telling(store, &seq, &ack));
	receive(store, dispatched("r1"), ACTION_NO_AGENT);
	json_t *payload = next_telling(store, &seq, &ack);
	assert_non_null(payload);
	assert_field(payload, "run_id", "r1");
	json_decref(payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(an_ack_is_owed_from_the_commit_on),
		place_test(what_is_owed_survives_a_restart),
		place_test(a_success_tells_the_final_text_and_the_facts),
		place_test(every_bad_end_has_its_status),
		place_test(only_the_last_interruption_is_a_result),
		place_test(a_result_is_bounded),
		place_test(what_starts_nothing_is_answered_at_once),
		place_test(a_cancellation_that_is_dispatched_succeeds),
		place_test(one_that_is_held_waits_for_its_release),
		place_test(one_that_is_released_to_nothing_fails),
		place_test(one_that_is_discarded_fails),
		place_test(one_whose_task_is_held_and_discarded_is_cancelled),
		place_test(an_issue_that_is_deleted_cancels_what_is_held),
		place_test(a_repeat_runs_nothing_and_is_acknowledged),
		place_test(a_repeat_of_what_has_ended_gets_the_known_result),
		place_test(what_is_owed_is_not_owed_twice),
		place_test(a_late_confirmation_is_of_the_old_telling),
		place_test(a_new_telling_is_behind_what_was_handed_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
