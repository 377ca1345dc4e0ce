#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "exec/probe.h"

static const char *const env[] = { "PATH=/usr/bin:/bin", "MARK=here", NULL };

struct seen {
	struct buf out, said;
	int rc, code;
	struct err err;
};

static struct seen look(const char *script, int64_t timeout, size_t max_output)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const struct probe probe = {
		.argv = argv, .env = env, .timeout = timeout, .max_output = max_output
	};
	struct seen seen = { .code = -1 };

	seen.rc = probe_run(&probe, &seen.out, &seen.said, &seen.code, &seen.err);
	return seen;
}

static void done(struct seen *seen)
{
	buf_done(&seen->out);
	buf_done(&seen->said);
}

static void both_streams_and_the_exit_code_come_back(void **state)
{
	(void)state;
	struct seen seen = look("echo out; echo said >&2; exit 3", 5000, 1000);

	assert_int_equal(seen.rc, 0);
	assert_int_equal(seen.code, 3);
	assert_string_equal(seen.out.bytes, "out\n");
	assert_string_equal(seen.said.bytes, "said\n");
	done(&seen);
	seen = look("kill -9 $$", 5000, 1000);
	assert_int_equal(seen.code, 128 + SIGKILL);
	done(&seen);
}

static void it_gets_nothing_of_ours(void **state)
{
	(void)state;
	setenv("OPW_PROBE_SECRET", "x", 1);
	struct seen seen =
	    look("env | grep -c PROBE; echo $MARK; wc -c; ls /proc/self/fd | wc -l", 5000, 1000);

	assert_int_equal(seen.rc, 0);
	assert_string_equal(seen.out.bytes, "0\nhere\n0\n4\n"); /* 0 to 2, and ls's own */
	done(&seen);
}

static void one_that_is_slow_is_ended_with_all_its_children(void **state)
{
	(void)state;
	char mark[64], script[256];
	snprintf(mark, sizeof(mark), "/tmp/opw-probe-%d", (int)getpid());
	snprintf(script, sizeof(script),
		 "trap '' TERM; (setsid sh -c 'sleep 1; touch %s' &); sleep 100", mark);
	const int64_t start = clock_mono();
	struct seen seen = look(script, 300, 1000);

	assert_int_equal(seen.rc, -1);
	assert_int_equal(seen.err.code, ERR_TIMEOUT);
	assert_true(clock_mono() - start < 10000);
	sleep(2); /* what escaped would have written by then */
	assert_int_equal(access(mark, F_OK), -1);
	done(&seen);
}

static void a_child_that_holds_the_streams_is_not_waited_for(void **state)
{
	(void)state;
	const int64_t start = clock_mono();
	struct seen seen = look("sleep 100 & echo done", 50000, 1000);

	assert_int_equal(seen.rc, 0);
	assert_string_equal(seen.out.bytes, "done\n");
	assert_true(clock_mono() - start < 20000);
	done(&seen);
}

static void too_much_output_ends_it(void **state)
{
	(void)state;
	struct seen seen = look("while :; do echo 0123456789; done", 50000, 1000);

	assert_int_equal(seen.rc, -1);
	assert_int_equal(seen.err.code, ERR_FULL);
	assert_true(seen.out.len <= 1000);
	done(&seen);
}

static void one_that_is_not_there_is_said(void **state)
{
	(void)state;
	const char *const argv[] = { "/nowhere/program", NULL };
	const struct probe probe = { .argv = argv, .env = env, .timeout = 1000, .max_output = 100 };
	struct seen seen = { .code = -1 };

	assert_int_equal(probe_run(&probe, &seen.out, &seen.said, &seen.code, &seen.err), -1);
	assert_int_equal(seen.err.code, ERR_NOTFOUND);
	done(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_streams_and_the_exit_code_come_back),
		cmocka_unit_test(it_gets_nothing_of_ours),
		cmocka_unit_test(one_that_is_slow_is_ended_with_all_its_children),
		cmocka_unit_test(a_child_that_holds_the_streams_is_not_waited_for),
		cmocka_unit_test(too_much_output_ends_it),
		cmocka_unit_test(one_that_is_not_there_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
