#include "support.h"

#include "base/cleanup.h"

static int load_mode(const char *text, mode_t mode)
{
	trial_file("config.lua", text, mode);
	return trial_read(trial.path, false);
}

static void test_a_file_gives_its_text_without_the_line_break(void **state)
{
	(void)state;
	trial_file("one", "from-a-file-0123\n", 0600);
	assert_string_equal(trial_good("webhook = { secret = file 'one' }")->webhook.secrets[0],
			    "from-a-file-0123");
	trial_file("one", " spaces-stay-0123 \r\n", 0640);
	assert_string_equal(trial_good("webhook = { secret = file './one' }")->webhook.secrets[0],
			    " spaces-stay-0123 ");
	holds(trial_warnings(), "webhook.secret: begins or ends with a space\n");
}

static void file_fault(mode_t mode, const char *why)
{
	char expected[PATH_MAX + 64];

	trial_file("one", "from-a-file-0123", mode);
	assert_int_equal(trial_load("webhook = { secret = file 'one' }"), -1);
	snprintf(expected, sizeof(expected), "webhook.secret: file %s/one: %s", trial.folder, why);
	if (strncmp(trial_mistakes(), expected, strlen(expected)) != 0)
		fail_msg("%o: %s", mode, trial_mistakes());
	assert_null(strstr(trial_mistakes(), "from-a-file"));
}

static void test_a_file_that_others_reach_is_refused(void **state)
{
	(void)state;
	file_fault(0644, "may be read by others: chmod o-r");
	file_fault(0604, "may be read by others");
	file_fault(0620, "may be written by group or others: chmod go-w");
	file_fault(0602, "may be written by group or others");
	file_fault(0666, "may be written by group or others");
	trial_file("one", "from-a-file-0123", 0640);
	trial_good("webhook = { secret = file 'one' }");
	trial_file("one", "from-a-file-0123", 0400);
	trial_good("webhook = { secret = file 'one' }");
}

static void test_credentials_of_the_service_manager_may_be_readable(void **state)
{
	(void)state;
	trial_folder("cred");
	trial_file("cred/one", "from-a-file-0123", 0644);
	trial_file("other", "from-a-file-0123", 0644);
	assert_int_equal(trial_load("webhook = { secret = file 'cred/one' }"), -1);
	char folder[PATH_MAX + 16];

	snprintf(folder, sizeof(folder), "%s/cred", trial.folder);
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	trial_good("webhook = { secret = file 'cred/one' }");
	/* Not what only begins like it, and no way out of it. */
	trial_folder("credx");
	trial_file("credx/one", "from-a-file-0123", 0644);
	assert_int_equal(trial_load("webhook = { secret = file 'credx/one' }"), -1);
	assert_int_equal(trial_load("webhook = { secret = file 'cred/../other' }"), -1);
	setenv("CREDENTIALS_DIRECTORY", "", 1);
	assert_int_equal(trial_load("webhook = { secret = file '/etc/passwd' }"), -1);
}

static void test_files_that_cannot_be_read_are_named(void **state)
{
	(void)state;
	assert_int_equal(trial_load("webhook = { secret = file '/nonexistent/x' }, "
				    "openpr = { api_url = 'http://h', token = file '.' }"),
			 -1);
	holds(trial_mistakes(), "webhook.secret: file /nonexistent/x: No such file or directory\n");
	holds(trial_mistakes(), "openpr.token: file ");
	holds(trial_mistakes(), ": Is a directory\n");
	/* check says so too: it is not an unset variable. */
	assert_int_equal(trial_read(trial.path, true), -1);
}

#define LITERAL "return { webhook = { secret = 'literal-secret-0123' } }"

static void test_a_literal_secret_asks_for_a_private_file(void **state)
{
	(void)state;
	assert_int_equal(load_mode(LITERAL, 0600), 0);
	assert_int_equal(load_mode(LITERAL, 0640), 0);
	assert_int_equal(load_mode(LITERAL, 0644), -1);
	holds(
	    trial_mistakes(),
	    "webhook.secret: stands in config.lua itself, which may be read by others: chmod o-r");
	assert_null(strstr(trial_mistakes(), "literal-secret"));
	assert_int_equal(load_mode(LITERAL, 0660), -1);
	holds(trial_mistakes(), "may be written by group or others");
}

