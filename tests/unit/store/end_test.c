/* How a run begins and ends, and what a dead daemon leaves behind. */

#include "helper.h"

#include "base/utf8.h"

static void interrupt(struct store *store, const char *run_id, bool counted)
{
	const struct store_end done = { .run_id = run_id,
					.outcome = OUTCOME_INTERRUPTED,
					.exit_code = -1,
					.ended_at = clock_wall(),
					.cause = "cut off" };

	ok(store_end(store, &done, counted, 2, &err));
}

static void every_outcome_is_kept(void **state)
{
	static const enum outcome outcomes[] = { OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_TIMEOUT,
						 OUTCOME_CANCELLED };
	struct store *store = store_of(state);

	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		const struct store_answer answer =
		    receive(store, webhook("x", KIND_NONE, NULL, T0), ACTION_ACCEPT);
		const char *run_id = answer.runs[0].run_id;
		run_to(store, outcomes[i]);
		assert_string_equal(shown(store, run_id, "state"), "ended");
		assert_string_equal(shown(store, run_id, "outcome"), outcome_name(outcomes[i]));
		assert_string_equal(shown(store, run_id, "final_text"), "all done");
		assert_string_equal(shown(store, run_id, "tail"), "last lines");
		assert_string_equal(shown(store, run_id, "input_tokens"), "10");
		assert_string_equal(shown(store, run_id, "duration"), "1500");
		assert_string_equal(shown(store, run_id, "log_path"), "/runs/x.log");
		assert_null(claim(store, clock_wall()));
	}
}

static void the_start_is_reported_once(void **state)
{
	struct store *store = store_of(state);
	char first[ID_SIZE], second[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, first);
	struct store_report *report = take(store);
	assert_int_equal(report->kind, REPORT_FORMAT);
	assert_true(report->started);
	assert_string_equal(report->run_id, first);
	ok(store_expand_report(store, report->id, NULL, 0, &err));
	store_report_free(report);

	interrupt(store, first, true);
	struct store_task *task = claim(store, clock_wall());
	assert_true(task->started_before);
	assert_int_equal(task->attempt, 2);
	memcpy(second, task->run_id, ID_SIZE);
	store_task_free(task);
	ok(store_started(store, second, clock_wall(), NULL, &err));
	assert_null(take(store));
}

static void an_interrupted_run_is_tried_again_as_often_as_allowed(void **state)
{
	struct store *store = store_of(state);
	char first[ID_SIZE], second[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, first);
	deliver_all(store);
	interrupt(store, first, true);
	assert_string_equal(shown(store, first, "outcome"), "interrupted");
	assert_string_equal(shown(store, first, "report"), "null");
	assert_null(take(store));
	start(store, second);
	assert_string_not_equal(second, first);
	interrupt(store, second, true);
	assert_null(claim(store, clock_wall()));
	assert_string_equal(shown(store, second, "outcome"), "interrupted");
	assert_string_equal(shown(store, second, "cause"), "cut off");
	assert_string_equal(deliver_all(store), "format comment ");
	assert_string_equal(shown(store, second, "report"), "delivered");
}

static void a_drain_does_not_count(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	for (int i = 0; i < 5; i++) {
		start(store, run_id);
		interrupt(store, run_id, false);
	}
	start(store, run_id);
	interrupt(store, run_id, true);
	start(store, run_id);
	assert_string_equal(shown(store, run_id, "attempt"), "7");
	end(store, run_id, OUTCOME_SUCCESS);
}

static void a_run_that_did_not_start_goes_back_as_it_was(void **state)
{
	struct store *store = store_of(state);

	receive(store, assigned(T0), ACTION_ACCEPT);
	for (int i = 0; i < 3; i++) {
		struct store_task *task = claim(store, clock_wall());
		assert_int_equal(task->attempt, 1);
		interrupt(store, task->run_id, true);
		store_task_free(task);
	}
	assert_int_equal(count_of(store, "waiting"), 1);
	assert_int_equal(count_runs(store), 1);
}

static void a_second_end_changes_nothing(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, run_id);
	end(store, run_id, OUTCOME_SUCCESS);
	end(store, run_id, OUTCOME_FAILURE);
	assert_string_equal(shown(store, run_id, "outcome"), "success");
	assert_string_equal(deliver_all(store), "format comment format comment ");
}

