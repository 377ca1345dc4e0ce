#include "pool_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"

/* ---- many at once ---- */

struct crowd {
	struct policy_pool *pool;
	bool sends_bombs;
	int good, wrong;
	int bombs, ended;
	char why[512];
};

static void *join_crowd(void *arg)
{
	struct crowd *crowd = arg;
	struct policy_decision decision;
	struct err err;

	for (int i = 0; i < 20; i++) {
		if (decide(crowd->pool, "calm", PATIENCE, &decision, &err) == 0 &&
		    decision.action == POLICY_ACCEPT) {
			crowd->good++;
		} else {
			crowd->wrong++;
			snprintf(crowd->why, sizeof(crowd->why), "%s", err.text);
		}
		if (!crowd->sends_bombs || i % 5 != 0)
			continue;
		crowd->bombs++;
		if (decide(crowd->pool, "boom", PATIENCE, &decision, &err) < 0 &&
		    err.code == ERR_TIMEOUT)
			crowd->ended++;
	}
	return NULL;
}

static void all_good_events_are_answered_among_bad_ones(void **state)
{
	struct fixture *fixture = *state;
	struct crowd crowd[4] = { { 0 } };
	pthread_t threads[4];
	uint64_t kills, starts;

	use_filter(fixture, "('a'):rep(262144):find('.-b')");
	for (size_t i = 0; i < 4; i++) {
		crowd[i].pool = fixture->pool;
		crowd[i].sends_bombs = i == 0;
		assert_int_equal(pthread_create(&threads[i], NULL, join_crowd, &crowd[i]), 0);
	}
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 4; i++) {
		if (crowd[i].wrong > 0)
			fail_msg("%d good calls failed: %s", crowd[i].wrong, crowd[i].why);
		assert_int_equal(crowd[i].good, 20);
	}
	assert_int_equal(crowd[0].ended, crowd[0].bombs);
	policy_pool_counts(fixture->pool, &kills, &starts);
	assert_int_equal(kills, crowd[0].bombs);
	assert_in_range(starts, kills, kills + 3);
}

static void *decide_much(void *arg)
{
	struct crowd *crowd = arg;
	struct policy_decision decision;
	struct err err;

	for (int i = 0; i < 100; i++) {
		if (decide(crowd->pool, "calm", PATIENCE, &decision, &err) == 0)
			crowd->good++;
		else
			snprintf(crowd->why, sizeof(crowd->why), "%s", err.text);
	}
	return NULL;
}

static void a_reload_loses_no_call(void **state)
{
	struct fixture *fixture = *state;
	struct crowd crowd[2] = { { .pool = fixture->pool }, { .pool = fixture->pool } };
	pthread_t threads[2];

	place_use(&fixture->place, fixture->pool);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, decide_much, &crowd[i]), 0);
	for (int i = 0; i < 20; i++)
		place_use(&fixture->place, fixture->pool);
	for (size_t i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		if (crowd[i].good != 100)
			fail_msg("%d of 100: %s", crowd[i].good, crowd[i].why);
	}
}

/* ---- workers that die ---- */

/* The workers of this host, through /proc. */
static size_t find_workers(const struct policy_host *host, pid_t *pids, size_t most)
{
	DIR *folder = opendir("/proc");
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)) && count < most) {
		char path[300], line[512] = "", task_state;
		int pid, parent;

		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		FILE *file =
		    entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!file)
			continue;
		if (fgets(line, sizeof(line), file) &&
		    sscanf(line, "%d (%*[^)]) %c %d", &pid, &task_state, &parent) == 3 &&
		    parent == policy_host_pid(host) && task_state != 'Z')
			pids[count++] = pid;
		fclose(file);
	}
	closedir(folder);
	return count;
}

/* Dead to its last thread, so that its socket is closed too. */
static bool is_gone(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	return stat(path, &st) < 0 || st.st_nlink <= 3; /* . and .. and the zombie */
}

