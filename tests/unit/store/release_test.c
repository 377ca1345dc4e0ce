/* What was stored without being taken, and held tasks: decided again, or ended. */

#include "helper.h"

static struct store_answer redecide(struct store *store, const char *event_id,
				    const struct store_decision *decision)
{
	struct store_answer answer;

	ok(store_redecide(store, event_id, decision, &answer, &err));
	return answer;
}

static struct store_answer release(struct store *store, const char *event_id,
				   enum store_action action)
{
	const struct store_decision decision = decide(action);

	return redecide(store, event_id, &decision);
}

/* The event's id once its only task is held. */
static struct store_answer held_task(struct store *store, struct store_event event)
{
	const struct store_answer answer = receive(store, event, ACTION_ACCEPT);
	struct store_task *task = claim(store, clock_wall());

	ok(store_hold_task(store, task->run_id, "render failed", &err));
	store_task_free(task);
	return answer;
}

/* ---- undecided ---- */

static void the_oldest_undecided_comes_back_whole(void **state)
{
	static const char *const removed[] = { BOT, OTHER_BOT };
	struct store *store = store_of(state);
	struct store_event event = ai_task(AI_TASK, 2, KEY, T0 + 10);
	struct store_stored *stored = NULL;

	event.completion = "{\"issue\":{\"state\":\"todo\"}}";
	event.comment_id = "c1";
	event.actor_id = "a1";
	event.project_id = "p1";
	event.project_name = "Core";
	event.removed_bots = removed;
	event.removed_count = 2;
	event.body = "a\0b";
	event.body_len = 3;
	receive(store, assigned(T0 + 20), ACTION_UNDECIDED);
	const struct store_answer first = receive(store, event, ACTION_UNDECIDED);
	receive(store, assigned(T0 + 5), ACTION_HOLD);

	ok(store_next_undecided(store, &stored, &err));
	assert_string_equal(stored->id, first.event_id);
	assert_int_equal(stored->status, STATUS_HELD);
	const struct store_event *back = &stored->event;
	assert_int_equal(back->source, SOURCE_AI_TASK);
	assert_int_equal(back->kind, KIND_ASSIGNMENT);
	assert_string_equal(back->dedupe_key, "ai:" AI_TASK ":2");
	assert_string_equal(back->name, "task.issue_assigned");
	assert_string_equal(back->join_key, KEY);
	assert_string_equal(back->issue_id, ISSUE);
	assert_string_equal(back->issue_key, "CORE-A1B2C3D4");
	assert_string_equal(back->issue_title, "Login fails");
	assert_string_equal(back->issue_state, "todo");
	assert_string_equal(back->project_id, "p1");
	assert_string_equal(back->project_name, "Core");
	assert_string_equal(back->bot_id, BOT);
	assert_string_equal(back->bot_name, "ai-fixer");
	assert_string_equal(back->comment_id, "c1");
	assert_string_equal(back->actor_id, "a1");
	assert_string_equal(back->ai_task_id, AI_TASK);
	assert_int_equal(back->ai_attempt, 2);
	assert_int_equal(back->ai_max_attempts, 3);
	assert_int_equal(back->removed_count, 2);
	assert_string_equal(back->removed_bots[1], OTHER_BOT);
	assert_true(back->at == T0 + 10 && back->received_at == T0 + 10);
	assert_int_equal(back->body_len, 3);
	assert_memory_equal(back->body, "a\0b", 3);
	assert_string_equal(back->completion, "{\"issue\":{\"state\":\"todo\"}}");
	store_stored_free(stored);
}

static void deciding_ends_the_wait(void **state)
{
	struct store *store = store_of(state);
	struct store_stored *stored = NULL;
	const struct store_answer first = receive(store, assigned(T0), ACTION_UNDECIDED);
	const struct store_answer decided = release(store, first.event_id, ACTION_ACCEPT);

	assert_int_equal(decided.status, STATUS_DISPATCHED);
	assert_string_equal(decided.event_id, first.event_id);
	assert_int_equal(decided.run_count, 1);
	ok(store_next_undecided(store, &stored, &err));
	assert_null(stored);
	char run_id[ID_SIZE];
	start(store, run_id);
	assert_string_equal(run_id, decided.runs[0].run_id);
}

static void an_undecided_event_can_turn_out_held(void **state)
{
	struct store *store = store_of(state);
	struct store_stored *stored = NULL;
	const struct store_answer first = receive(store, assigned(T0), ACTION_UNDECIDED);

	assert_int_equal(release(store, first.event_id, ACTION_HOLD).status, STATUS_HELD);
	ok(store_next_undecided(store, &stored, &err));
	assert_null(stored);
	ok(store_releasable(store, first.event_id, &stored, &err));
	store_stored_free(stored);
}

