/* A full disk: nothing half stored, nothing answered that is not there, and a way back. */

#include "helper.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int limit_pages(struct txn *txn, void *arg, struct err *err)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %d", *(const int *)arg);
	return db_script(txn->db, sql, err);
}

static void a_full_database_refuses_and_recovers(void **state)
{
	struct store *store = store_of(state);
	const struct store_decision decision = decide(ACTION_ACCEPT);
	const int small = 1, large = 1 << 30;
	char body[4096];
	struct err why = { .text = "" };
	struct store_answer answer;
	int stored = 0, rc = 0;

	memset(body, 'x', sizeof(body));
	ok(store_write(store, limit_pages, (void *)(uintptr_t)&small, &err));
	for (int i = 0; rc == 0 && i < 100; i++) {
		struct store_event event = webhook("x", KIND_NONE, NULL, T0);
		event.body = body;
		event.body_len = sizeof(body);
		rc = store_accept_wait(store, &event, &decision, &answer, &why);
		stored += rc == 0;
	}
	assert_int_equal(rc, -1);
	assert_int_equal(why.code, ERR_FULL);
	assert_int_equal(count_runs(store), stored);

	ok(store_write(store, limit_pages, (void *)(uintptr_t)&large, &err));
	assert_int_equal(receive(store, assigned(T0), ACTION_ACCEPT).status, STATUS_DISPATCHED);
	assert_true(store_healthy(store));
	assert_int_equal(count_runs(store), stored + 1);
}

/* In a child of its own: the limit is the process's. */
static int with_a_small_file(const char *path)
{
	const struct store_decision decision = decide(ACTION_ACCEPT);
	struct rlimit limit = { .rlim_cur = 600000, .rlim_max = RLIM_INFINITY };
	struct store *store = NULL;
	struct store_answer answer;
	struct err err;
	char body[8192];
	int stored = 0, rc = 0;

	memset(body, 'x', sizeof(body));
	signal(SIGXFSZ, SIG_IGN);
	if (store_open(path, &store, &err) < 0 || setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 10;
	for (int i = 0; rc == 0 && i < 1000; i++) {
		struct store_event event = webhook("x", KIND_NONE, NULL, T0);
		event.body = body;
		event.body_len = sizeof(body);
		rc = store_accept_wait(store, &event, &decision, &answer, &err);
		stored += rc == 0;
	}
	if (rc == 0 || store_healthy(store) || (err.code != ERR_IO && err.code != ERR_FULL))
		return 11;
	if (count_runs(store) != (size_t)stored)
		return 12;
	limit.rlim_cur = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 13;
	/* The writer tries by itself. */
	for (int i = 0; !store_healthy(store) && i < 600; i++)
		usleep(100000);
	if (!store_healthy(store))
		return 14;
	struct store_event event = webhook("x", KIND_NONE, NULL, T0);
	if (store_accept_wait(store, &event, &decision, &answer, &err) < 0)
		return 15;
	if (count_runs(store) != (size_t)stored + 1)
		return 16;
	store_close(store);
	return 0;
}

static void a_full_disk_refuses_and_recovers_by_itself(void **state)
{
	struct place *place = *state;

	store_close(place->store);
	place->store = NULL;
	fflush(NULL);
	const pid_t child = fork();
	if (child == 0)
		_exit(with_a_small_file(place->path));
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	ok(store_open(place->path, &place->store, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(a_full_database_refuses_and_recovers),
		place_test(a_full_disk_refuses_and_recovers_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
