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
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "exec/control.h"
#include "exec/runner.h"
#include "exec/spec.h"
#include "fixture.h"

/* What is refused, by the daemon and by the runner; and what a started agent has. */

static void refused(struct fixture *fixture, enum err_code code, const char *words)
{
	struct err err = { .text = "" };
	struct run *run = run_start(&fixture->spec, &err);

	assert_null(run);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" lacks \"%s\"", err.text, words);
	assert_int_equal(access(fixture->log, F_OK), -1);
	assert_int_equal(access(fixture->lock, F_OK), -1);
}

static void test_not_on_the_whitelist(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.search_path = "/bin:/usr/bin";
	fixture->spec.executor = "/bin/sh";
	refused(fixture, ERR_INVALID, "\"/bin/sh\" is not on the whitelist");
	fixture->spec.executor = "sh";
	refused(fixture, ERR_INVALID, "not on the whitelist");
	fixture->spec.executor = "claude"; /* the program's name is not the executor's */
	refused(fixture, ERR_INVALID, "not on the whitelist");
	fixture->spec.executor = "";
	refused(fixture, ERR_INVALID, "not on the whitelist");
}

static void test_program_is_not_there(void **state)
{
	struct fixture *fixture = *state;
	static const char *const paths[] = {
		"/nowhere", "", ":", "::/nowhere:", "tests/support/agents", "./tests/support/agents"
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		fixture->spec.search_path = paths[i];
		refused(fixture, ERR_NOTFOUND, "codex: no program \"codex\"");
	}
}

static void test_other_mistakes(void **state)
{
	struct fixture *fixture = *state;
	char bad[] = "A=B", value[] = "c";

	fixture->spec.model = "-cmcp_servers.x={command=\"touch\"}";
	refused(fixture, ERR_INVALID, "not the name of a model");
	fixture->spec.model = NULL;
	fixture->spec.working_dir = "/nowhere/at/all";
	refused(fixture, ERR_NOTFOUND, "/nowhere/at/all is not a folder");
	fixture->spec.working_dir = fixture->work;
	fixture_env(fixture, bad, value);
	refused(fixture, ERR_INVALID, "not a variable's name");
}

/* ---- a runner that is given what run_start() would not give ---- */

static pid_t start_runner(int end)
{
	char *argv[] = { "openpr-webhook", RUNNER_VERB, NULL };
	char *nothing[] = { NULL };
	posix_spawn_file_actions_t files;
	pid_t pid;

	assert_int_equal(posix_spawn_file_actions_init(&files), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&files, end, CONTROL_FD), 0);
	assert_int_equal(posix_spawn_file_actions_addclosefrom_np(&files, CONTROL_FD + 1), 0);
	assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &files, NULL, argv, nothing), 0);
	posix_spawn_file_actions_destroy(&files);
	return pid;
}

/* The cause that the runner tells for this file as spec; the caller frees. */
static char *cause_for_file(int file)
{
	struct control_reader reader = { 0 };
	struct err err;
	int ends[2], status;
	char *cause = NULL;

	assert_int_equal(control_pair(ends, &err), 0);
	if (file >= 0)
		assert_int_equal(control_send_file(ends[0], file, &err), 0);
	else
		assert_int_equal(write(ends[0], "hello", 5), 5);
	const pid_t pid = start_runner(ends[1]);
	close(ends[1]);
	while (!reader.over) {
		struct pollfd news = { .fd = ends[0], .events = POLLIN };
		assert_int_equal(poll(&news, 1, 30000), 1);
		json_t *frame = control_read(&reader, ends[0]);
		assert_false(reader.broken);
		const char *words = frame ? json_str(frame, "end.cause") : NULL;
		if (words) {
			assert_null(cause);
			assert_string_equal(json_str(frame, "end.outcome"), "failure");
			cause = strdup(words);
		}
		json_decref(frame);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(ends[0]);
	control_done(&reader);
	return cause;
}

static void test_runner_asks_the_whitelist_itself(void **state)
{
	struct fixture *fixture = *state;
	static const char *const names[] = { "/bin/sh", "sh", "" };
	struct strings environment = { 0 };
	struct err err;

	fixture->spec.search_path = "/bin:/usr/bin";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fixture->spec.executor = names[i];
		const int file = spec_write(&fixture->spec, &environment, fixture->tmp, &err);
		assert_true(file >= 0);
		char *cause = cause_for_file(file);
		close(file);
		assert_non_null(cause);
		assert_non_null(strstr(cause, "is not on the whitelist"));
		free(cause);
	}
	assert_int_equal(access(fixture->lock, F_OK), -1);
}

