#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/cleanup.h"
#include "fixture.h"

/* What run_plan() tells is what a real run then has, and telling it makes nothing. */

static json_t *plan_of(const struct fixture *fixture)
{
	struct err err = { .text = "" };
	json_t *plan = run_plan(&fixture->spec, &err);

	if (!plan)
		fail_msg("%s", err.text);
	return plan;
}

static void expect_lines(const char *text, const json_t *list, size_t from)
{
	for (size_t i = from; i < json_array_size(list); i++) {
		const char *item = json_string_value(json_array_get(list, i));
		const size_t len = strlen(item);
		if (strncmp(text, item, len) != 0 || text[len] != '\n')
			fail_msg("not \"%s\" at: %.100s", item, text);
		text += len + 1;
	}
	assert_string_equal(text, "");
}

static bool has_name(const json_t *names, const char *line)
{
	const size_t len = strcspn(line, "=");

	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		if (strlen(name) == len && strncmp(name, line, len) == 0)
			return true;
	}
	return false;
}

static void expect_names(char *text, const json_t *names)
{
	size_t count = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), count++)
		if (!has_name(names, line))
			fail_msg("%s was not told", line);
	assert_int_equal(count, json_array_size(names));
}

static void it_is_what_a_run_has(void **state)
{
	static const char *const executors[] = { "claude-code", "codex", "opencode" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < 3; i++) {
		struct run_result result;
		fixture->spec.executor = executors[i];
		fixture->spec.model = "some/model";
		fixture_prompt(fixture, "STAND-IN: print-argv argv\nSTAND-IN: print-env env\n"
					"STAND-IN: print-prompt prompt");
		json_t *plan = plan_of(fixture);
		assert_int_equal(json_array_size(json_at(plan, "problems")), 0);
		fixture_run(fixture, &result);
		run_result_done(&result);
		_cleanup_free_ char *argv = fixture_read(fixture, "argv");
		_cleanup_free_ char *env = fixture_read(fixture, "env");
		_cleanup_free_ char *prompt = fixture_read(fixture, "prompt");
		assert_true(argv && env && prompt);
		expect_lines(argv, json_at(plan, "argv"), 1);
		expect_names(env, json_at(plan, "environment"));
		assert_string_equal(prompt, json_str(plan, "stdin"));
		assert_string_equal(json_str(plan, "program"),
				    json_string_value(json_array_get(json_at(plan, "argv"), 0)));
		assert_string_equal(json_str(plan, "tmp_dir"), fixture->tmp);
		json_decref(plan);
	}
}

static void it_makes_nothing_and_tells_no_value(void **state)
{
	struct fixture *fixture = *state;

	fixture_env(fixture, "API_KEY", "hunter22");
	fixture->spec.prompt = "/cost";
	fixture->spec.prompt_len = 5;
	fixture->spec.executor = "claude-code";
	json_t *plan = plan_of(fixture);
	_cleanup_free_ char *text = json_text(plan);
	assert_null(strstr(text, "hunter22"));
	assert_non_null(strstr(text, "\"API_KEY\""));
	assert_string_equal(json_str(plan, "stdin"), "\n/cost");
	assert_int_equal(access(fixture->log, F_OK), -1);
	assert_int_equal(access(fixture->lock, F_OK), -1);
	assert_int_equal(access(fixture->tmp, F_OK), -1);
	json_decref(plan);
}

static void what_would_not_start_is_told_with_its_reason(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	fixture->spec.executor = "codex";
	fixture->spec.search_path = "/nowhere";
	json_t *plan = plan_of(fixture);
	assert_true(json_is_null(json_at(plan, "program")));
	assert_string_equal(json_string_value(json_array_get(json_at(plan, "argv"), 0)), "codex");
	const json_t *problems = json_at(plan, "problems");
	assert_int_equal(json_array_size(problems), 1);
	assert_non_null(strstr(json_string_value(json_array_get(problems, 0)), "codex"));
	json_decref(plan);

	fixture->spec.executor = "sh";
	assert_null(run_plan(&fixture->spec, &err));
	assert_non_null(strstr(err.text, "whitelist"));
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_is_what_a_run_has),
		TEST(it_makes_nothing_and_tells_no_value),
		TEST(what_would_not_start_is_told_with_its_reason),
	};

	fixture_be_runner(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
