/* What is forgotten, when, and what never is. */

#include "helper.h"

#define DAY (24 * 3600 * 1000LL)
#define TOLERANCE (300 * 1000LL)

static struct store_event old(struct store_event event)
{
	event.received_at = clock_wall();
	return event;
}

/* As if `days` had passed; how many log files may go. */
static size_t prune_after(struct store *store, int64_t days)
{
	json_t *logs = NULL;

	ok(store_prune(store, clock_wall() + days * DAY + 1000, 30 * DAY, TOLERANCE, &logs, &err));
	const size_t count = json_array_size(logs);
	json_decref(logs);
	return count;
}

static int64_t rows(struct store *store, const char *sql)
{
	struct err err = { .text = "" };
	int64_t count = -1;
	struct db *db = store_read_begin(store);

	if (db_number(db, sql, DB_NONE, &count, &err) < 0)
		fail_msg("%s", err.text);
	store_read_end(store);
	return count;
}

static void an_ended_and_reported_task_is_forgotten(void **state)
{
	struct store *store = store_of(state);
	struct err err;

	receive(store, old(webhook("x", KIND_NONE, NULL, T0)), ACTION_ACCEPT);
	run_to(store, OUTCOME_SUCCESS);
	deliver_all(store);
	assert_int_equal(prune_after(store, 29), 0);
	assert_int_equal(count_runs(store), 1);

	json_t *logs = NULL;
	assert_int_equal(
	    store_prune(store, clock_wall() + 31 * DAY, 30 * DAY, TOLERANCE, &logs, &err), 0);
	assert_int_equal(json_array_size(logs), 1);
	assert_string_equal(json_string_value(json_array_get(logs, 0)), "/runs/x.log");
	json_decref(logs);
	assert_int_equal(count_runs(store), 0);
	assert_int_equal(rows(store, "SELECT count(*) FROM events"), 0);
	assert_int_equal(rows(store, "SELECT count(*) FROM bodies"), 0);
	assert_int_equal(rows(store, "SELECT count(*) FROM tasks"), 0);
	assert_int_equal(rows(store, "SELECT count(*) FROM runs"), 0);
	assert_int_equal(rows(store, "SELECT count(*) FROM reports"), 0);
}

static void what_is_not_finished_stays(void **state)
{
	struct store *store = store_of(state);
	char run_id[ID_SIZE];

	receive(store, old(mentioned("running", T0)), ACTION_ACCEPT);
	start(store, run_id);
	receive(store, old(mentioned("waiting", T0 + 1)), ACTION_ACCEPT);
	receive(store, old(webhook("held", KIND_NONE, NULL, T0)), ACTION_HOLD);
	receive(store, old(webhook("undecided", KIND_NONE, NULL, T0)), ACTION_UNDECIDED);
	prune_after(store, 400);
	assert_int_equal(count_of(store, "waiting"), 1);
	assert_int_equal(count_of(store, "running"), 1);
	assert_int_equal(count_of(store, "held"), 2);
	assert_int_equal(rows(store, "SELECT count(*) FROM bodies"), 4);
	end(store, run_id, OUTCOME_SUCCESS);
}

static void what_is_not_reported_stays(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer =
	    receive(store, old(webhook("x", KIND_NONE, NULL, T0)), ACTION_ACCEPT);
	const char *run_id = answer.runs[0].run_id;

	run_to(store, OUTCOME_FAILURE);
	prune_after(store, 400);
	assert_string_equal(shown(store, run_id, "report"), "pending");
	for (int i = 0; i < 2; i++) {
		struct store_report *report = take(store);
		ok(store_report_dead(store, report->id, "24 h", &err));
		store_report_free(report);
	}
	prune_after(store, 400);
	assert_string_equal(shown(store, run_id, "report"), "dead");
	ok(store_retry_report(store, run_id, &err));
	deliver_all(store);
	assert_int_equal(prune_after(store, 400), 1);
	assert_int_equal(count_runs(store), 0);
}

