#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fixture.h"

/* Executors that a build has added: plain output, prompt on standard input, no arguments. */

static void test_they_are_on_the_list(void **state)
{
	struct buf names = { 0 };

	(void)state;
	assert_int_equal(whitelist_find("own")->stream, STREAM_PLAIN);
	assert_string_equal(whitelist_find("own")->program, "cat");
	assert_null(whitelist_find("cat"));
	assert_int_equal(whitelist_names(&names), 0);
	assert_string_equal(names.bytes, "codex, claude-code, opencode, own, broken");
	buf_done(&names);
}

static void test_what_is_printed_is_the_answer(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture->spec.executor = "own";
	fixture->spec.search_path = "/nowhere:/usr/bin:/bin";
	fixture->spec.model = "any";
	fixture_prompt(fixture, "/cost of this\n--help\n");
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	assert_string_equal(result.final_text, "/cost of this\n--help");
	assert_string_equal(result.tail, "/cost of this\n--help\n");
	assert_null(result.session_id);
	assert_int_equal(result.input_tokens, -1);
	run_result_done(&result);
}

static void test_exit_code_judges(void **state)
{
	struct fixture *fixture = *state;
	struct run_result result;

	fixture->spec.executor = "broken";
	fixture->spec.search_path = "/usr/bin:/bin";
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_FAILURE);
	assert_string_equal(result.cause, "the program: exit code 1");
	assert_null(result.final_text);
	assert_null(result.tail);
	run_result_done(&result);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_they_are_on_the_list),
		cmocka_unit_test_setup_teardown(test_what_is_printed_is_the_answer, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_exit_code_judges, fixture_setup,
						fixture_teardown),
	};

	fixture_be_runner(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
