#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixture.h"

/* Runners, daemons and locks that end in other ways than they should. */

#define BUSY                                                                                       \
	"STAND-IN: double-fork\nSTAND-IN: ignore-term\nSTAND-IN: write ready\nSTAND-IN: sleep 600"

static int be_the_daemon(void **state)
{
	struct err err;

	(void)state;
	return run_setup(&err);
}

static void test_agent_kills_its_runner(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture_prompt(fixture, "STAND-IN: double-fork\nSTAND-IN: stderr last words\n"
				"STAND-IN: sleep 1\nSTAND-IN: kill-runner\nSTAND-IN: sleep 600");
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_FAILURE);
	assert_string_equal(result.cause, "the runner was killed (signal 9)");
	assert_int_equal(result.exit_code, -1);
	assert_non_null(result.session_id);
	assert_non_null(strstr(result.tail, "last words"));
	run_result_done(&result);
	assert_int_equal(fixture_survivors(fixture), 0);
	assert_int_equal(access(fixture->tmp, F_OK), -1);
	assert_true(fixture_lock_is_free(fixture));
}

/* A child that the daemon knows, e.g. the policy zygote. */
static void test_known_children_are_spared(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	struct err err;
	int status;
	const pid_t known = fork();

	if (known == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(run_know_pid(known, &err), 0);
	assert_int_equal(run_know_pid(known, &err), 0);
	fixture_prompt(fixture, "STAND-IN: kill-runner\nSTAND-IN: sleep 600");
	fixture_run(fixture, &result);
	run_result_done(&result);
	assert_int_equal(fixture_survivors(fixture), 0);
	assert_int_equal(waitpid(known, &status, WNOHANG), 0);
	run_forget_pid(known);
	kill(known, SIGKILL);
	assert_int_equal(waitpid(known, &status, 0), known);
}

/* Both at once, because each takes its time: one run is told to stop, the other reaches its limit.
 */
static void test_agent_stops_its_runner(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	struct run *runs[2];
	void *other_state;

	assert_int_equal(fixture_setup(&other_state), 0);
	struct fixture *other = other_state;
	fixture_prompt(fixture,
		       "STAND-IN: write ready\nSTAND-IN: stop-runner\nSTAND-IN: sleep 600");
	fixture_prompt(other, "STAND-IN: write ready\nSTAND-IN: stop-runner\nSTAND-IN: sleep 600");
	other->spec.timeout = 500;
	runs[0] = fixture_start(fixture);
	runs[1] = fixture_start(other);
	assert_true(run_deadline(runs[0]) > run_deadline(runs[1]));
	assert_true(fixture_wait_for(fixture, "ready", 30));
	run_stop(runs[0], RUN_STOP_CANCEL);
	assert_true(run_deadline(runs[0]) < run_deadline(runs[1]));

	fixture_finish(runs[0], 60, &result);
	assert_int_equal(result.outcome, OUTCOME_CANCELLED);
	assert_non_null(strstr(result.cause, "did not keep its deadline"));
	run_result_done(&result);
	assert_int_equal(fixture_survivors(fixture), 0);

	fixture_finish(runs[1], 60, &result);
	assert_int_equal(result.outcome, OUTCOME_TIMEOUT);
	run_result_done(&result);
	assert_int_equal(fixture_survivors(other), 0);
	assert_int_equal(fixture_teardown(&other_state), 0);
}

/* Starts a run in a process of its own, waits until the agent is at work, and kills that process.
 */
static void test_daemon_is_killed(void **state)
{
	struct fixture *fixture = *state;
	int status;

	fixture_prompt(fixture, BUSY);
	const pid_t daemon = fork();
	if (daemon == 0) {
		struct err err;
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail before its time */
		if (run_setup(&err) == 0 && run_start(&fixture->spec, &err))
			pause();
		_exit(1);
	}
	assert_true(fixture_wait_for(fixture, "ready", 30));
	assert_true(fixture_survivors(fixture) >= 3);
	assert_false(fixture_lock_is_free(fixture));
	kill(daemon, SIGKILL);
	assert_int_equal(waitpid(daemon, &status, 0), daemon);
	assert_true(WIFSIGNALED(status));

	const int64_t until = clock_mono() + 20000;
	while (!fixture_lock_is_free(fixture) && clock_mono() < until)
		poll(NULL, 0, 5);
	/* The lock goes last. */
	assert_true(fixture_lock_is_free(fixture));
	assert_int_equal(fixture_survivors(fixture), 0);
	assert_int_equal(access(fixture->tmp, F_OK), -1);
}

static void test_lock_that_is_never_released(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	const int lock = open(fixture->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(flock(lock, LOCK_EX), 0);
	fixture_prompt(fixture, "STAND-IN: write ready");
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_FAILURE);
	assert_non_null(strstr(result.cause, "another run still holds the working directory"));
	run_result_done(&result);
	assert_int_equal(access(fixture->log, F_OK), -1);
	assert_false(fixture_wait_for(fixture, "ready", 0));
	close(lock);
}

static void test_lock_that_is_released_in_time(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	const int lock = open(fixture->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(flock(lock, LOCK_EX), 0);
	fixture_prompt(fixture, "STAND-IN: write ready");
	struct run *run = fixture_start(fixture);
	assert_false(fixture_wait_for(fixture, "ready", 1));
	close(lock);
	fixture_finish(run, 60, &result);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	run_result_done(&result);
}

static void test_cancelled_while_it_waits_for_the_lock(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	const int lock = open(fixture->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(flock(lock, LOCK_EX), 0);
	struct run *run = fixture_start(fixture);
	run_stop(run, RUN_STOP_CANCEL);
	fixture_finish(run, 60, &result);
	assert_int_equal(result.outcome, OUTCOME_CANCELLED);
	run_result_done(&result);
	close(lock);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_agent_kills_its_runner, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_known_children_are_spared, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_agent_stops_its_runner, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_daemon_is_killed, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_lock_that_is_never_released, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_lock_that_is_released_in_time, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_cancelled_while_it_waits_for_the_lock,
						fixture_setup, fixture_teardown),
	};

	fixture_be_runner(argc, argv);
	return cmocka_run_group_tests(tests, be_the_daemon, NULL);
}