/* A body is a person's text: it goes when its time has come, whatever else is kept. */
static void an_ignored_event_is_forgotten(void **state)
{
	struct store *store = store_of(state);

	receive(store, old(webhook("x", KIND_NONE, NULL, T0)), ACTION_IGNORE);
	receive(store, old(webhook("x", KIND_NONE, NULL, T0)), ACTION_NO_AGENT);
	receive(store, old(webhook("x", KIND_NONE, NULL, T0)), ACTION_DISABLED);
	receive(store, old(webhook("x", KIND_NONE, NULL, T0)), ACTION_OBSERVE);
	prune_after(store, 29);
	assert_int_equal(rows(store, "SELECT count(*) FROM bodies"), 4);
	prune_after(store, 31);
	assert_int_equal(rows(store, "SELECT count(*) FROM bodies"), 0);
	assert_int_equal(rows(store, "SELECT count(*) FROM events"), 0);
}

static void a_delivery_is_known_as_long_as_it_could_be_replayed(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = old(webhook("x", KIND_NONE, NULL, T0));
	json_t *logs = NULL;

	receive(store, event, ACTION_IGNORE);
	ok(store_prune(store, clock_wall() + 19 * DAY, 1 * DAY, 10 * DAY, &logs, &err));
	json_decref(logs);
	assert_int_equal(rows(store, "SELECT count(*) FROM bodies"), 0);
	assert_int_equal(receive(store, event, ACTION_ACCEPT).status, STATUS_DUPLICATE);
	ok(store_prune(store, clock_wall() + 21 * DAY, 1 * DAY, 10 * DAY, &logs, &err));
	json_decref(logs);
	assert_int_equal(receive(store, event, ACTION_IGNORE).status, STATUS_IGNORED);
}

/* ---- join keys, for ever ---- */

static void an_ai_task_joins_what_was_forgotten(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer first = receive(store, old(assigned(T0)), ACTION_ACCEPT);

	run_to(store, OUTCOME_FAILURE);
	deliver_all(store);
	prune_after(store, 400);
	assert_int_equal(count_runs(store), 0);
	assert_int_equal(rows(store, "SELECT count(*) FROM bodies"), 0);
	assert_true(store_ai_task_known(store, AI_TASK, KEY));

	const struct store_answer joined =
	    receive(store, old(ai_task(AI_TASK, 1, KEY, T0)), ACTION_ACCEPT);
	assert_int_equal(joined.status, STATUS_JOINED);
	assert_string_equal(joined.runs[0].run_id, first.runs[0].run_id);
	assert_string_equal(deliver_all(store), "ai_fail ");

	/* What was reported once more is forgotten once more, and still known. */
	prune_after(store, 400);
	assert_int_equal(rows(store, "SELECT count(*) FROM reports"), 0);
	assert_int_equal(receive(store, old(ai_task(AI_TASK, 2, KEY, T0)), ACTION_ACCEPT).status,
			 STATUS_DUPLICATE);
	assert_string_equal(deliver_all(store), "ai_fail ");
}

static void ai_attempts_are_known_for_ever(void **state)
{
	struct store *store = store_of(state);
	struct store_event first = old(ai_task(AI_TASK, 1, KEY, T0));
	struct store_event ignored = old(ai_task("other", 1, "task:other", T0));

	receive(store, first, ACTION_ACCEPT);
	run_to(store, OUTCOME_SUCCESS);
	deliver_all(store);
	receive(store, ignored, ACTION_IGNORE);
	prune_after(store, 4000);
	assert_int_equal(receive(store, first, ACTION_ACCEPT).status, STATUS_DUPLICATE);
	assert_int_equal(receive(store, ignored, ACTION_ACCEPT).status, STATUS_DUPLICATE);
	assert_string_equal(deliver_all(store), "");
}

static void an_ignored_key_is_known_for_ever(void **state)
{
	struct store *store = store_of(state);

	receive(store, old(assigned(T0)), ACTION_IGNORE);
	prune_after(store, 4000);
	const struct store_answer answer =
	    receive(store, old(ai_task(AI_TASK, 1, KEY, T0)), ACTION_ACCEPT);
	assert_int_equal(answer.status, STATUS_IGNORED);
	assert_string_equal(answer.rule, "a rule");
}