static char *cause_for_spec(struct fixture *fixture, const struct strings *environment)
{
	struct err err;
	const int file = spec_write(&fixture->spec, environment, fixture->tmp, &err);

	assert_true(file >= 0);
	char *cause = cause_for_file(file);
	close(file);
	return cause;
}

/* What run_start() refuses, said to the runner by other means. */
static void test_runner_asks_for_arguments_and_variables_itself(void **state)
{
	struct fixture *fixture = *state;
	static const char *const arguments[] = {
		"-cmcp_servers.x={command=\"touch\",args=[\"/tmp/x\"]}"
	};
	struct strings environment = { 0 };

	fixture->spec.arguments = arguments;
	fixture->spec.argument_count = 1;
	refused(fixture, ERR_INVALID, "needs permissions = \"full\"");
	char *cause = cause_for_spec(fixture, &environment);
	assert_non_null(strstr(cause, "is not on the list of harmless ones"));
	free(cause);

	fixture->spec.argument_count = 0;
	assert_int_equal(strings_add(&environment, "LD_PRELOAD=/tmp/x.so"), 0);
	cause = cause_for_spec(fixture, &environment);
	assert_non_null(strstr(cause, "LD_PRELOAD puts foreign code into the program"));
	free(cause);
	strings_done(&environment);

	fixture->spec.model = "--yolo";
	cause = cause_for_spec(fixture, &environment);
	assert_non_null(strstr(cause, "not the name of a model"));
	free(cause);
	fixture->spec.model = NULL;

	fixture->spec.search_path = ".:tests/support/agents:";
	cause = cause_for_spec(fixture, &environment);
	assert_non_null(strstr(cause, "no program \"codex\""));
	free(cause);
}

static void test_runner_refuses_a_broken_spec(void **state)
{
	struct fixture *fixture = *state;
	struct strings environment = { 0 };
	struct err err;

	char *cause = cause_for_file(-1);
	assert_string_equal(cause, "no spec came");
	free(cause);

	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	cause = cause_for_file(null);
	assert_non_null(strstr(cause, "is not one"));
	free(cause);
	close(null);

	/* A copy of a good one that could still be changed under the runner. */
	const int good = spec_write(&fixture->spec, &environment, fixture->tmp, &err);
	const int copy = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char bytes[4096];
	const ssize_t len = pread(good, bytes, sizeof(bytes), 0);
	assert_true(len > 0 && write(copy, bytes, (size_t)len) == len);
	cause = cause_for_file(copy);
	assert_non_null(strstr(cause, "is not one"));
	free(cause);
	close(copy);
	close(good);
}

/* ---- what a started agent has ---- */

/*
 * The stand-ins begin with "#!/usr/bin/env lua5.4": which lua5.4 that is must not be up to the PATH
 * that the agent is given.
 */
static void test_interpreter_is_not_of_the_agents_path(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	char name[] = "PATH", value[512];
	_cleanup_free_ char *evil = NULL;

	assert_true(asprintf(&evil, "%s/lua5.4", fixture->work) > 0);
	FILE *file = fopen(evil, "w");
	assert_non_null(file);
	fputs("#!/bin/sh\n: >evil-ran\n", file);
	fclose(file);
	assert_int_equal(chmod(evil, 0755), 0);
	snprintf(value, sizeof(value), "%s:/usr/bin:/bin", fixture->work);
	fixture_env(fixture, name, value);
	fixture_prompt(fixture, "STAND-IN: print-env env");
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	run_result_done(&result);

	_cleanup_free_ char *env = fixture_read(fixture, "env");
	assert_non_null(strstr(env, value)); /* the agent does have it */
	_cleanup_free_ char *ran = fixture_read(fixture, "evil-ran");
	assert_null(ran);
}