static void a_run_has_to_exist_and_to_have_begun(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer = receive(store, assigned(T0), ACTION_ACCEPT);
	struct store_end done = { .run_id = "no such run", .outcome = OUTCOME_SUCCESS };

	refused(store_end(store, &done, true, 2, &err), ERR_NOTFOUND);
	done.run_id = answer.runs[0].run_id;
	refused(store_end(store, &done, true, 2, &err), ERR_CONFLICT);
	done.outcome = OUTCOME_NONE;
	refused(store_end(store, &done, true, 2, &err), ERR_CONFLICT);
	refused(store_session(store, "no such run", "s", &err), ERR_NOTFOUND);
}

static void the_session_is_known_at_once(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];
	struct store_end done = { .run_id = run_id, .outcome = OUTCOME_FAILURE };

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, run_id);
	ok(store_session(store, run_id, "session-1", &err));
	assert_string_equal(shown(store, run_id, "session_id"), "session-1");
	ok(store_end(store, &done, true, 2, &err));
	assert_string_equal(shown(store, run_id, "session_id"), "session-1");
}

/* ---- bounds ---- */

static size_t shown_size(struct store *store, const char *run_id, const char *key)
{
	json_t *run = show(store, run_id);
	const char *text = json_str(run, key);
	const size_t len = text ? strlen(text) : 0;

	assert_true(!text || utf8_valid(text, len));
	json_decref(run);
	return len;
}

/* Mostly three-byte characters, so that a cut falls inside one; with a bad byte here and there. */
static char *wild_text(size_t len)
{
	char *text = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = "\xe2\x82\xac"[i % 3];
	for (size_t i = 0; i < len; i += 1000)
		text[i] = (char)0xff;
	text[len] = '\0';
	return text;
}

static void texts_are_cut_and_repaired(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];
	char *wild = wild_text(300000);
	struct store_end done = { .run_id = run_id,
				  .outcome = OUTCOME_FAILURE,
				  .final_text = wild,
				  .tail = wild,
				  .cause = wild,
				  .session_id = wild };

	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, run_id);
	ok(store_end(store, &done, true, 2, &err));
	assert_in_range(shown_size(store, run_id, "final_text"), 65000, 65536);
	assert_in_range(shown_size(store, run_id, "tail"), 65000, 65536);
	assert_in_range(shown_size(store, run_id, "cause"), 2000, 2048);
	assert_in_range(shown_size(store, run_id, "session_id"), 2000, 2048);
	free(wild);
}

/* The end of a log says more than its beginning. */
static void a_tail_keeps_its_end(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];
	char *text = malloc(100001);
	struct store_end done = {
		.run_id = run_id, .outcome = OUTCOME_FAILURE, .final_text = text, .tail = text
	};

	memset(text, '.', 100000);
	memcpy(text, "first", 5);
	memcpy(text + 99996, "last", 5);
	receive(store, assigned(T0), ACTION_ACCEPT);
	start(store, run_id);
	ok(store_end(store, &done, true, 2, &err));
	json_t *run = show(store, run_id);
	const char *tail = json_str(run, "tail");
	assert_string_equal(tail + strlen(tail) - 4, "last");
	assert_int_equal(strncmp(json_str(run, "final_text"), "first", 5), 0);
	json_decref(run);
	free(text);
}

/* ---- a dead daemon ---- */

static void reopen(void **state)
{
	struct place *place = *state;

	store_close(place->store);
	ok(store_open(place->path, &place->store, &err));
}

static void recovery_gives_back_what_had_not_started(void **state)
{
	struct store *store = store_of(state);
	size_t count = 0;

	receive(store, assigned(T0), ACTION_ACCEPT);
	for (int i = 0; i < 5; i++) {
		struct store_task *task = claim(store, clock_wall());
		assert_int_equal(task->attempt, 1);
		store_task_free(task);
		reopen(state);
		store = store_of(state);
		ok(store_recover(store, 2, &count, &err));
		assert_int_equal(count, 1);
	}
	ok(store_recover(store, 2, &count, &err));
	assert_int_equal(count, 0);
}