/* Its twin can't come any more: the clock would refuse it. */
static void a_joined_event_goes(void **state)
{
	struct store *store = store_of(state);
	struct store_event twin = old(assigned(T0 + 7));

	receive(store, old(created(T0)), ACTION_ACCEPT);
	receive(store, twin, ACTION_ACCEPT);
	prune_after(store, 400);
	assert_int_equal(rows(store, "SELECT count(*) FROM events"), 2);
	run_to(store, OUTCOME_SUCCESS);
	deliver_all(store);
	prune_after(store, 400);
	assert_int_equal(rows(store, "SELECT count(*) FROM events"), 1);
	assert_true(store_ai_task_known(store, AI_TASK, KEY));
}

/* Only the newest task of a key is of use. */
static void older_tasks_of_a_key_go(void **state)
{
	struct store *store = store_of(state);
	struct store_answer last = { .status = STATUS_HELD };

	for (int i = 0; i < 5; i++) {
		last = receive(store, old(assigned(T0 + i * 60000)), ACTION_ACCEPT);
		run_to(store, OUTCOME_SUCCESS);
	}
	deliver_all(store);
	prune_after(store, 31);
	assert_int_equal(rows(store, "SELECT count(*) FROM tasks"), 1);
	const struct store_answer joined =
	    receive(store, old(ai_task(AI_TASK, 1, KEY, T0)), ACTION_ACCEPT);
	assert_string_equal(joined.runs[0].run_id, last.runs[0].run_id);
}

/* Both tasks of a fan-out are its newest group. */
static void a_fan_out_is_kept_whole(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = old(assigned(T0));
	struct store_decision decision = decide(ACTION_ACCEPT);
	struct store_answer answer;

	decision.targets[1].agent = "second";
	decision.target_count = 2;
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	run_to(store, OUTCOME_FAILURE);
	run_to(store, OUTCOME_SUCCESS);
	deliver_all(store);
	assert_int_equal(prune_after(store, 31), 2);
	const struct store_answer joined =
	    receive(store, old(ai_task(AI_TASK, 1, KEY, T0)), ACTION_ACCEPT);
	assert_int_equal(joined.run_count, 2);
	assert_string_equal(deliver_all(store), "ai_complete ");
}

static void a_forgotten_run_is_not_run_again(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer = receive(store, old(assigned(T0)), ACTION_ACCEPT);
	char again[ID_SIZE];

	run_to(store, OUTCOME_FAILURE);
	deliver_all(store);
	prune_after(store, 31);
	refused(store_retry(store, answer.runs[0].run_id, again, &err), ERR_NOTFOUND);
}

/* ---- the rest ---- */

static void old_cancellations_go(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = removal(NULL, 0, clock_wall());

	receive(store, event, ACTION_CANCEL);
	prune_after(store, 29);
	assert_int_equal(rows(store, "SELECT count(*) FROM cancellations"), 1);
	prune_after(store, 31);
	assert_int_equal(rows(store, "SELECT count(*) FROM cancellations"), 0);
}

static void many_rows_go_in_slices_and_their_space_too(void **state)
{
	struct store *store = store_of(state);
	char body[4096];

	memset(body, 'x', sizeof(body));
	for (int i = 0; i < 700; i++) {
		struct store_event event = old(webhook("x", KIND_NONE, NULL, T0));
		event.body = body;
		event.body_len = sizeof(body);
		receive(store, event, ACTION_IGNORE);
	}
	const int64_t before = rows(store, "PRAGMA page_count");
	assert_true(before > 700);
	prune_after(store, 31);
	assert_int_equal(rows(store, "SELECT count(*) FROM events"), 0);
	assert_int_equal(rows(store, "PRAGMA freelist_count"), 0);
	assert_true(rows(store, "PRAGMA page_count") < before / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(an_ended_and_reported_task_is_forgotten),
		place_test(what_is_not_finished_stays),
		place_test(what_is_not_reported_stays),
		place_test(an_ignored_event_is_forgotten),
		place_test(a_delivery_is_known_as_long_as_it_could_be_replayed),
		place_test(an_ai_task_joins_what_was_forgotten),
		place_test(ai_attempts_are_known_for_ever),
		place_test(an_ignored_key_is_known_for_ever),
		place_test(a_joined_event_goes),
		place_test(older_tasks_of_a_key_go),
		place_test(a_fan_out_is_kept_whole),
		place_test(a_forgotten_run_is_not_run_again),
		place_test(old_cancellations_go),
		place_test(many_rows_go_in_slices_and_their_space_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