static void kill_workers(const struct policy_host *host)
{
	pid_t pids[8], left[8];
	const size_t count = find_workers(host, pids, 8);

	assert_true(count > 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(kill(pids[i], SIGKILL), 0);
	while (find_workers(host, left, 8) > 0)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	for (size_t i = 0; i < count; i++)
		while (!is_gone(pids[i]))
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void kill_when_it_speaks(void *ctx, enum log_level level, const char *text)
{
	struct fixture *fixture = ctx;

	assert_int_equal(level, LOG_LEVEL_INFO);
	assert_string_equal(text, "policies/filter.lua: here I am");
	kill_workers(fixture->host);
}

static void a_worker_killed_in_mid_call(void **state)
{
	struct fixture *fixture = *state;

	fixture->place.config.policies.time_limit = 30000;
	policy_pool_on_log(fixture->pool, kill_when_it_speaks, fixture);
	use_filter(fixture, "log.info 'here I am' while true do end");
	const struct err err = boom(fixture);
	assert_int_equal(err.code, ERR_POLICY);
	assert_non_null(strstr(err.text, "killed by signal 9"));
	works(fixture);
}

static void a_worker_killed_while_idle_is_nobodys_loss(void **state)
{
	struct fixture *fixture = *state;

	place_use(&fixture->place, fixture->pool);
	for (int i = 0; i < 5; i++) {
		works(fixture);
		kill_workers(fixture->host);
	}
	works(fixture);
}

static void a_worker_that_ran_out_of_memory_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	uint64_t kills, starts;

	use_filter(fixture, "pcall(string.rep, 'x', 1e9)");
	assert_int_equal(boom(fixture).code, 0); /* caught: the answer counts */
	works(fixture);
	policy_pool_counts(fixture->pool, &kills, &starts);
	assert_int_equal(starts, 2);
	assert_int_equal(kills, 0);
}

/* Policies that loaded once and never again: no storm of processes, and the reason is told. */
static void workers_that_do_not_start_are_not_tried_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct policy_decision decision;
	struct err err;
	char text[256];
	uint64_t kills, starts, before;
	const int64_t until = clock_wall() + 2000;

	snprintf(
	    text, sizeof(text),
	    "if now() > %lld.%03d then error 'too late' end\nreturn function() return accept end\n",
	    (long long)(until / 1000), (int)(until % 1000));
	place_write(&fixture->place, "policies/filter.lua", text);
	place_use(&fixture->place, fixture->pool);
	works(fixture);
	while (clock_wall() <= until)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	kill_workers(fixture->host);
	policy_pool_counts(fixture->pool, &kills, &before);

	const int64_t start = clock_mono();
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(decide(fixture->pool, "calm", 0, &decision, &err), -1);
		assert_int_equal(err.code, ERR_FULL);
	}
	assert_non_null(strstr(err.text, "policies/filter.lua:1: too late"));
	policy_pool_counts(fixture->pool, &kills, &starts);
	/* one at once, and then at most each time that the wait, doubled, was over */
	int allowed = 1;
	for (int64_t wait = 100, spent = clock_mono() - start; spent >= wait; wait *= 2) {
		spent -= wait;
		allowed++;
	}
	assert_in_range(starts - before, 1, allowed);

	place_write(&fixture->place, "policies/filter.lua",
		    "return function() return accept end\n");
	place_use(&fixture->place, fixture->pool); /* a good bundle ends the wait */
	works(fixture);
}

static void without_a_zygote_events_are_kept(void **state)
{
	struct fixture *fixture = *state;
	struct policy_decision decision;
	struct err err;

	place_use(&fixture->place, fixture->pool);
	assert_int_equal(kill(policy_host_pid(fixture->host), SIGKILL), 0);
	int rc = 0;
	for (int i = 0; i < 1000 && rc == 0; i++) { /* until the worker has followed it */
		rc = decide(fixture->pool, "calm", 100, &decision, &err);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	assert_int_equal(rc, -1);
	rc = decide(fixture->pool, "calm", 100, &decision, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_FULL);
	assert_non_null(strstr(err.text, "zygote"));
}

/* ---- taking turns ---- */

struct inner {
	struct fixture *fixture;
	int rc;
	struct err err;
};

static void ask_when_it_speaks(void *ctx, enum log_level level, const char *text)
{
	struct inner *inner = ctx;
	struct policy_decision decision;

	(void)level;
	(void)text;
	inner->rc = decide(inner->fixture->pool, "calm", 50, &decision, &inner->err);
}

/* Asked from inside of a call, while the only worker is at work. */
static void a_saturated_pool_says_so(void **state)
{
	struct fixture *fixture = *state;
	struct inner inner = { .fixture = fixture };
	struct err err;

	policy_pool_free(fixture->pool);
	fixture->pool = policy_pool_new(fixture->host, 1, &err);
	assert_non_null(fixture->pool);
	policy_pool_on_log(fixture->pool, ask_when_it_speaks, &inner);
	use_filter(fixture, "log.info 'busy'");
	assert_int_equal(boom(fixture).code, 0);
	assert_int_equal(inner.rc, -1);
	assert_int_equal(inner.err.code, ERR_FULL);
	assert_string_equal(inner.err.text, "the policy workers are busy");
	works(fixture);
}

static void a_pool_without_policies_says_so(void **state)
{
	struct fixture *fixture = *state;
	struct policy_decision decision;
	struct err err;

	assert_int_equal(decide(fixture->pool, "calm", 10, &decision, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_good_events_are_answered_among_bad_ones),
		TEST(a_reload_loses_no_call),
		TEST(a_worker_killed_in_mid_call),
		TEST(a_worker_killed_while_idle_is_nobodys_loss),
		TEST(a_worker_that_ran_out_of_memory_is_replaced),
		TEST(workers_that_do_not_start_are_not_tried_at_once),
		TEST(without_a_zygote_events_are_kept),
		TEST(a_saturated_pool_says_so),
		TEST(a_pool_without_policies_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