static void test_without_a_literal_secret_the_file_may_be_public(void **state)
{
	(void)state;
	assert_int_equal(
	    load_mode("return { " WEBHOOK "openpr = { api_url = 'http://h', "
		      "  token = 'opr_' .. env 'OPW_TEST_SECRET' }, "
		      "agents = { a = { type = 'cli', cli = 'codex', working_dir = '/', "
		      "  env = { LANG = 'C.UTF-8', CODEX_API_KEY = env "
		      "'OPW_TEST_SECRET' } } } }",
		      0644),
	    0);
	assert_string_equal(trial.config->openpr.token, "opr_" SECRET);
	assert_int_equal(
	    load_mode("return { " WEBHOOK
		      "agents = { a = { type = 'cli', cli = 'codex', working_dir = '/', "
		      "  env = { CODEX_API_KEY = 'sk-0123456789' } } } }",
		      0644),
	    -1);
	holds(trial_mistakes(), "agents.a.env.CODEX_API_KEY: stands in config.lua itself");
}

static void test_a_file_that_all_may_write_is_said(void **state)
{
	(void)state;
	assert_int_equal(load_mode("return { " WEBHOOK " }", 0646), 0);
	holds(trial_warnings(), "config.lua: may be written by everybody");
	assert_int_equal(load_mode("return { " WEBHOOK " }", 0644), 0);
	assert_null(strstr(trial_warnings(), "everybody"));
}

static void hidden(const char *secret, bool expected)
{
	_cleanup_free_ char *text = redact(secret, strlen(secret), NULL);

	if ((strcmp(text, "[secret]") == 0) != expected)
		fail_msg("%s gives %s", secret, text);
}

static void test_all_secrets_are_known_to_redact(void **state)
{
	(void)state;
	trial_file("key", "a-key-from-a-file", 0600);
	trial_good("webhook = { secrets = { 'webhook-secret-one', env 'OPW_TEST_SECRET' } }, "
		   "openpr = { api_url = 'http://h', token = 'opr_the_token', "
		   "  bots = { b = { token = 'opr_of_a_bot' } } }, "
		   "tunnel = { token = 'tunnel-token-1', hmac_secret = 'tunnel-secret-1' }, "
		   "agents = { a = { type = 'cli', cli = 'codex', working_dir = '/', env = { "
		   "  CODEX_API_KEY = 'sk-provider-key', GITHUB_TOKEN = 'ghp_token_1', "
		   "  FROM_FILE = file 'key', KEYBOARD = 'de-latin1-nodeadkeys', LANG = 'C.UTF-8', "
		   "  MODE = 'production', DEBUG_KEY = 'true', HOME = '/srv/home/of/agent' } } }");
	hidden("webhook-secret-one", true);
	hidden(SECRET, true);
	hidden("opr_the_token", true);
	hidden("opr_of_a_bot", true);
	hidden("tunnel-token-1", true);
	hidden("tunnel-secret-1", true);
	hidden("sk-provider-key", true);
	hidden("ghp_token_1", true);
	hidden("a-key-from-a-file", true);
	/* Ordinary words must stay readable in logs and reports. */
	hidden("de-latin1-nodeadkeys", false);
	hidden("C.UTF-8", false);
	hidden("production", false);
	hidden("true", false);
	hidden("/srv/home/of/agent", false);
}

static void test_secrets_of_a_bad_file_are_known_too(void **state)
{
	(void)state;
	assert_int_equal(trial_load("webhook = { secret = env 'OPW_TEST_SECRET' }, nonsense = 1"),
			 -1);
	hidden(SECRET, true);
}

static void silent(const char *text)
{
	trial_file("config.lua", text, 0600);
	assert_int_equal(trial_read(trial.path, false), -1);
	const char *const said[] = { trial.err.text, trial_mistakes(), trial_warnings() };

	for (size_t i = 0; i < 3; i++)
		if (strstr(said[i], "hunter2") || strstr(said[i], "horse"))
			fail_msg("%s\nfor: %s", said[i], text);
}

