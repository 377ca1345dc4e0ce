/* Dispatches beside other events, taken back, watched, run again and forgotten. */

#include "helper_tunnel.h"

/* ---- joining ---- */

static void a_dispatch_that_joins_is_answered_with_the_tasks_result(void **state)
{
	struct store *store = store_of(state);

	receive(store, created(T0), ACTION_ACCEPT);
	const struct store_answer answer =
	    receive(store, carried("r1", assigned(T0 + 10), "delivery:d1"), ACTION_ACCEPT);
	assert_int_equal(answer.status, STATUS_JOINED);
	assert_string_equal(owed(store, true), "ack:r1 ");
	run_to(store, OUTCOME_SUCCESS);
	assert_string_equal(owed(store, true), "success:r1 ");
	assert_int_equal(count_runs(store), 1);
}

static void one_that_joins_what_has_ended_is_answered_at_once(void **state)
{
	struct store *store = store_of(state);

	ended_task(store, mentioned("c1", T0));
	receive(store, carried("r1", mentioned("c1", T0), "delivery:d1"), ACTION_ACCEPT);
	assert_string_equal(owed(store, true), "ack:r1 success:r1 ");
}

static void the_same_delivery_is_the_same_work_whichever_way_it_comes(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = assigned(T0);

	/* A later assignment is new work; this one is the same. */
	event.dedupe_key = "delivery:d1";
	receive(store, event, ACTION_ACCEPT);
	run_to(store, OUTCOME_SUCCESS);
	const struct store_answer second =
	    receive(store, carried("r1", assigned(T0), "delivery:d1"), ACTION_ACCEPT);
	assert_int_equal(second.status, STATUS_JOINED);
	assert_string_equal(owed(store, true), "ack:r1 success:r1 ");

	receive(store, carried("r2", assigned(T0 + 60000), "delivery:d2"), ACTION_ACCEPT);
	run_to(store, OUTCOME_SUCCESS);
	event = assigned(T0 + 60000);
	event.dedupe_key = "delivery:d2";
	assert_int_equal(receive(store, event, ACTION_ACCEPT).status, STATUS_JOINED);
	const struct store_answer third =
	    receive(store, carried("r3", assigned(T0 + 60000), "delivery:d2"), ACTION_ACCEPT);
	assert_int_equal(third.status, STATUS_JOINED);
	assert_int_equal(count_runs(store), 2);
	assert_string_equal(owed(store, true), "ack:r2 success:r2 ack:r3 success:r3 ");
}

static void an_ai_task_that_is_carried_is_ended_at_openpr_too(void **state)
{
	struct store *store = store_of(state);

	receive(store, carried("r1", ai_task(AI_TASK, 1, KEY, T0), NULL), ACTION_ACCEPT);
	run_to(store, OUTCOME_SUCCESS);
	assert_string_equal(deliver_all(store), "format comment format comment ai_complete ");
	assert_string_equal(owed(store, true), "ack:r1 success:r1 ");
}

static void a_quiet_dispatch_tells_openpr_nothing(void **state)
{
	struct store *store = store_of(state);
	const struct store_event event = carried("r1", ai_task(AI_TASK, 1, KEY, T0), NULL);
	struct store_decision decision = decide(ACTION_ACCEPT);
	struct store_answer answer;

	decision.quiet = true;
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	run_to(store, OUTCOME_SUCCESS);
	assert_string_equal(deliver_all(store), "");
	assert_string_equal(owed(store, true), "ack:r1 success:r1 ");
}

/* ---- cancelling ---- */

static void a_cancel_ends_what_waits(void **state)
{
	struct store *store = store_of(state);

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	ok(store_cancel_dispatch(store, "r1", &err));
	assert_string_equal(owed(store, true), "ack:r1 cancelled:r1 ");
	assert_null(claim(store, clock_wall()));
}

static void a_cancel_stops_what_runs(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];
	json_t *requests = NULL;

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	start(store, run_id);
	ok(store_cancel_dispatch(store, "r1", &err));
	ok(store_cancel_requests(store, &requests, &err));
	assert_int_equal(json_array_size(requests), 1);
	json_decref(requests);
	assert_string_equal(owed(store, true), "ack:r1 ");
	end(store, run_id, OUTCOME_CANCELLED);
	assert_string_equal(owed(store, true), "cancelled:r1 ");
}

static void a_cancel_ends_what_is_held(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer held = receive(store, dispatched("r1"), ACTION_HOLD);
	struct store_stored *stored = NULL;

	ok(store_cancel_dispatch(store, "r1", &err));
	assert_string_equal(owed(store, true), "ack:r1 cancelled:r1 ");
	refused(store_releasable(store, held.event_id, &stored, &err), ERR_CONFLICT);
}

static void a_cancel_of_what_has_ended_gets_the_known_result(void **state)
{
	struct store *store = store_of(state);

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	run_to(store, OUTCOME_SUCCESS);
	owed(store, true);
	ok(store_cancel_dispatch(store, "r1", &err));
	assert_string_equal(owed(store, true), "success:r1 ");
}

static void a_cancel_that_is_faster_than_its_dispatch_wins(void **state)
{
	struct store *store = store_of(state);

	ok(store_cancel_dispatch(store, "r1", &err));
	assert_string_equal(owed(store, true), "cancelled:r1 ");
	ok(store_cancel_dispatch(store, "r1", &err));
	assert_string_equal(owed(store, true), "cancelled:r1 ");
	assert_int_equal(receive(store, dispatched("r1"), ACTION_ACCEPT).status, STATUS_DUPLICATE);
	assert_string_equal(owed(store, true), "ack:r1 cancelled:r1 ");
	assert_int_equal(count_runs(store), 0);
}

