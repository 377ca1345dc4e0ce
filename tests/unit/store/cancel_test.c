/* Taking work back: by unassignment, by deletion, by the operator. */

#include "helper.h"

static const char *const our_bot[] = { BOT };
static const char *const other_bot[] = { OTHER_BOT };

static struct store_answer take_off(struct store *store, int64_t at)
{
	return receive(store, removal(our_bot, 1, at), ACTION_CANCEL);
}

static struct store_answer delete_issue(struct store *store, int64_t at)
{
	struct store_event event = removal(NULL, 0, at);
	struct store_decision decision = decide(ACTION_CANCEL);
	struct store_answer answer;

	event.name = "issue.deleted";
	decision.issue_gone = true;
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	return answer;
}

static void a_waiting_task_is_cancelled_and_reported(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer task = receive(store, assigned(T0), ACTION_ACCEPT);
	const struct store_answer cancel = take_off(store, T0 + 10);

	assert_int_equal(cancel.status, STATUS_IGNORED);
	assert_string_equal(cancel.rule, "a rule");
	assert_int_equal(cancel.cancelled, 1);
	assert_null(claim(store, clock_wall()));
	assert_string_equal(shown(store, task.runs[0].run_id, "outcome"), "cancelled");
	assert_string_equal(shown(store, task.runs[0].run_id, "cause"), "a reason");
	assert_string_equal(deliver_all(store), "format comment ");
}

static void a_held_task_is_cancelled_too(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer = receive(store, assigned(T0), ACTION_ACCEPT);
	struct store_task *task = claim(store, clock_wall());

	ok(store_hold_task(store, task->run_id, "render failed", &err));
	store_task_free(task);
	assert_int_equal(take_off(store, T0 + 10).cancelled, 1);
	assert_string_equal(shown(store, answer.runs[0].run_id, "outcome"), "cancelled");
	assert_int_equal(count_of(store, "held"), 0);
}

static void assert_requested(struct store *store, const char *run_id)
{
	json_t *ids = NULL;

	ok(store_cancel_requests(store, &ids, &err));
	assert_int_equal(json_array_size(ids), run_id ? 1 : 0);
	if (run_id)
		assert_string_equal(json_string_value(json_array_get(ids, 0)), run_id);
	json_decref(ids);
}

static void a_running_task_is_asked_to_stop(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, run_id);
	assert_requested(store, NULL);
	assert_int_equal(take_off(store, T0 + 10).cancelled, 1);
	assert_requested(store, run_id);
	end(store, run_id, OUTCOME_FAILURE);
	assert_requested(store, NULL);
	assert_string_equal(shown(store, run_id, "outcome"), "cancelled");
	assert_string_equal(shown(store, run_id, "cause"), "a reason");
}

static void a_success_that_was_already_there_stays(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, run_id);
	take_off(store, T0 + 10);
	end(store, run_id, OUTCOME_SUCCESS);
	assert_string_equal(shown(store, run_id, "outcome"), "success");
}

static void an_interrupted_run_that_was_asked_to_stop_is_over(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, run_id);
	take_off(store, T0 + 10);
	end(store, run_id, OUTCOME_INTERRUPTED);
	assert_string_equal(shown(store, run_id, "outcome"), "cancelled");
	assert_null(claim(store, clock_wall()));
}

static void a_claimed_task_does_not_start(void **state)
{
	struct store *store = store_of(state);

	receive(store, assigned(T0), ACTION_ACCEPT);
	struct store_task *task = claim(store, clock_wall());
	assert_int_equal(take_off(store, T0 + 10).cancelled, 1);
	assert_requested(store, task->run_id);
	refused(store_started(store, task->run_id, clock_wall(), NULL, &err), ERR_CONFLICT);
	ok(store_defer(store, task->run_id, 0, "OpenPR is away", &err));
	assert_string_equal(shown(store, task->run_id, "outcome"), "cancelled");
	assert_null(claim(store, clock_wall()));
	store_task_free(task);
}

static void an_ended_task_is_left_alone(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer task = receive(store, assigned(T0), ACTION_ACCEPT);

	run_to(store, OUTCOME_FAILURE);
	assert_int_equal(take_off(store, T0 + 10).cancelled, 0);
	assert_string_equal(shown(store, task.runs[0].run_id, "outcome"), "failure");
}

static void other_bots_keep_their_work(void **state)
{
	struct store *store = store_of(state);

	receive(store, assigned(T0), ACTION_ACCEPT);
	assert_int_equal(receive(store, removal(other_bot, 1, T0 + 10), ACTION_CANCEL).cancelled,
			 0);
	assert_int_equal(count_of(store, "waiting"), 1);
}

