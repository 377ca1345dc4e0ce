#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fixture.h"

/* Much of everything: output, prompts, lines, and what an agent leaves in its TMPDIR. */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_MOST (512L * 1024) /* KiB; quarantine and shadow */
#else
#define MEMORY_MOST (24L * 1024)
#endif

/* The peak memory of our only child, in KiB; 0 when there is none. */
static long peak_of_runner(void)
{
	char path[64], line[256] = "";
	long peak = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)gettid());
	FILE *file = fopen(path, "r");
	const bool any = file && fgets(line, sizeof(line), file);
	if (file)
		fclose(file);
	if (!any)
		return 0;
	snprintf(path, sizeof(path), "/proc/%ld/status", strtol(line, NULL, 10));
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %ld", &peak) == 1)
			break;
	if (file)
		fclose(file);
	return peak;
}

static void test_much_output(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	const char *session;
	struct stat info;
	long peak = 0;
	size_t len;

	fixture->spec.max_output = 1u << 20;
	fixture_prompt(fixture, "STAND-IN: output 64M\nSTAND-IN: final it was much");
	struct run *run = fixture_start(fixture);
	while (run_read(run, &session, &result) != RUN_ENDED) {
		const long now = peak_of_runner();
		peak = now > peak ? now : peak;
		struct pollfd news = { .fd = run_fd(run), .events = POLLIN };
		poll(&news, 1, 20);
	}
	run_free(run);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	assert_string_equal(result.final_text, "it was much");
	assert_true(result.truncated);
	assert_true(strlen(result.tail) <= 8 * 1024);
	assert_non_null(strstr(result.tail, "ok\nit was much\n"));
	run_result_done(&result);
	assert_true(peak > 0);
	if (peak > MEMORY_MOST)
		fail_msg("the runner took %ld KiB", peak);

	assert_int_equal(stat(fixture->log, &info), 0);
	assert_true(info.st_size <= (1 << 20) + 100);
	assert_true(info.st_size >= 1 << 20);
	_cleanup_free_ char *log = fixture_read_path(fixture->log, &len);
	assert_non_null(strstr(log, "thread.started"));
	assert_non_null(strstr(log, " bytes cut here]\n"));
	assert_non_null(strstr(log, "turn.completed"));
}

static void test_a_line_that_is_too_long_is_skipped(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture->spec.executor = "opencode";
	fixture_prompt(fixture, "STAND-IN: long-line 3M\nSTAND-IN: final still read");
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	assert_string_equal(result.final_text, "still read");
	run_result_done(&result);
}

static void test_long_final_text_is_cut(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	_cleanup_free_ char *prompt = malloc(300001);

	/* Characters of two bytes, so that a cut can fall into one. */
	strcpy(prompt, "STAND-IN: final x");
	const size_t from = strlen(prompt);
	for (size_t i = 0; from + 2 * i + 2 < 300000; i++)
		memcpy(prompt + from + 2 * i, "\u00e9", 3);
	fixture_prompt(fixture, prompt);
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	const size_t len = strlen(result.final_text);
	assert_true(len <= 65536 && len > 65530);
	assert_null(strstr(result.final_text, "\ufffd"));
	run_result_done(&result);
}

/* ---- prompts ---- */

static void arrives(struct fixture *fixture, const char *executor, const char *prompt, size_t len,
		    const char *expected, size_t expected_len)
{
	struct run_result result;
	size_t got_len;
	char path[256];

	fixture->spec.executor = executor;
	fixture->spec.prompt = prompt;
	fixture->spec.prompt_len = len;
	fixture_run(fixture, &result);
	if (result.outcome != OUTCOME_SUCCESS)
		fail_msg("%s: %s", executor, result.cause);
	run_result_done(&result);
	snprintf(path, sizeof(path), "%s/prompt", fixture->work);
	_cleanup_free_ char *got = fixture_read_path(path, &got_len);
	assert_int_equal(got_len, expected_len);
	assert_memory_equal(got, expected, expected_len);
	unlink(path);
}

static void test_large_prompt(void **state)
{
	struct fixture *fixture = *state;
	const size_t len = 3u << 20;
	_cleanup_free_ char *prompt = malloc(len);

	memset(prompt, 'p', len);
	memcpy(prompt, "STAND-IN: print-prompt prompt\n", 30);
	arrives(fixture, "claude-code", prompt, len, prompt, len);
	arrives(fixture, "opencode", prompt, len, prompt, len);
}

static void test_prompt_that_looks_like_something_else(void **state)
{
	static const char *const starts[] = { "-",    "--help me",	    "--version",
					      "exec", "-cmcp_servers.x={}", "@/etc/hostname",
					      "" };
	char prompt[256];

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		const int len = snprintf(prompt, sizeof(prompt),
					 "%s\nSTAND-IN: print-prompt prompt\n", starts[i]);
		arrives(*state, "codex", prompt, (size_t)len, prompt, (size_t)len);
		arrives(*state, "claude-code", prompt, (size_t)len, prompt, (size_t)len);
	}
}

/* claude would run it by itself; the others take it as text. */
static void test_slash_command(void **state)
{
	static const char prompt[] = "/cost\nSTAND-IN: print-prompt prompt\n";
	static const char guarded[] = "\n/cost\nSTAND-IN: print-prompt prompt\n";

	arrives(*state, "claude-code", prompt, strlen(prompt), guarded, strlen(guarded));
	arrives(*state, "codex", prompt, strlen(prompt), prompt, strlen(prompt));
}

static void test_prompt_is_repaired(void **state)
{
	static const char prompt[] = "a\0b\xff\xc3(\nSTAND-IN: print-prompt prompt\n";
	static const char repaired[] = "ab\ufffd\ufffd(\nSTAND-IN: print-prompt prompt\n";

	arrives(*state, "codex", prompt, sizeof(prompt) - 1, repaired, strlen(repaired));
}

static void test_agent_that_does_not_read(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	const size_t len = 3u << 20;
	_cleanup_free_ char *prompt = malloc(len);
	char verbs[] = "no-read\nfinal not read";

	memset(prompt, 'p', len);
	fixture->spec.prompt = prompt;
	fixture->spec.prompt_len = len;
	fixture_env(fixture, "STAND_IN", verbs);
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	assert_string_equal(result.final_text, "not read");
	run_result_done(&result);

	/* One that neither reads nor ends. */
	char sleeper[] = "no-read\nsleep 600";
	fixture->env[fixture->env_count - 1].value = sleeper;
	fixture->spec.timeout = 1000;
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_TIMEOUT);
	run_result_done(&result);
}

static void test_scratch_is_removed_with_all_in_it(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture_prompt(fixture, "STAND-IN: write kept\nSTAND-IN: scratch\nSTAND-IN: print-env env");
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	run_result_done(&result);
	_cleanup_free_ char *env = fixture_read(fixture, "env");
	char line[160];
	snprintf(line, sizeof(line), "\nTMPDIR=%s\n", fixture->tmp);
	assert_non_null(strstr(env, line));
	assert_int_equal(access(fixture->tmp, F_OK), -1);
	assert_true(fixture_wait_for(fixture, "kept", 0)); /* a link to it was there */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_much_output, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_a_line_that_is_too_long_is_skipped,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_long_final_text_is_cut, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_large_prompt, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_prompt_that_looks_like_something_else,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_slash_command, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_prompt_is_repaired, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_agent_that_does_not_read, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_scratch_is_removed_with_all_in_it,
						fixture_setup, fixture_teardown),
	};

	fixture_be_runner(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
