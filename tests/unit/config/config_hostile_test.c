#include "support.h"

/* The whole file, not what stands in the table. */
static int load_file(const char *text)
{
	trial_file("config.lua", text, 0600);
	return trial_read(trial.path, false);
}

static void refused(const char *text, const char *why)
{
	assert_int_equal(load_file(text), -1);
	assert_int_equal(trial.err.code, ERR_CONFIG);
	assert_string_equal(trial_mistakes(), "");
	if (!strstr(trial.err.text, "config.lua"))
		fail_msg("no file named: %s", trial.err.text);
	if (!strstr(trial.err.text, why))
		fail_msg("no \"%s\" in \"%s\"", why, trial.err.text);
}

static void test_a_loop_is_stopped(void **state)
{
	(void)state;
	refused("while true do end", "took longer than 5000 ms");
	holds(trial.err.text, "plain data");
}

static void test_eating_memory_is_stopped(void **state)
{
	(void)state;
	refused("local t = {} while true do t = { t, {} } end", "65536 KiB");
	refused("local s = 'x' while true do s = s .. s end", "65536 KiB");
	refused("local t = {} for i = 1, 1e9 do t[i] = i end", "65536 KiB");
}

static void test_recursion_is_stopped(void **state)
{
	(void)state;
	refused("local function f() return 1 + f() end return f()", "config.lua");
}

/* string.rep and patterns run in C, where no deadline reaches. */
static void test_texts_have_no_methods(void **state)
{
	(void)state;
	refused("return (''):rep(1e15)", "attempt to call a nil value (method 'rep')");
	refused("return ('a'):find('.-b')", "method 'find'");
}

static void test_there_is_nothing_to_call(void **state)
{
	static const char *const names[] = {
		"os",		"io",	  "require",   "load",		 "dofile", "debug",
		"string",	"table",  "pcall",     "setmetatable",	 "print",  "_G",
		"getmetatable", "rawset", "coroutine", "collectgarbage", "host",   "next",
		"package",	"error"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "\nreturn { %s }", names[i]);
		refused(text, "config.lua:2: ");
		if (!strstr(trial.err.text, "not known here"))
			fail_msg("%s: %s", names[i], trial.err.text);
	}
}

static void test_bytecode_is_refused(void **state)
{
	(void)state;
	refused("\x1bLua", "config.lua");
}

static void test_what_is_no_table(void **state)
{
	(void)state;
	refused("", "must return a table");
	refused("-- nothing", "but returned nothing");
	refused("return 7", "but returned a number");
	refused("return 'text'", "but returned a string");
	refused("return function() end", "but returned a function");
	refused("return env 'OPW_TEST_UNSET'", "must return a table");
	refused("webhook = { secret = 'x' }", "write return { webhook = ... }");
}

static void test_syntax_errors_name_the_line(void **state)
{
	(void)state;
	refused("return {\n  webhook = { ,\n", "config.lua:2: ");
	refused("return {\n\n  queue = {}\n", "config.lua:4: '}' expected");
	refused("return { webhook = { secret = env OPW_TEST_SECRET } }", "config.lua:1: ");
	refused("return { a = 1 * second }", "did you mean seconds?");
	refused("return { a = env() }", "env takes the name of a variable");
	refused("return { a = file {} }", "file takes the path of a file");
}