static void a_cancel_needs_a_run_id_that_can_be(void **state)
{
	char longest[STORE_DISPATCH_ID + 2];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	refused(store_cancel_dispatch(store_of(state), longest, &err), ERR_INVALID);
	refused(store_cancel_dispatch(store_of(state), "", &err), ERR_INVALID);
}

/* ---- the operator ---- */

static void a_retry_has_a_result_of_its_own(void **state)
{
	struct store *store = store_of(state);
	char again[ID_SIZE];

	const struct store_answer answer = receive(store, dispatched("r1"), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	ok(store_retry(store, answer.runs[0].run_id, again, &err));
	assert_string_equal(owed(store, true), "ack:r1 "); /* the failure is taken back */
	run_to(store, OUTCOME_SUCCESS);
	assert_string_equal(owed(store, true), "success:r1 ");
}

static void a_report_that_is_retried_tells_the_result_again(void **state)
{
	struct store *store = store_of(state);

	const struct store_answer answer = receive(store, dispatched("r1"), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	owed(store, true);
	ok(store_retry_report(store, answer.runs[0].run_id, &err));
	assert_string_equal(owed(store, true), "failed:r1 ");
}

/* ---- how far they are ---- */

static json_t *progress(struct store *store)
{
	json_t *list = NULL;

	ok(store_dispatches(store, 100, &list, &err));
	return list;
}

static void progress_names_what_is_not_merely_waiting(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	json_t *list = progress(store);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);

	start(store, run_id);
	list = progress(store);
	assert_int_equal(json_array_size(list), 1);
	assert_field(json_array_get(list, 0), "run_id", "r1");
	assert_field(json_array_get(list, 0), "state", "running");
	assert_field(json_array_get(list, 0), "log_path", "/runs/x.log");
	json_decref(list);

	end(store, run_id, OUTCOME_INTERRUPTED);
	list = progress(store);
	assert_field(json_array_get(list, 0), "state", "waiting");
	assert_int_equal(json_int(json_array_get(list, 0), "attempt", 0), 2);
	json_decref(list);

	run_to(store, OUTCOME_SUCCESS);
	list = progress(store);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

static void progress_tells_why_something_is_held(void **state)
{
	struct store *store = store_of(state);

	receive(store, dispatched("r1"), ACTION_HOLD);
	json_t *list = progress(store);
	assert_field(json_array_get(list, 0), "state", "held");
	assert_field(json_array_get(list, 0), "note", "a reason");
	json_decref(list);
}

/* ---- looking and forgetting ---- */

static void runs_and_show_tell_of_the_tunnel(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer = receive(store, dispatched("r1"), ACTION_ACCEPT);

	json_t *run = show(store, answer.runs[0].run_id);
	assert_true(json_is_null(json_object_get(run, "tunnel")));
	json_decref(run);
	run_to(store, OUTCOME_SUCCESS);
	run = show(store, answer.runs[0].run_id);
	assert_field(run, "tunnel", "pending");
	json_decref(run);
	owed(store, true);
	run = show(store, answer.runs[0].run_id);
	assert_field(run, "tunnel", "delivered");
	const json_t *one = json_array_get(json_object_get(run, "dispatches"), 0);
	assert_field(one, "run_id", "r1");
	assert_field(one, "status", "success");
	json_decref(run);
}

static void prune(struct store *store, int64_t now)
{
	json_t *logs = NULL;

	ok(store_prune(store, now, 1000, 1000, &logs, &err));
	json_decref(logs);
}

static void what_was_not_told_is_kept(void **state)
{
	struct store *store = store_of(state);

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	run_to(store, OUTCOME_SUCCESS);
	deliver_all(store);
	prune(store, clock_wall() + 1000000);
	assert_int_equal(count_runs(store), 1);
	assert_string_equal(owed(store, false), "ack:r1 success:r1 ");
}

static void a_run_id_is_known_for_ever(void **state)
{
	struct store *store = store_of(state);

	receive(store, dispatched("r1"), ACTION_ACCEPT);
	run_to(store, OUTCOME_SUCCESS);
	deliver_all(store);
	owed(store, true);
	prune(store, clock_wall() + 1000000);
	assert_int_equal(count_runs(store), 0);
	assert_int_equal(receive(store, dispatched("r1"), ACTION_ACCEPT).status, STATUS_DUPLICATE);
	json_t *told = result(store);
	assert_field(told, "status", "success");
	assert_field(told, "issue_id", ISSUE);
	assert_non_null(strstr(json_str(told, "summary"), "forgotten"));
	json_decref(told);
	assert_int_equal(count_runs(store), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(a_dispatch_that_joins_is_answered_with_the_tasks_result),
		place_test(one_that_joins_what_has_ended_is_answered_at_once),
		place_test(the_same_delivery_is_the_same_work_whichever_way_it_comes),
		place_test(an_ai_task_that_is_carried_is_ended_at_openpr_too),
		place_test(a_quiet_dispatch_tells_openpr_nothing),
		place_test(a_cancel_ends_what_waits),
		place_test(a_cancel_stops_what_runs),
		place_test(a_cancel_ends_what_is_held),
		place_test(a_cancel_of_what_has_ended_gets_the_known_result),
		place_test(a_cancel_that_is_faster_than_its_dispatch_wins),
		place_test(a_cancel_needs_a_run_id_that_can_be),
		place_test(a_retry_has_a_result_of_its_own),
		place_test(a_report_that_is_retried_tells_the_result_again),
		place_test(progress_names_what_is_not_merely_waiting),
		place_test(progress_tells_why_something_is_held),
		place_test(runs_and_show_tell_of_the_tunnel),
		place_test(what_was_not_told_is_kept),
		place_test(a_run_id_is_known_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