static void recovery_counts_what_had_started(void **state)
{
	struct store *store = store_of(state);
	char first[ID_SIZE], second[ID_SIZE];
	size_t count = 0;

	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	start(store, first);
	reopen(state);
	store = store_of(state);
	ok(store_recover(store, 2, &count, &err));
	assert_int_equal(count, 1);
	start(store, second);
	deliver_all(store);
	reopen(state);
	store = store_of(state);
	ok(store_recover(store, 2, &count, &err));
	assert_null(claim(store, clock_wall()));
	assert_string_equal(shown(store, second, "outcome"), "interrupted");
	assert_string_equal(deliver_all(store), "format comment ai_fail ");
}

static void recovery_ends_what_was_asked_to_stop(void **state)
{
	struct store *store = store_of(state);
	char running[ID_SIZE];
	size_t count = 0;

	receive(store, webhook("x", KIND_NONE, NULL, T0), ACTION_ACCEPT);
	start(store, running);
	struct store_event other = webhook("x", KIND_NONE, NULL, T0);
	other.issue_id = "another";
	receive(store, other, ACTION_ACCEPT);
	struct store_task *claimed = claim(store, clock_wall());
	ok(store_cancel(store, running, &err));
	ok(store_cancel(store, claimed->run_id, &err));
	reopen(state);
	store = store_of(state);
	ok(store_recover(store, 2, &count, &err));
	assert_int_equal(count, 2);
	assert_string_equal(shown(store, running, "outcome"), "cancelled");
	assert_string_equal(shown(store, claimed->run_id, "outcome"), "cancelled");
	store_task_free(claimed);
}

/* ---- retry ---- */

static void a_retry_is_a_new_run_with_new_reports(void **state)
{
	struct store *store = store_of(state);
	char first[ID_SIZE], again[ID_SIZE], running[ID_SIZE];

	receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	start(store, first);
	refused(store_retry(store, first, again, &err), ERR_CONFLICT);
	end(store, first, OUTCOME_FAILURE);
	deliver_all(store);
	ok(store_retry(store, first, again, &err));
	assert_string_not_equal(again, first);
	assert_string_equal(shown(store, again, "state"), "waiting");
	assert_string_equal(shown(store, again, "outcome"), "null");
	assert_string_equal(shown(store, first, "outcome"), "failure");
	refused(store_retry(store, first, running, &err), ERR_CONFLICT);
	start(store, running);
	assert_string_equal(running, again);
	end(store, running, OUTCOME_SUCCESS);
	assert_string_equal(deliver_all(store), "format comment format comment ai_complete ");
}

static void a_retry_takes_an_unsent_failure_back(void **state)
{
	struct store *store = store_of(state);
	char again[ID_SIZE];

	const struct store_answer task =
	    receive(store, ai_task(AI_TASK, 1, KEY, T0), ACTION_ACCEPT);
	run_to(store, OUTCOME_FAILURE);
	ok(store_retry(store, task.runs[0].run_id, again, &err));
	assert_string_equal(deliver_all(store), "format comment format comment ");
	run_to(store, OUTCOME_SUCCESS);
	assert_string_equal(deliver_all(store), "format comment format comment ai_complete ");
}

static void a_retry_has_all_attempts_again(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE], again[ID_SIZE];

	receive(store, assigned(T0), ACTION_ACCEPT);
	for (int i = 0; i < 2; i++) {
		start(store, run_id);
		interrupt(store, run_id, true);
	}
	ok(store_retry(store, run_id, again, &err));
	start(store, run_id);
	assert_string_equal(run_id, again);
	interrupt(store, run_id, true);
	start(store, run_id);
	assert_string_not_equal(run_id, again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(every_outcome_is_kept),
		place_test(the_start_is_reported_once),
		place_test(an_interrupted_run_is_tried_again_as_often_as_allowed),
		place_test(a_drain_does_not_count),
		place_test(a_run_that_did_not_start_goes_back_as_it_was),
		place_test(a_second_end_changes_nothing),
		place_test(a_run_has_to_exist_and_to_have_begun),
		place_test(the_session_is_known_at_once),
		place_test(texts_are_cut_and_repaired),
		place_test(a_tail_keeps_its_end),
		place_test(recovery_gives_back_what_had_not_started),
		place_test(recovery_counts_what_had_started),
		place_test(recovery_ends_what_was_asked_to_stop),
		place_test(a_retry_is_a_new_run_with_new_reports),
		place_test(a_retry_takes_an_unsent_failure_back),
		place_test(a_retry_has_all_attempts_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
