#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/redact.h"
#include "fixture.h"

/* How a run ends, told by each of the three CLIs. */

static const char *const clis[] = { "codex", "claude-code", "opencode" };
#define CLIS (sizeof(clis) / sizeof(clis[0]))

static void nothing_is_left(const struct fixture *fixture)
{
	assert_int_equal(fixture_survivors(fixture), 0);
	assert_int_equal(access(fixture->tmp, F_OK), -1);
	assert_true(fixture_lock_is_free(fixture));
}

/* Runs the prompt with each CLI and expects the cause to hold the words for that CLI. */
static void each_fails(struct fixture *fixture, const char *prompt, const char *const causes[CLIS],
		       int exit_code)
{
	struct run_result result;

	fixture_prompt(fixture, prompt);
	for (size_t i = 0; i < CLIS; i++) {
		fixture->spec.executor = clis[i];
		fixture_run(fixture, &result);
		assert_int_equal(result.outcome, OUTCOME_FAILURE);
		assert_non_null(result.cause);
		if (!strstr(result.cause, causes[i]))
			fail_msg("%s: \"%s\" lacks \"%s\"", clis[i], result.cause, causes[i]);
		assert_int_equal(result.exit_code, exit_code);
		assert_int_equal(result.signal, 0);
		run_result_done(&result);
		nothing_is_left(fixture);
	}
}

static void test_success(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	struct stat info;

	fixture_prompt(fixture, "Fix the parser\nIt breaks on commas.");
	for (size_t i = 0; i < CLIS; i++) {
		fixture->spec.executor = clis[i];
		fixture_run(fixture, &result);
		assert_int_equal(result.outcome, OUTCOME_SUCCESS);
		assert_null(result.cause);
		assert_string_equal(result.final_text, "Done: \"Fix the parser\"");
		assert_int_equal(result.exit_code, 0);
		assert_int_equal(result.signal, 0);
		assert_non_null(result.session_id);
		assert_int_equal(result.input_tokens, 1200);
		assert_true(result.output_tokens >= 34);
		assert_true(i == 0 ? result.cost_usd < 0 : result.cost_usd > 0.0019);
		assert_false(result.truncated);
		assert_non_null(result.tail);
		assert_true(result.duration >= 0 && result.duration < 60000);
		run_result_done(&result);
		nothing_is_left(fixture);
	}
	assert_int_equal(stat(fixture->log, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_true(info.st_size > 100);
}

static void test_session_is_told_while_it_runs(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	const char *session = NULL;
	char early[64] = "";

	fixture_prompt(fixture, "STAND-IN: sleep 600");
	struct run *run = fixture_start(fixture);
	for (int i = 0; i < 600 && !early[0]; i++) {
		const enum run_news news = run_read(run, &session, &result);
		assert_int_not_equal(news, RUN_ENDED);
		if (news == RUN_SESSION)
			snprintf(early, sizeof(early), "%s", session);
		else
			poll(NULL, 0, 50);
	}
	assert_int_equal(strlen(early), 36);
	run_stop(run, RUN_STOP_CANCEL);
	fixture_finish(run, 30, &result);
	assert_string_equal(result.session_id, early);
	run_result_done(&result);
}

static void test_failure(void **state)
{
	static const char *const causes[] = { "codex: the stand-in was told to fail",
					      "claude: the stand-in was told to fail (error_during",
					      "opencode: UnknownError: the stand-in was told" };
	each_fails(*state, "STAND-IN: fail", causes, 1);
}

static void test_api_error(void **state)
{
	static const char *const causes[] = {
		"codex: Incorrect API key (api error 401)",
		"claude: Not logged in \u00b7 Please run /login (api error 401)",
		"opencode: APIError: Unauthorized: invalid key (api error 401)"
	};
	each_fails(*state, "STAND-IN: api-error", causes, 1);
}

static void test_exit_0_is_not_enough(void **state)
{
	static const char *const causes[] = { "without turn.completed", "without a result",
					      "in the middle of a step" };
	each_fails(*state, "STAND-IN: no-result", causes, 0);
}

static void test_exit_code_and_last_words(void **state)
{
	static const char *const causes[] = { "codex: exit code 3: error: out of cheese",
					      "claude: exit code 3: error: out of cheese",
					      "opencode: exit code 3: error: out of cheese" };
	each_fails(*state, "STAND-IN: stderr \033[31merror: out of cheese\033[0m\nSTAND-IN: exit 3",
		   causes, 3);
}

static void test_what_was_refused_is_named(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture_prompt(fixture, "STAND-IN: denied");
	fixture->spec.executor = "claude-code";
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_FAILURE);
	assert_string_equal(result.cause,
			    "claude: max_turns (error_max_turns); it was not allowed: WebFetch");
	run_result_done(&result);

	fixture->spec.executor = "opencode";
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_FAILURE);
	assert_int_equal(result.exit_code, 0);
	assert_non_null(strstr(result.cause, "permission requested: external_directory"));
	run_result_done(&result);
}

static void test_other_format_is_judged_by_exit_code(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;
	char variable[] = "garbage";

	fixture_env(fixture, "STAND_IN", variable);
	for (size_t i = 0; i < CLIS; i++) {
		fixture->spec.executor = clis[i];
		fixture_run(fixture, &result);
		assert_int_equal(result.outcome, OUTCOME_SUCCESS);
		assert_non_null(strstr(result.final_text, "no JSON here"));
		assert_non_null(strstr(result.final_text, "the end"));
		assert_non_null(strstr(result.tail, "\ufffd")); /* bad bytes are repaired */
		run_result_done(&result);
	}
}