static void an_undecided_event_can_turn_out_a_cancellation(void **state)
{
	static const char *const bots[] = { BOT };
	struct store *store = store_of(state);

	receive(store, assigned(T0), ACTION_ACCEPT);
	const struct store_answer first =
	    receive(store, removal(bots, 1, T0 + 10), ACTION_UNDECIDED);
	const struct store_answer decided = release(store, first.event_id, ACTION_CANCEL);
	assert_int_equal(decided.status, STATUS_IGNORED);
	assert_int_equal(decided.cancelled, 1);
	assert_int_equal(count_of(store, "waiting"), 0);
}

/* ---- releasing events ---- */

static void held_disabled_and_observed_events_are_releasable(void **state)
{
	static const struct {
		enum store_action action;
		bool releasable;
	} cases[] = { { ACTION_HOLD, true },	{ ACTION_DISABLED, true },
		      { ACTION_OBSERVE, true }, { ACTION_UNDECIDED, true },
		      { ACTION_IGNORE, false }, { ACTION_NO_AGENT, false },
		      { ACTION_ACCEPT, false } };
	struct store *store = store_of(state);
	struct store_stored *stored = NULL;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct store_answer answer =
		    receive(store, webhook("x", KIND_NONE, NULL, T0), cases[i].action);
		if (!cases[i].releasable) {
			refused(store_releasable(store, answer.event_id, &stored, &err),
				ERR_CONFLICT);
			continue;
		}
		ok(store_releasable(store, answer.event_id, &stored, &err));
		assert_string_equal(stored->id, answer.event_id);
		store_stored_free(stored);
		assert_int_equal(release(store, answer.event_id, ACTION_ACCEPT).status,
				 STATUS_DISPATCHED);
		refused(store_releasable(store, answer.event_id, &stored, &err), ERR_CONFLICT);
	}
	refused(store_releasable(store, "no such event", &stored, &err), ERR_NOTFOUND);
}

static void a_release_joins_by_the_event_s_own_time(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer held = receive(store, created(T0), ACTION_HOLD);
	const struct store_answer work = receive(store, assigned(T0 + 7), ACTION_ACCEPT);

	run_to(store, OUTCOME_SUCCESS);
	const struct store_answer released = release(store, held.event_id, ACTION_ACCEPT);
	assert_int_equal(released.status, STATUS_JOINED);
	assert_string_equal(released.runs[0].run_id, work.runs[0].run_id);
	assert_int_equal(count_runs(store), 1);
}

static void two_held_halves_are_one_task(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, created(T0), ACTION_HOLD);
	const struct store_answer second = receive(store, assigned(T0 + 7), ACTION_HOLD);

	assert_int_equal(release(store, second.event_id, ACTION_ACCEPT).status, STATUS_DISPATCHED);
	assert_int_equal(release(store, first.event_id, ACTION_ACCEPT).status, STATUS_JOINED);
	assert_int_equal(count_runs(store), 1);
}

static void a_released_ai_task_is_linked(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer held = receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_HOLD);

	assert_int_equal(release(store, held.event_id, ACTION_ACCEPT).status, STATUS_DISPATCHED);
	run_to(store, OUTCOME_SUCCESS);
	assert_string_equal(deliver_all(store), "format comment format comment ai_complete ");
	assert_int_equal(receive(store, ai_task(AI_TASK, 2, KEY, T0), ACTION_ACCEPT).status,
			 STATUS_DUPLICATE);
}

static void a_release_may_say_no(void **state)
{
	struct store *store = store_of(state);
	struct store_stored *stored = NULL;
	const struct store_answer held = receive(store, assigned(T0), ACTION_HOLD);

	assert_int_equal(release(store, held.event_id, ACTION_IGNORE).status, STATUS_IGNORED);
	assert_string_equal(status_of(store, held.event_id), "ignored");
	refused(store_releasable(store, held.event_id, &stored, &err), ERR_CONFLICT);
	assert_int_equal(count_runs(store), 0);
}

/* ---- releasing tasks ---- */

