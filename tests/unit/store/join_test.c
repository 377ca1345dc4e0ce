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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_is_one_task),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
