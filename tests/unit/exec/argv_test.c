#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "exec/argv.h"

/* The exact arguments, as the real CLIs were seen to take them. */

static void expect(const char *executor, const struct spec *spec, const char *expected)
{
	struct strings argv = { 0 };
	struct buf line = { 0 };
	struct err err;

	assert_int_equal(argv_build(whitelist_find(executor), "/bin/cli", spec, &argv, &err), 0);
	for (size_t i = 0; i < argv.count; i++)
		assert_int_equal(buf_appendf(&line, "%s%s", i ? " | " : "", argv.items[i]), 0);
	assert_null(argv.items[argv.count]);
	assert_string_equal(line.bytes, expected);
	strings_done(&argv);
	buf_done(&line);
}

#define CODEX_SETTINGS                                                                             \
	" | -c | features.unbounded_connection_retries=false"                                      \
	" | -c | features.plugins=false"                                                           \
	" | -c | analytics.enabled=false"                                                          \
	" | -c | allow_login_shell=false"                                                          \
	" | -c | shell_environment_policy.ignore_default_excludes=false"

static void test_codex(void **state)
{
	struct spec spec = { .working_dir = "/srv/repo" };

	(void)state;
	expect("codex", &spec,
	       "/bin/cli | exec | -C | /srv/repo | --json | --skip-git-repo-check | -s | "
	       "workspace-write" CODEX_SETTINGS
	       " | -c | projects={\"/srv/repo\"={trust_level=\"untrusted\"},"
	       "\"/srv\"={trust_level=\"untrusted\"}} | -");
	spec.full = spec.trust_repository = true;
	spec.model = "gpt-x";
	spec.working_dir = "/we \"ird\\d\x01ir";
	expect("codex", &spec,
	       "/bin/cli | exec | -C | /we \"ird\\d\x01ir | --json | --skip-git-repo-check | -s | "
	       "danger-full-access | -m | gpt-x" CODEX_SETTINGS
	       " | -c | projects={\"/we \\\"ird\\\\d\\u0001ir\"={trust_level=\"trusted\"}} | -");
}

static void test_claude(void **state)
{
	struct spec spec = { .working_dir = "/srv/repo" };

	(void)state;
	expect("claude-code", &spec,
	       "/bin/cli | -p | --output-format | stream-json | --verbose | --permission-mode | "
	       "dontAsk | --allowedTools | Bash,Edit,Write,Read,Glob,Grep | --strict-mcp-config | "
	       "--setting-sources | user");
	spec.full = spec.trust_repository = true;
	spec.model = "opus";
	expect("claude-code", &spec,
	       "/bin/cli | -p | --output-format | stream-json | --verbose | --permission-mode | "
	       "bypassPermissions | --model | opus");
}

static void test_opencode(void **state)
{
	struct spec spec = { .working_dir = "/srv/repo" };

	(void)state;
	expect("opencode", &spec, "/bin/cli | run | --format | json | --dir | /srv/repo");
	spec.full = true;
	spec.model = "x/m";
	expect("opencode", &spec,
	       "/bin/cli | run | --format | json | --dir | /srv/repo | --auto | --model | x/m");
}

static void test_plain(void **state)
{
	static const struct executor plain = { .name = "own",
					       .program = "own",
					       .stream = STREAM_PLAIN };
	const struct spec spec = { .working_dir = "/srv/repo", .model = "m", .full = true };
	struct strings argv = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(argv_build(&plain, "/bin/own", &spec, &argv, &err), 0);
	assert_int_equal(argv.count, 1);
	assert_string_equal(argv.items[0], "/bin/own");
	strings_done(&argv);
}

static void test_model_that_is_an_option(void **state)
{
	const struct spec spec = { .working_dir = "/srv/repo", .model = "--dangerously" };
	struct strings argv = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(argv_build(whitelist_find("codex"), "/bin/cli", &spec, &argv, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	strings_done(&argv);
	assert_int_equal(argv_check_model("", &err), -1);
	assert_int_equal(argv_check_model("-", &err), -1);
	assert_int_equal(argv_check_model(NULL, &err), 0);
	assert_int_equal(argv_check_model("a-b", &err), 0);
}

static void test_prompt_guard(void **state)
{
	const struct executor *claude = whitelist_find("claude-code");

	(void)state;
	assert_string_equal(argv_prompt_guard(claude, "/cost", 5), "\n");
	assert_string_equal(argv_prompt_guard(claude, "/", 1), "\n");
	assert_string_equal(argv_prompt_guard(claude, "Fix /cost", 9), "");
	assert_string_equal(argv_prompt_guard(claude, "", 0), "");
	assert_string_equal(argv_prompt_guard(whitelist_find("codex"), "/cost", 5), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codex),
		cmocka_unit_test(test_claude),
		cmocka_unit_test(test_opencode),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_model_that_is_an_option),
		cmocka_unit_test(test_prompt_guard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
