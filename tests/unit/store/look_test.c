/* What people are shown. */

#include "helper.h"

static json_t *runs_of(struct store *store, size_t limit)
{
	struct err err = { .text = "" };
	json_t *runs = store_runs(store, limit, &err);

	if (!runs)
		fail_msg("%s", err.text);
	return runs;
}

static json_t *events_of(struct store *store, const char *status)
{
	struct err err = { .text = "" };
	json_t *events = store_events(store, status, 100, &err);

	if (!events)
		fail_msg("%s", err.text);
	return events;
}

static void runs_are_told_newest_first(void **state)
{
	struct store *store = store_of(state);
	struct store_answer answers[5];

	json_t *none = runs_of(store, 10);
	assert_true(json_is_array(none));
	assert_int_equal(json_array_size(none), 0);
	json_decref(none);

	for (int i = 0; i < 5; i++)
		answers[i] = receive(store, webhook("x", KIND_NONE, NULL, T0 - i), ACTION_ACCEPT);
	json_t *runs = runs_of(store, 3);
	assert_int_equal(json_array_size(runs), 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(json_str(json_array_get(runs, i), "run_id"),
				    answers[4 - i].runs[0].run_id);
	json_decref(runs);
}

static void a_run_has_what_its_table_promises(void **state)
{
	static const char *const keys[] = {
		"run_id", "event_id",	"issue_id",   "issue_key", "agent",    "rule",
		"state",  "outcome",	"report",     "attempt",   "held",     "note",
		"due",	  "created_at", "started_at", "ended_at",  "duration", "name",
		"bot_id", "bot_name",	"task_id",
	};
	struct store *store = store_of(state);
	const struct store_answer answer = receive(store, assigned(T0), ACTION_ACCEPT);

	json_t *runs = runs_of(store, 10);
	json_t *run = json_array_get(runs, 0);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!json_object_get(run, keys[i]))
			fail_msg("%s is missing", keys[i]);
	assert_string_equal(json_str(run, "run_id"), answer.runs[0].run_id);
	assert_string_equal(json_str(run, "event_id"), answer.event_id);
	assert_string_equal(json_str(run, "issue_id"), ISSUE);
	assert_string_equal(json_str(run, "agent"), "default");
	assert_string_equal(json_str(run, "rule"), "a rule");
	assert_string_equal(json_str(run, "state"), "waiting");
	assert_true(json_is_null(json_at(run, "outcome")));
	assert_true(json_is_null(json_at(run, "report")));
	assert_true(json_is_false(json_at(run, "held")));
	assert_int_equal(json_int(run, "attempt", -1), 1);
	json_decref(runs);

	char run_id[ID_SIZE];
	start(store, run_id);
	assert_string_equal(shown(store, run_id, "state"), "running");
	assert_string_equal(shown(store, run_id, "report"), "null");
	end(store, run_id, OUTCOME_FAILURE);
	assert_string_equal(shown(store, run_id, "state"), "ended");
	assert_string_equal(shown(store, run_id, "outcome"), "failure");
	assert_string_equal(shown(store, run_id, "report"), "pending");
}

static void one_run_is_shown_with_all_around_it(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, created(T0), ACTION_ACCEPT);
	const struct store_answer second = receive(store, assigned(T0 + 7), ACTION_HOLD);

	receive(store, ai_task(AI_TASK, 1, KEY, T0 + 4000), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	json_t *run = show(store, first.runs[0].run_id);
	assert_string_equal(json_str(run, "event.name"), "issue.created");
	assert_string_equal(json_str(run, "event.issue_title"), "Login fails");
	assert_int_equal(json_array_size(json_at(run, "joined")), 2);
	const json_t *joined = json_array_get(json_at(run, "joined"), 0);
	assert_string_equal(json_str(joined, "event_id"), second.event_id);
	assert_string_equal(json_str(joined, "status"), "joined");
	assert_string_equal(json_str(json_array_get(json_at(run, "joined"), 1), "ai_task_id"),
			    AI_TASK);
	assert_int_equal(json_array_size(json_at(run, "attempts")), 1);
	assert_int_equal(json_array_size(json_at(run, "reports")), 3);
	assert_string_equal(json_str(json_array_get(json_at(run, "reports"), 2), "kind"),
			    "ai_fail");
	assert_true(json_is_true(json_at(json_array_get(json_at(run, "reports"), 0), "started")));
	assert_true(json_real_value(json_at(run, "cost_usd")) == 0.5);
	assert_true(json_is_false(json_at(run, "truncated")));
	json_decref(run);
}

static void an_unknown_run_is_not_found(void **state)
{
	struct err err = { .text = "" };

	assert_null(store_show(store_of(state), "no such run", &err));
	assert_int_equal(err.code, ERR_NOTFOUND);
}

