#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/buf.h"
#include "exec/environment.h"
#include "fixture.h"

/* The agent's environment, exactly: built, and then as a real agent sees it. */

static int clear(void **state)
{
	(void)state;
	/* cmocka reads there how it should speak. */
	const char *speech = getenv("CMOCKA_MESSAGE_OUTPUT");
	char *kept = speech ? strdup(speech) : NULL;

	clearenv();
	if (kept)
		setenv("CMOCKA_MESSAGE_OUTPUT", kept, 1);
	free(kept);
	setenv("PATH", "/usr/bin:/bin", 1);
	setenv("HOME", "/home/daemon", 1);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void expect(const char *executor, const struct run_spec *spec, const char *expected)
{
	struct strings environment = { 0 };
	struct buf text = { 0 };
	struct err err;

	assert_int_equal(
	    environment_build(whitelist_find(executor), spec, "/tmp/run", &environment, &err), 0);
	qsort(environment.items, environment.count, sizeof(char *), by_text);
	for (size_t i = 0; i < environment.count; i++)
		assert_int_equal(buf_appendf(&text, "%s\n", environment.items[i]), 0);
	assert_string_equal(text.bytes, expected);
	strings_done(&environment);
	buf_done(&text);
}

static void test_only_the_allow_list(void **state)
{
	static const struct run_spec spec = { .permissions = PERMISSIONS_WORKSPACE };
	static const char *const names[] = {
		/* the daemon's own */
		"OPENPR_BOT_TOKEN", "OPENPR_WEBHOOK_SECRET", "OPENPR_WEBHOOK_SAFE_MODE",
		"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "SSH_AUTH_SOCK", "AWS_SECRET_ACCESS_KEY",
		/* of an agent that started the daemon */
		"CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "CODEX_SANDBOX", "CODEX_HOME",
		"OPENCODE_PID", "OPENCODE_PERMISSION", "AGENT", "AI_AGENT", "ANTHROPIC_BASE_URL",
		"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "IS_SANDBOX", "NODE_OPTIONS",
		/* for the loader and shells */
		"LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "TMPDIR", "TERM", "SHELL",
		"PWD", "LC", "LCX", "HOMEX"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		setenv(names[i], "leaked", 1);
	setenv("USER", "daemon", 1);
	setenv("LOGNAME", "daemon", 1);
	setenv("LANG", "de_DE.UTF-8", 1);
	setenv("LC_ALL", "C", 1);
	setenv("LC_TIME", "en_GB", 1);
	setenv("TZ", "UTC", 1);
	setenv("http_proxy", "http://p", 1);
	setenv("HTTPS_PROXY", "http://q", 1);
	setenv("no_proxy", "localhost", 1);
	expect("codex", &spec,
	       "HOME=/home/daemon\nHTTPS_PROXY=http://q\nLANG=de_DE.UTF-8\nLC_ALL=C\n"
	       "LC_TIME=en_GB\nLOGNAME=daemon\nNO_COLOR=1\nPATH=/usr/bin:/bin\nTERM=dumb\n"
	       "TMPDIR=/tmp/run\nTZ=UTC\nUSER=daemon\nhttp_proxy=http://p\nno_proxy=localhost\n");
	clear(state);
	expect("codex", &spec,
	       "HOME=/home/daemon\nLANG=C.UTF-8\nNO_COLOR=1\nPATH=/usr/bin:/bin\nTERM=dumb\n"
	       "TMPDIR=/tmp/run\n");
}

static void test_switches(void **state)
{
	struct run_spec spec = { .permissions = PERMISSIONS_WORKSPACE };

	(void)state;
	expect("claude-code", &spec,
	       "CLAUDE_CODE_DISABLE_ATTACHMENTS=1\nCLAUDE_CODE_DISABLE_BACKGROUND_TASKS=1\n"
	       "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1\nDISABLE_AUTOUPDATER=1\n"
	       "ENABLE_TOOL_SEARCH=false\nHOME=/home/daemon\nLANG=C.UTF-8\nNO_COLOR=1\n"
	       "PATH=/usr/bin:/bin\nTERM=dumb\nTMPDIR=/tmp/run\n");
	expect("opencode", &spec,
	       "HOME=/home/daemon\nLANG=C.UTF-8\nNO_COLOR=1\nOPENCODE_DISABLE_AUTOUPDATE=1\n"
	       "OPENCODE_DISABLE_DEFAULT_PLUGINS=1\nOPENCODE_DISABLE_LSP_DOWNLOAD=1\n"
	       "OPENCODE_DISABLE_MODELS_FETCH=1\nOPENCODE_DISABLE_PROJECT_CONFIG=1\n"
	       "OPENCODE_PERMISSION={\"doom_loop\":\"deny\",\"external_directory\":{\"*\":\"deny\","
	       "\"/tmp/run/*\":\"allow\"},\"read\":{\"*\":\"allow\",\"*.env\":\"deny\","
	       "\"*.env.*\":\"deny\",\"*.env.example\":\"allow\"}}\nOPENCODE_PURE=1\n"
	       "PATH=/usr/bin:/bin\nTERM=dumb\nTMPDIR=/tmp/run\n");
	spec.permissions = PERMISSIONS_FULL;
	spec.trust_repository = true;
	expect("opencode", &spec,
	       "HOME=/home/daemon\nLANG=C.UTF-8\nNO_COLOR=1\nOPENCODE_DISABLE_AUTOUPDATE=1\n"
	       "OPENCODE_DISABLE_DEFAULT_PLUGINS=1\nOPENCODE_DISABLE_LSP_DOWNLOAD=1\n"
	       "OPENCODE_DISABLE_MODELS_FETCH=1\nPATH=/usr/bin:/bin\nTERM=dumb\n"
	       "TMPDIR=/tmp/run\n");
}

static void test_full_claude_as_root(void **state)
{
	const struct run_spec spec = { .permissions = PERMISSIONS_FULL };
	struct strings environment = { 0 };
	struct err err;
	bool found = false;

	(void)state;
	assert_int_equal(
	    environment_build(whitelist_find("claude-code"), &spec, "/tmp/run", &environment, &err),
	    0);
	for (size_t i = 0; i < environment.count; i++)
		found = found || strcmp(environment.items[i], "IS_SANDBOX=1") == 0;
	assert_int_equal(found, geteuid() == 0);
	strings_done(&environment);
}

static void test_own_variables_come_last(void **state)
{
	struct config_pair pairs[] = { { (char[]){ "HOME" }, (char[]){ "/srv/home" } },
				       { (char[]){ "LANG" }, (char[]){ "C" } },
				       { (char[]){ "MY_KEY" }, (char[]){ "a=b" } } };
	const struct run_spec spec = { .env = pairs, .env_count = 3 };

	(void)state;
	expect("codex", &spec,
	       "HOME=/srv/home\nLANG=C\nMY_KEY=a=b\nNO_COLOR=1\nPATH=/usr/bin:/bin\nTERM=dumb\n"
	       "TMPDIR=/tmp/run\n");
}

static void test_home_of_the_user_when_unset(void **state)
{
	const struct run_spec spec = { .env_count = 0 };
	struct strings environment = { 0 };
	struct err err;
	int homes = 0;

	(void)state;
	unsetenv("HOME");
	assert_int_equal(
	    environment_build(whitelist_find("codex"), &spec, "/tmp/run", &environment, &err), 0);
	for (size_t i = 0; i < environment.count; i++)
		homes += strncmp(environment.items[i], "HOME=/", 6) == 0;
	assert_int_equal(homes, 1);
	strings_done(&environment);
}

static void test_as_an_agent_sees_it(void **state)
{
	void *fixture_state;
	struct run_result result;

	(void)state;
	assert_int_equal(fixture_setup(&fixture_state), 0);
	struct fixture *fixture = fixture_state;
	setenv("OPENPR_BOT_TOKEN", "hunter22", 1);
	fixture_prompt(fixture, "STAND-IN: print-env env");
	fixture_run(fixture, &result);
	assert_int_equal(result.outcome, OUTCOME_SUCCESS);
	run_result_done(&result);

	char *got = fixture_read(fixture, "env");
	char expected[512];
	snprintf(expected, sizeof(expected),
		 "HOME=/home/daemon\nLANG=C.UTF-8\nNO_COLOR=1\nPATH=/usr/bin:/bin\n%s\nTERM=dumb\n"
		 "TMPDIR=%s\n",
		 fixture->mark, fixture->tmp);
	assert_string_equal(got, expected);
	free(got);
	assert_int_equal(fixture_teardown(&fixture_state), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_only_the_allow_list, clear),
		cmocka_unit_test_setup(test_switches, clear),
		cmocka_unit_test_setup(test_full_claude_as_root, clear),
		cmocka_unit_test_setup(test_own_variables_come_last, clear),
		cmocka_unit_test_setup(test_home_of_the_user_when_unset, clear),
		cmocka_unit_test_setup(test_as_an_agent_sees_it, clear),
	};

	fixture_be_runner(argc, argv);
	/* clear() takes the variable away, by which cmocka would know. */
	if (getenv("CMOCKA_MESSAGE_OUTPUT"))
		cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
