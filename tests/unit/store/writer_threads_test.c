/* Many threads at once; run under ThreadSanitizer too. */

#include "helper.h"

#include <pthread.h>

#define THREADS 4
#define EACH 150

struct hammer {
	struct store *store;
	pthread_t thread;
	int number;
	atomic_int *started, *ended, *failed;
};

static void *receive_all(void *arg)
{
	struct hammer *hammer = arg;
	const struct store_decision decision = decide(ACTION_ACCEPT);
	struct store_answer answer;
	struct err err;

	for (int i = 0; i < EACH; i++) {
		char key[64], issue[32];
		snprintf(key, sizeof(key), "delivery:%d:%d", hammer->number, i / 2);
		snprintf(issue, sizeof(issue), "issue-%d", i % 7);
		struct store_event event = { .name = "x",
					     .dedupe_key = key,
					     .issue_id = issue,
					     .bot_id = BOT,
					     .at = T0 + i,
					     .received_at = T0 + i,
					     .body = "{}",
					     .body_len = 2 };
		if (store_accept_wait(hammer->store, &event, &decision, &answer, &err) < 0 ||
		    answer.status != (i % 2 ? STATUS_DUPLICATE : STATUS_DISPATCHED))
			atomic_fetch_add(hammer->failed, 1);
	}
	return NULL;
}

static void *run_all(void *arg)
{
	struct hammer *hammer = arg;
	struct store_task *task;
	struct err err;

	while (atomic_load(hammer->ended) < THREADS * EACH / 2) {
		if (store_claim(hammer->store, clock_wall(), NULL, 0, &task, &err) < 0)
			atomic_fetch_add(hammer->failed, 1);
		else if (task) {
			const struct store_end end = { .run_id = task->run_id,
						       .outcome = OUTCOME_SUCCESS };
			atomic_fetch_add(hammer->started, 1);
			if (store_started(hammer->store, task->run_id, 1, NULL, &err) < 0 ||
			    store_end(hammer->store, &end, true, 2, &err) < 0)
				atomic_fetch_add(hammer->failed, 1);
			atomic_fetch_add(hammer->ended, 1);
			store_task_free(task);
		} else {
			json_decref(store_counts(hammer->store, &err));
			store_next_due(hammer->store);
		}
	}
	return NULL;
}

static void many_threads_lose_and_double_nothing(void **state)
{
	struct store *store = store_of(state);
	atomic_int started, ended, failed;
	struct hammer hammers[2 * THREADS];

	atomic_init(&started, 0);
	atomic_init(&ended, 0);
	atomic_init(&failed, 0);
	for (int i = 0; i < 2 * THREADS; i++) {
		hammers[i] = (struct hammer){ .store = store,
					      .number = i,
					      .started = &started,
					      .ended = &ended,
					      .failed = &failed };
		assert_int_equal(pthread_create(&hammers[i].thread, NULL,
						i < THREADS ? receive_all : run_all, &hammers[i]),
				 0);
	}
	for (int i = 0; i < 2 * THREADS; i++)
		pthread_join(hammers[i].thread, NULL);
	assert_int_equal(atomic_load(&failed), 0);
	assert_int_equal(atomic_load(&started), THREADS * EACH / 2);
	assert_int_equal(count_runs(store), THREADS * EACH / 2);
	assert_null(claim(store, clock_wall()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(many_threads_lose_and_double_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