static void events_are_told_by_status(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer held = receive(store, assigned(T0), ACTION_HOLD);
	const struct store_answer off = receive(store, assigned(T0 + 1), ACTION_DISABLED);

	receive(store, webhook("issue.updated", KIND_NONE, NULL, T0 + 2), ACTION_IGNORE);
	json_t *all = events_of(store, NULL);
	assert_int_equal(json_array_size(all), 3);
	assert_string_equal(json_str(json_array_get(all, 0), "name"), "issue.updated");
	assert_true(json_is_false(json_at(json_array_get(all, 0), "releasable")));
	json_decref(all);

	json_t *some = events_of(store, "held");
	assert_int_equal(json_array_size(some), 1);
	const json_t *event = json_array_get(some, 0);
	assert_string_equal(json_str(event, "event_id"), held.event_id);
	assert_string_equal(json_str(event, "status"), "held");
	assert_string_equal(json_str(event, "rule"), "a rule");
	assert_string_equal(json_str(event, "reason"), "a reason");
	assert_string_equal(json_str(event, "issue_id"), ISSUE);
	assert_int_equal(json_int(event, "received_at", 0), T0 + 1);
	assert_true(json_is_true(json_at(event, "releasable")));
	json_decref(some);

	some = events_of(store, "disabled");
	assert_string_equal(json_str(json_array_get(some, 0), "gate"), "cli_executor");
	assert_string_equal(json_str(json_array_get(some, 0), "event_id"), off.event_id);
	json_decref(some);
	some = events_of(store, "no such status");
	assert_int_equal(json_array_size(some), 0);
	json_decref(some);
}

static void an_event_whose_task_is_held_is_held(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer = receive(store, assigned(T0), ACTION_ACCEPT);
	struct store_task *task = claim(store, clock_wall());

	json_t *some = events_of(store, "dispatched");
	assert_int_equal(json_array_size(some), 1);
	json_decref(some);
	ok(store_hold_task(store, task->run_id, "its agent is gone", &err));
	store_task_free(task);
	some = events_of(store, "dispatched");
	assert_int_equal(json_array_size(some), 0);
	json_decref(some);
	some = events_of(store, "held");
	assert_int_equal(json_array_size(some), 1);
	const json_t *event = json_array_get(some, 0);
	assert_string_equal(json_str(event, "event_id"), answer.event_id);
	assert_string_equal(json_str(event, "status"), "held");
	assert_string_equal(json_str(event, "reason"), "its agent is gone");
	assert_true(json_is_true(json_at(event, "releasable")));
	json_decref(some);
	assert_string_equal(status_of(store, answer.event_id), "held");
}

static void counts_follow_the_work(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, webhook("x", KIND_NONE, NULL, T0), ACTION_ACCEPT);
	receive(store, webhook("x", KIND_NONE, NULL, T0 + 1), ACTION_ACCEPT);
	receive(store, webhook("x", KIND_NONE, NULL, T0 + 2), ACTION_HOLD);
	receive(store, webhook("x", KIND_NONE, NULL, T0 + 2), ACTION_DISABLED);
	start(store, run_id);
	assert_int_equal(count_of(store, "waiting"), 1);
	assert_int_equal(count_of(store, "running"), 1);
	assert_int_equal(count_of(store, "held"), 1);
	assert_int_equal(count_of(store, "reports_pending"), 1);
	assert_int_equal(count_of(store, "reports_dead"), 0);
}

/* Everything an event brings is bounded where it is shown, and shown as valid UTF-8. */
static void long_words_are_cut(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = assigned(T0);
	struct store_decision decision = decide(ACTION_HOLD);
	struct store_answer answer;
	char *huge = malloc(100001);

	memset(huge, 'x', 100000);
	huge[100000] = '\0';
	event.issue_title = event.project_name = huge;
	decision.rule = decision.reason = huge;
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	assert_int_equal(strlen(answer.rule), sizeof(answer.rule) - 1);
	assert_int_equal(strlen(answer.reason), sizeof(answer.reason) - 1);
	json_t *events = events_of(store, NULL);
	assert_int_equal(strlen(json_str(json_array_get(events, 0), "reason")), 2048);
	json_decref(events);
	free(huge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(runs_are_told_newest_first),
		place_test(a_run_has_what_its_table_promises),
		place_test(one_run_is_shown_with_all_around_it),
		place_test(an_unknown_run_is_not_found),
		place_test(events_are_told_by_status),
		place_test(an_event_whose_task_is_held_is_held),
		place_test(counts_follow_the_work),
		place_test(long_words_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