static void no_bots_means_every_bot(void **state)
{
	struct store *store = store_of(state);
	struct store_event other =
	    webhook("issue.assigned", KIND_ASSIGNMENT, "assignment:" ISSUE ":" OTHER_BOT, T0);

	other.bot_id = OTHER_BOT;
	receive(store, assigned(T0), ACTION_ACCEPT);
	receive(store, other, ACTION_ACCEPT);
	assert_int_equal(receive(store, removal(NULL, 0, T0 + 10), ACTION_CANCEL).cancelled, 2);
	assert_int_equal(count_of(store, "waiting"), 0);
}

/* ---- time ---- */

static void newer_work_is_left_alone(void **state)
{
	struct store *store = store_of(state);

	receive(store, assigned(T0 + 20), ACTION_ACCEPT);
	assert_int_equal(take_off(store, T0 + 10).cancelled, 0);
	assert_int_equal(count_of(store, "waiting"), 1);
}

static void older_work_never_starts(void **state)
{
	static const enum store_action actions[] = { ACTION_ACCEPT, ACTION_HOLD, ACTION_UNDECIDED,
						     ACTION_OBSERVE };
	struct store *store = store_of(state);

	take_off(store, T0 + 10);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		const struct store_answer late =
		    receive(store, assigned(T0 + (int64_t)i), actions[i]);
		assert_int_equal(late.status, STATUS_IGNORED);
		assert_string_equal(late.rule, "cancelled since");
	}
	assert_int_equal(receive(store, mentioned("c1", T0), ACTION_ACCEPT).status, STATUS_IGNORED);
	assert_int_equal(count_runs(store), 0);
	assert_int_equal(receive(store, assigned(T0 + 11), ACTION_ACCEPT).status,
			 STATUS_DISPATCHED);
}

static void what_arrives_last_wins_at_the_same_moment(void **state)
{
	struct store *store = store_of(state);

	take_off(store, T0);
	assert_int_equal(receive(store, assigned(T0), ACTION_ACCEPT).status, STATUS_DISPATCHED);
	assert_int_equal(take_off(store, T0).cancelled, 1);
}

static void an_older_cancellation_does_not_forget_a_newer(void **state)
{
	struct store *store = store_of(state);

	take_off(store, T0 + 100);
	take_off(store, T0 + 10);
	assert_int_equal(receive(store, assigned(T0 + 50), ACTION_ACCEPT).status, STATUS_IGNORED);
}

static void a_cancellation_of_the_whole_issue_counts_for_each_bot(void **state)
{
	struct store *store = store_of(state);

	receive(store, removal(NULL, 0, T0 + 10), ACTION_CANCEL);
	assert_int_equal(receive(store, assigned(T0), ACTION_ACCEPT).status, STATUS_IGNORED);
}

static void one_bot_s_cancellation_is_not_another_s(void **state)
{
	struct store *store = store_of(state);

	receive(store, removal(other_bot, 1, T0 + 10), ACTION_CANCEL);
	assert_int_equal(receive(store, assigned(T0), ACTION_ACCEPT).status, STATUS_DISPATCHED);
}

/* Assigned, taken off, assigned again; the middle one comes last. */
static void who_asks_again_keeps_a_late_cancellation_away(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, assigned(T0), ACTION_ACCEPT);
	const struct store_answer again = receive(store, assigned(T0 + 60000), ACTION_ACCEPT);

	assert_int_equal(again.status, STATUS_JOINED);
	assert_int_equal(take_off(store, T0 + 30000).cancelled, 0);
	assert_int_equal(take_off(store, T0 + 60001).cancelled, 1);
	assert_string_equal(shown(store, first.runs[0].run_id, "outcome"), "cancelled");
}

static void ai_tasks_have_no_time_to_compare(void **state)
{
	struct store *store = store_of(state);

	take_off(store, T0 + 10);
	assert_int_equal(receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT).status,
			 STATUS_DISPATCHED);
}

/* ---- what was not taken yet ---- */

static void open_events_are_ended(void **state)
{
	struct store *store = store_of(state);
	struct store_stored *stored = NULL;
	const struct store_answer held = receive(store, assigned(T0), ACTION_HOLD);
	const struct store_answer undecided = receive(store, assigned(T0 + 1), ACTION_UNDECIDED);
	const struct store_answer newer = receive(store, assigned(T0 + 20), ACTION_HOLD);

	take_off(store, T0 + 10);
	refused(store_releasable(store, held.event_id, &stored, &err), ERR_CONFLICT);
	refused(store_releasable(store, undecided.event_id, &stored, &err), ERR_CONFLICT);
	ok(store_next_undecided(store, &stored, &err));
	assert_null(stored);
	ok(store_releasable(store, newer.event_id, &stored, &err));
	store_stored_free(stored);
}