/* Understood, but with nothing in it that people read. */
static void test_tail_is_never_missing(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture_prompt(fixture, "STAND-IN: no-result");
	fixture->spec.executor = "claude-code";
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_FAILURE);
	assert_non_null(strstr(result.tail, "\"subtype\":\"init\""));
	run_result_done(&result);
}

static void test_timeout(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture->spec.timeout = 1500;
	fixture_prompt(fixture, "STAND-IN: sleep 600");
	for (size_t i = 0; i < CLIS; i++) {
		fixture->spec.executor = clis[i];
		fixture_run(fixture, &result);
		assert_int_equal(result.outcome, OUTCOME_TIMEOUT);
		assert_non_null(strstr(result.cause, "time limit"));
		assert_int_equal(result.exit_code, i == 0 ? 1 : i == 1 ? 143 : -1);
		assert_int_equal(result.signal, i == 2 ? SIGTERM : 0);
		assert_true(result.duration >= 1500);
		run_result_done(&result);
		nothing_is_left(fixture);
	}
}

static void test_timeout_of_one_that_will_not_go(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture->spec.timeout = 1500;
	fixture_prompt(fixture,
		       "STAND-IN: ignore-term\nSTAND-IN: double-fork\nSTAND-IN: sleep 600");
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_TIMEOUT);
	assert_int_equal(result.signal, SIGKILL);
	assert_true(result.duration >= 1500 + 5000); /* it had its five seconds */
	run_result_done(&result);
	nothing_is_left(fixture);
}

static void stop_while_it_sleeps(struct fixture *fixture, enum run_stop why,
				 struct run_result *result)
{
	fixture_prompt(fixture,
		       "STAND-IN: double-fork\nSTAND-IN: write ready\nSTAND-IN: sleep 600");
	struct run *run = fixture_start(fixture);
	assert_true(fixture_wait_for(fixture, "ready", 30));
	assert_true(fixture_survivors(fixture) >= 2);
	run_stop(run, why);
	run_stop(run, RUN_STOP_INTERRUPT); /* the first reason stands */
	fixture_finish(run, 30, result);
	nothing_is_left(fixture);
}

static void test_cancelled(void **state)
{
	struct run_result result;

	stop_while_it_sleeps(*state, RUN_STOP_CANCEL, &result);
	assert_int_equal(result.outcome, OUTCOME_CANCELLED);
	assert_string_equal(result.cause, "cancelled");
	run_result_done(&result);
}

static void test_interrupted(void **state)
{
	struct run_result result;

	stop_while_it_sleeps(*state, RUN_STOP_INTERRUPT, &result);
	assert_int_equal(result.outcome, OUTCOME_INTERRUPTED);
	run_result_done(&result);
}

static void test_freed_while_it_runs(void **state)
{
	struct fixture *fixture = *state;

	fixture_prompt(fixture,
		       "STAND-IN: double-fork\nSTAND-IN: write ready\nSTAND-IN: sleep 600");
	struct run *run = fixture_start(fixture);
	assert_true(fixture_wait_for(fixture, "ready", 30));
	run_free(run);
	nothing_is_left(fixture);
	run_free(NULL);
}

static void test_what_outlives_a_success_is_killed(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture_prompt(fixture, "STAND-IN: background\nSTAND-IN: double-fork");
	for (size_t i = 0; i < CLIS; i++) {
		fixture->spec.executor = clis[i];
		fixture_run(fixture, &result);
		assert_int_equal(result.outcome, OUTCOME_SUCCESS);
		assert_non_null(result.final_text);
		run_result_done(&result);
		nothing_is_left(fixture);
	}
}

/* No listing of /proc ever shows all of them: the sweep has to be quicker than they are. */
static void test_processes_that_never_hold_still(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture_prompt(fixture, "STAND-IN: re-fork\nSTAND-IN: double-fork");
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	run_result_done(&result);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(fixture_survivors(fixture), 0);
		poll(NULL, 0, 10);
	}
	nothing_is_left(fixture);
}

static void test_secrets_do_not_leave(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	redact_add("hunter22-is-secret");
	fixture_prompt(fixture, "STAND-IN: final it is hunter22-is-secret");
	fixture_run(fixture, &result);
	assert_string_equal(result.final_text, "it is [secret]");
	assert_null(strstr(result.tail, "hunter22"));
	run_result_done(&result);

	fixture_prompt(fixture, "STAND-IN: stderr error: hunter22-is-secret\nSTAND-IN: exit 1");
	fixture_run(fixture, &result);
	assert_string_equal(result.cause, "codex: exit code 1: error: [secret]");
	run_result_done(&result);
	redact_clear();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_success, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_session_is_told_while_it_runs, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_failure, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_api_error, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_exit_0_is_not_enough, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_exit_code_and_last_words, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_what_was_refused_is_named, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_other_format_is_judged_by_exit_code,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_tail_is_never_missing, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_timeout, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_timeout_of_one_that_will_not_go, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_cancelled, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_interrupted, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_freed_while_it_runs, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_what_outlives_a_success_is_killed,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_processes_that_never_hold_still, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_secrets_do_not_leave, fixture_setup,
						fixture_teardown),
	};

	fixture_be_runner(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