static void test_no_message_holds_a_secret(void **state)
{
	(void)state;
	/* Where another value belongs. */
	silent("return { webhook = { secret = 'hunter2 hunter2 hunter2', listen = env "
	       "'OPW_TEST_SECRET' } }");
	silent(
	    "return { webhook = { secret = 'x', listen = 'http://' .. env 'OPW_TEST_SECRET' } }");
	silent(
	    "return { webhook = { secret = 'hunter2-hunter2-hu', listen = 'hunter2-hunter2-hu' } "
	    "}");
	silent("return { openpr = { api_url = 'https://bot:hunter2@openpr.example.com' } }");
	silent("return { openpr = { token = 'hunter2 and a space' } }");
	silent("return { openpr = { callback = env 'OPW_TEST_SECRET' } }");
	silent("return { agents = { a = { cli = env 'OPW_TEST_SECRET' } } }");
	/* Under a name that is no option. */
	silent("return { webhook = { secert = 'hunter2' } }");
	silent("return { webhook = { secrets = { 'hunter2', x = 'hunter2' } } }");
	/* Where the file stops being Lua. */
	silent("return { webhook = { secret 'hunter2' } }");
	silent("return { webhook = { secret = \"hunter2 } }");
	silent("return { webhook = { secret = [[hunter2 } }");
	silent("return { webhook = { secret = hunter2 } }");
	silent("return { webhook = { secret = hunter2 hunter2 } }");
	silent("return { webhook = { secret = 12hunter2 } }");
	silent("return { webhook = { secret = '\\qhunter2' } }");
	silent("return { webhook = { secret = 'hunter2' 'hunter2' } }");
	silent("return { webhook = { secret = 'hunter2' + 1 } }");
	silent("return { webhook = { secret = 'hunter2' | 1 } }");
	silent("return { webhook = { secret = -'hunter2' } }");
	silent("return { webhook = { secret = {} .. 'hunter2' } }");
	silent("return { webhook = { secret = 'hunter2' < 1 } }");
	silent("return { webhook = { secret = ('hunter2')() } }");
	silent("return { webhook = { secret = ('hunter2').x.y } }");
	silent("hunter2 = 1");
	silent("OPENPR_hunter2_AND_MORE_THAN_THIRTY_BYTES = 1");
}

static void test_short_secrets_are_said(void **state)
{
	(void)state;
	trial_good("webhook = { secrets = { 'fifteen-bytes..', 'sixteen--bytes..' } }");
	assert_non_null(strstr(trial_warnings(), "webhook.secrets[1]: has fewer than 16 bytes"));
	assert_null(strstr(trial_warnings(), "webhook.secrets[2]"));
}

static void test_one_secret_is_needed_and_none_is_empty(void **state)
{
	(void)state;
	holds((trial_load("webhook = {}"), trial_mistakes()), "webhook.secret: is required");
	holds((trial_load("webhook = { secrets = {} }"), trial_mistakes()),
	      "webhook.secret: is required");
	trial_bad("webhook = { secret = '' }", "webhook.secret: must not be empty\n");
	trial_bad("webhook = { secrets = { env 'OPW_TEST_SECRET', '' } }",
		  "webhook.secrets[2]: must not be empty\n");
	trial_bad("webhook = { secret = env 'OPW_TEST_SECRET', secrets = { 'another-long-one' } }",
		  "webhook.secrets: stands beside webhook.secret: give one of them\n");
	trial_bad("webhook = { secret = '***' }",
		  "webhook.secret: is \"***\", which stands for a secret that was not printed\n");
	trial_bad(WEBHOOK "openpr = { api_url = 'http://h', token = '' }",
		  "openpr.token: must not be empty\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, trial_setup, trial_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_file_gives_its_text_without_the_line_break),
		TEST(test_a_file_that_others_reach_is_refused),
		TEST(test_credentials_of_the_service_manager_may_be_readable),
		TEST(test_files_that_cannot_be_read_are_named),
		TEST(test_a_literal_secret_asks_for_a_private_file),
		TEST(test_without_a_literal_secret_the_file_may_be_public),
		TEST(test_a_file_that_all_may_write_is_said),
		TEST(test_all_secrets_are_known_to_redact),
		TEST(test_secrets_of_a_bad_file_are_known_too),
		TEST(test_no_message_holds_a_secret),
		TEST(test_short_secrets_are_said),
		TEST(test_one_secret_is_needed_and_none_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