static void test_own_arguments_arrive(void **state)
{
	struct fixture *fixture = *state;
	static const char *const arguments[] = { "--ephemeral", "-c", "model_verbosity=low" };
	struct run_result result;

	fixture->spec.arguments = arguments;
	fixture->spec.argument_count = 3;
	fixture_prompt(fixture, "STAND-IN: print-argv argv");
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	run_result_done(&result);
	_cleanup_free_ char *argv = fixture_read(fixture, "argv");
	assert_non_null(strstr(argv, "\n--ephemeral\n-c\nmodel_verbosity=low\n-\n"));
}

static void test_process_state(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture_prompt(fixture, "STAND-IN: print-fds fds\nSTAND-IN: print-status status\n"
				"STAND-IN: print-cwd cwd");
	/* Of the daemon's descriptors none may arrive, not even one without close-on-exec. */
	const int leak = open("/dev/null", O_RDONLY); /* NOLINT */
	fixture_run(fixture, &result);
	close(leak);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	run_result_done(&result);

	_cleanup_free_ char *fds = fixture_read(fixture, "fds");
	assert_string_equal(fds, "0\n1\n2\n3\n"); /* 3 is ls reading */
	_cleanup_free_ char *cwd = fixture_read(fixture, "cwd");
	assert_int_equal(strncmp(cwd, fixture->work, strlen(fixture->work)), 0);
	assert_string_equal(cwd + strlen(fixture->work), "\n");
	_cleanup_free_ char *status = fixture_read(fixture, "status");
	assert_non_null(strstr(status, "\nNoNewPrivs:\t1\n"));
	assert_non_null(strstr(status, "\nSigBlk:\t0000000000000000\n"));
	/* Signals 32 and 33 belong to the C library. */
	assert_non_null(strstr(status, "\nSigIgn:\t0000000180000000\n"));
}

static pid_t find_runner(void)
{
	char path[64], line[256] = "";

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)gettid());
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	char *got = fgets(line, sizeof(line), file);
	fclose(file);
	return got ? (pid_t)strtol(line, NULL, 10) : -1;
}

static void test_runner_shows_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	char path[64];
	size_t len = 0;

	setenv("SECRET_OF_THE_DAEMON", "hunter22", 1);
	fixture_prompt(fixture, "STAND-IN: write ready\nSTAND-IN: sleep 600");
	struct run *run = fixture_start(fixture);
	assert_true(fixture_wait_for(fixture, "ready", 30));
	const pid_t runner = find_runner();

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)runner);
	_cleanup_free_ char *cmdline = fixture_read_path(path, &len);
	const char expected[] = "openpr-webhook\0" RUNNER_VERB;
	assert_int_equal(len, sizeof(expected));
	assert_memory_equal(cmdline, expected, sizeof(expected));
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)runner);
	len = 0; /* only root may even look */
	free(fixture_read_path(path, &len));
	assert_int_equal(len, 0);

	run_stop(run, RUN_STOP_CANCEL);
	fixture_finish(run, 60, &result);
	run_result_done(&result);
	unsetenv("SECRET_OF_THE_DAEMON");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_not_on_the_whitelist, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_program_is_not_there, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_other_mistakes, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_runner_asks_the_whitelist_itself,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_runner_asks_for_arguments_and_variables_itself,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_runner_refuses_a_broken_spec, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_interpreter_is_not_of_the_agents_path,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_own_arguments_arrive, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_process_state, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_runner_shows_nothing, fixture_setup,
						fixture_teardown),
	};

	fixture_be_runner(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