static void test_values_that_are_no_data(void **state)
{
	(void)state;
	assert_int_equal(
	    load_file(
		"local t = {} t.t = t\n"
		"return { webhook = { secret = env 'OPW_TEST_SECRET', "
		"  listen = function() end, tolerance = 0/0, max_body = 1/0, "
		"  head_timeout = -1/0, max_connections = t }, "
		"executor = t, labels = t, agents = t, queue = env, "
		"policies = { dir = true, time_limit = '1' }, [t] = 1, [1.5] = 1, [true] = 1, "
		"[0/1] = 2, openpr = { bots = { x = t }, token = t } }"),
	    -1);
	assert_string_equal(
	    trial_mistakes(),
	    "[0]: is not an option; there are webhook, features, executor, openpr, agents, "
	    "labels, queue, policies, templates, tunnel, admin, log\n"
	    "[a number]: is not an option; there are webhook, features, executor, openpr, agents, "
	    "labels, queue, policies, templates, tunnel, admin, log\n"
	    "[a table]: is not an option; there are webhook, features, executor, openpr, agents, "
	    "labels, queue, policies, templates, tunnel, admin, log\n"
	    "[true or false]: is not an option; there are webhook, features, executor, openpr, "
	    "agents, labels, queue, policies, templates, tunnel, admin, log\n"
	    "agents.t.t: is not an option; there are type, bots, timeout_secs, max_concurrent\n"
	    "agents.t.type: is required\n"
	    "executor.t: is not an option; there are working_dir, timeout_secs, max_concurrent, "
	    "path, drain_secs, safe_mode\n"
	    "labels.t: is not the id of a label (a UUID)\n"
	    "openpr.bots.x.t: is not an option; there are token\n"
	    "openpr.bots.x.token: is required\n"
	    "openpr.token: expected a text, got a table\n"
	    "policies.dir: expected a text, got true or false\n"
	    "policies.time_limit: expected a duration, as 30 * seconds, got a text\n"
	    "queue: expected a table, got a function\n"
	    "webhook.head_timeout: must be a finite number\n"
	    "webhook.listen: expected a text, got a function\n"
	    "webhook.max_body: must be a finite number\n"
	    "webhook.max_connections: expected a number, got a table\n"
	    "webhook.tolerance: must be a finite number\n");
}

static void test_bytes_that_cannot_be_kept(void **state)
{
	(void)state;
	trial_bad("webhook = { secret = 'abc\\0def-and-long-enough' }, "
		  "executor = { path = '/bin\\n/usr' }, "
		  "openpr = { api_url = 'http://h', token = 'a\\r\\nX-Header: 1' }, "
		  "queue = { path = '' }, templates = { dir = '\\xff\\xfe' }",
		  "executor.path: must not hold control characters\n"
		  "openpr.token: must not hold control characters\n"
		  "queue.path: must not be empty\n"
		  "templates.dir: is not UTF-8 text\n"
		  "webhook.secret: must not hold control characters\n");
}

static void test_keys_cannot_break_a_line(void **state)
{
	(void)state;
	trial_bad(WEBHOOK "queue = { ['x\\ny'] = 1 }, labels = { ['\\xff'] = 'a' }",
		  "labels[\"\xef\xbf\xbd\"]: has a name that is not UTF-8 text\n"
		  "queue[\"x\\10y\"]: is not an option; there are path, max_attempts, keep_days, "
		  "max_output\n");
}

static void test_mistakes_without_end_are_counted(void **state)
{
	int lines = 0;

	(void)state;
	assert_int_equal(load_file("local t = { webhook = { secret = env 'OPW_TEST_SECRET' } } "
				   "for i = 1, 100000 do t['key' .. i] = i end return t"),
			 -1);
	for (const char *at = trial_mistakes(); (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 100);
	holds(trial.err.text, ": 100000 mistakes");
	assert_int_equal(load_file("local t = {} for i = 1, 2000 do t['a' .. i] = {} end "
				   "local l = {} for i = 1, 2000 do l[i] = 'secret-secret-1' end "
				   "return { webhook = { secrets = l }, agents = t }"),
			 -1);
	assert_string_equal(trial_mistakes(), "agents: has more than 1000 entries\n"
					      "webhook.secrets: has more than 1000 entries\n");
}

static void test_a_large_file_is_refused(void **state)
{
	static char text[(1 << 20) + 64];

	(void)state;
	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, "return {}", 9);
	refused(text, "too large");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, trial_setup, trial_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_loop_is_stopped),	     TEST(test_eating_memory_is_stopped),
		TEST(test_recursion_is_stopped),     TEST(test_texts_have_no_methods),
		TEST(test_there_is_nothing_to_call), TEST(test_bytecode_is_refused),
		TEST(test_what_is_no_table),	     TEST(test_syntax_errors_name_the_line),
		TEST(test_values_that_are_no_data),  TEST(test_bytes_that_cannot_be_kept),
		TEST(test_keys_cannot_break_a_line), TEST(test_mistakes_without_end_are_counted),
		TEST(test_a_large_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