/* ---- deletion ---- */

static void a_deleted_issue_gets_no_reports(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, mentioned("c1", T0), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	receive(store, mentioned("c2", T0 + 1), ACTION_ACCEPT);
	start(store, run_id);
	receive(store, mentioned("c3", T0 + 2), ACTION_ACCEPT);
	assert_int_equal(delete_issue(store, T0 + 10).cancelled, 2);
	end(store, run_id, OUTCOME_FAILURE);
	assert_string_equal(deliver_all(store), "");
	assert_int_equal(count_of(store, "reports_pending"), 0);
	assert_string_equal(shown(store, run_id, "report"), "null");
}

static void ai_tasks_of_a_deleted_issue_are_failed(void **state)
{
	struct store *store = store_of(state);

	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	assert_int_equal(delete_issue(store, T0 + 10).cancelled, 1);
	assert_string_equal(deliver_all(store), "ai_fail ");
}

static void an_ai_task_s_end_that_waits_still_goes_out(void **state)
{
	struct store *store = store_of(state);

	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	run_to(store, OUTCOME_SUCCESS);
	delete_issue(store, T0 + 10);
	assert_string_equal(deliver_all(store), "ai_complete ");
}

/* The comment was on its way when the issue went. */
static void a_call_that_is_out_is_not_repeated(void **state)
{
	struct store *store = store_of(state);

	receive(store, assigned(T0), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	struct store_report *report = take(store);
	delete_issue(store, T0 + 10);
	ok(store_report_failed(store, report->id, 0, false, "connection reset", &err));
	store_report_free(report);
	assert_null(take(store));
	assert_int_equal(count_of(store, "reports_pending"), 0);
}

static void a_report_that_is_being_written_says_nothing(void **state)
{
	struct store *store = store_of(state);
	const struct store_call call = { REPORT_COMMENT, "too late" };

	receive(store, assigned(T0), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	struct store_report *report = take(store);
	delete_issue(store, T0 + 10);
	ok(store_expand_report(store, report->id, &call, 1, &err));
	store_report_free(report);
	assert_null(take(store));
}

/* ---- the operator ---- */

static void the_operator_cancels_what_waits(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer task = receive(store, assigned(T0), ACTION_ACCEPT);
	const char *run_id = task.runs[0].run_id;

	ok(store_cancel(store, run_id, &err));
	assert_string_equal(shown(store, run_id, "outcome"), "cancelled");
	assert_string_equal(shown(store, run_id, "cause"), "cancelled by the operator");
	assert_string_equal(deliver_all(store), "format comment ");
	refused(store_cancel(store, run_id, &err), ERR_CONFLICT);
	refused(store_cancel(store, "no such run", &err), ERR_NOTFOUND);
}

static void the_operator_stops_what_runs(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, run_id);
	ok(store_cancel(store, run_id, &err));
	ok(store_cancel(store, run_id, &err));
	assert_requested(store, run_id);
	end(store, run_id, OUTCOME_CANCELLED);
	assert_string_equal(shown(store, run_id, "cause"), "cancelled by the operator");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(a_waiting_task_is_cancelled_and_reported),
		place_test(a_held_task_is_cancelled_too),
		place_test(a_running_task_is_asked_to_stop),
		place_test(a_success_that_was_already_there_stays),
		place_test(an_interrupted_run_that_was_asked_to_stop_is_over),
		place_test(a_claimed_task_does_not_start),
		place_test(an_ended_task_is_left_alone),
		place_test(other_bots_keep_their_work),
		place_test(no_bots_means_every_bot),
		place_test(newer_work_is_left_alone),
		place_test(older_work_never_starts),
		place_test(what_arrives_last_wins_at_the_same_moment),
		place_test(an_older_cancellation_does_not_forget_a_newer),
		place_test(a_cancellation_of_the_whole_issue_counts_for_each_bot),
		place_test(one_bot_s_cancellation_is_not_another_s),
		place_test(who_asks_again_keeps_a_late_cancellation_away),
		place_test(ai_tasks_have_no_time_to_compare),
		place_test(open_events_are_ended),
		place_test(a_deleted_issue_gets_no_reports),
		place_test(ai_tasks_of_a_deleted_issue_are_failed),
		place_test(an_ai_task_s_end_that_waits_still_goes_out),
		place_test(a_call_that_is_out_is_not_repeated),
		place_test(a_report_that_is_being_written_says_nothing),
		place_test(the_operator_cancels_what_waits),
		place_test(the_operator_stops_what_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