static void a_held_task_is_released_by_its_event(void **state)
{
	struct store *store = store_of(state);
	struct store_stored *stored = NULL;
	const struct store_answer held = held_task(store, assigned(T0));

	assert_null(claim(store, clock_wall()));
	ok(store_releasable(store, held.event_id, &stored, &err));
	assert_int_equal(stored->status, STATUS_HELD);
	store_stored_free(stored);
	const struct store_answer released = release(store, held.event_id, ACTION_ACCEPT);
	assert_int_equal(released.status, STATUS_DISPATCHED);
	assert_string_equal(released.runs[0].run_id, held.runs[0].run_id);
	char run_id[ID_SIZE];
	start(store, run_id);
	assert_string_equal(run_id, held.runs[0].run_id);
}

static void today_s_route_has_the_say(void **state)
{
	struct store *store = store_of(state);
	struct store_decision decision = decide(ACTION_ACCEPT);
	const struct store_answer held = held_task(store, assigned(T0));

	decision.targets[0].agent = "successor";
	decision.targets[0].timeout = 77;
	redecide(store, held.event_id, &decision);
	struct store_task *task = claim(store, clock_wall());
	assert_string_equal(task->agent, "successor");
	assert_int_equal(task->timeout, 77);
	store_task_free(task);
}

/* Of two tasks one has ended; the other must not run on the same agent a second time. */
static void a_release_does_not_repeat_an_agent(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = assigned(T0);
	struct store_decision decision = decide(ACTION_ACCEPT);
	struct store_answer answer;

	decision.targets[1].agent = "gone";
	decision.target_count = 2;
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	run_to(store, OUTCOME_SUCCESS);
	struct store_task *task = claim(store, clock_wall());
	ok(store_hold_task(store, task->run_id, "its agent is gone", &err));
	store_task_free(task);
	release(store, answer.event_id, ACTION_ACCEPT); /* to "default" alone */
	assert_null(claim(store, clock_wall()));
	assert_string_equal(shown(store, answer.runs[1].run_id, "outcome"), "cancelled");
}

static void a_held_task_can_be_ignored_or_held_again(void **state)
{
	struct store *store = store_of(state);
	struct store_stored *stored = NULL;
	const struct store_answer held = held_task(store, assigned(T0));

	assert_int_equal(release(store, held.event_id, ACTION_HOLD).status, STATUS_HELD);
	assert_string_equal(shown(store, held.runs[0].run_id, "note"), "a reason");
	assert_int_equal(release(store, held.event_id, ACTION_IGNORE).status, STATUS_IGNORED);
	assert_string_equal(shown(store, held.runs[0].run_id, "outcome"), "cancelled");
	refused(store_releasable(store, held.event_id, &stored, &err), ERR_CONFLICT);
}

/* ---- discarding ---- */

static void a_discarded_event_is_over(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = assigned(T0);
	struct store_stored *stored = NULL;
	const struct store_answer held = receive(store, event, ACTION_HOLD);

	ok(store_discard(store, held.event_id, &err));
	refused(store_releasable(store, held.event_id, &stored, &err), ERR_CONFLICT);
	refused(store_discard(store, held.event_id, &err), ERR_CONFLICT);
	refused(store_discard(store, "no such event", &err), ERR_NOTFOUND);
	const struct store_answer again = receive(store, event, ACTION_ACCEPT);
	assert_int_equal(again.status, STATUS_DUPLICATE);
	assert_int_equal(again.first_status, STATUS_IGNORED);
	assert_string_equal(again.reason, "discarded by the operator; was held: a reason");
}

static void a_discarded_task_is_reported(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer held = held_task(store, ai_task(AI_TASK, 1, KEY, T0));

	ok(store_discard(store, held.event_id, &err));
	assert_string_equal(shown(store, held.runs[0].run_id, "outcome"), "cancelled");
	assert_string_equal(shown(store, held.runs[0].run_id, "cause"),
			    "discarded by the operator");
	assert_string_equal(deliver_all(store), "format comment ai_fail ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(the_oldest_undecided_comes_back_whole),
		place_test(deciding_ends_the_wait),
		place_test(an_undecided_event_can_turn_out_held),
		place_test(an_undecided_event_can_turn_out_a_cancellation),
		place_test(held_disabled_and_observed_events_are_releasable),
		place_test(a_release_joins_by_the_event_s_own_time),
		place_test(two_held_halves_are_one_task),
		place_test(a_released_ai_task_is_linked),
		place_test(a_release_may_say_no),
		place_test(a_held_task_is_released_by_its_event),
		place_test(today_s_route_has_the_say),
		place_test(a_release_does_not_repeat_an_agent),
		place_test(a_held_task_can_be_ignored_or_held_again),
		place_test(a_discarded_event_is_over),
		place_test(a_discarded_task_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
