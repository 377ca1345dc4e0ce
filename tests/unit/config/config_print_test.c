#include "support.h"

static char *printed(void)
{
	struct buf out = { 0 };
	struct err err;

	assert_int_equal(config_print(trial.config, &out, &err), 0);
	return buf_take(&out, NULL);
}

/* Loads it, prints it, loads what was printed, and prints that: the same text. */
static void round_trip(const char *lua)
{
	if (trial_good(lua) == NULL)
		return;
	char *first = printed();

	trial_file("printed.lua", first, 0644);
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/printed.lua", trial.folder);
	if (trial_read(path, true) < 0)
		fail_msg("%s\n%s\nin:\n%s", trial.err.text, trial_mistakes(), first);
	char *second = printed();

	assert_string_equal(first, second);
	free(first);
	free(second);
}

static void test_defaults_are_filled_in(void **state)
{
	(void)state;
	trial_good(WEBHOOK);
	char *text = printed();

	holds(text,
	      "return {\n  webhook = {\n    listen = \"0.0.0.0:8091\",\n    secret = \"***\",\n"
	      "    tolerance = 5 * minutes,\n    max_body = 4 * MiB,\n");
	holds(text, "    timeout_secs = 900,\n");
	holds(text, "    keep_days = 30,\n");
	holds(text, "    time_limit = 50 * milliseconds,\n");
	holds(text, "    cli_executor = false,\n");
	holds(text, trial.folder);
	assert_null(strstr(text, SECRET));
	free(text);
}

static void test_what_is_printed_can_be_read(void **state)
{
	(void)state;
	round_trip(WEBHOOK);
	round_trip("webhook = { secrets = { 'one-secret-one-secret', 'x' } }, "
		   "openpr = { api_url = 'http://h', token = 'opr_1', "
		   "  bots = { ['a \"b\" \\\\'] = { token = 't-o-k' } } }, "
		   "executor = { working_dir = '/', drain_secs = 0, timeout_secs = 0.5 * hours }, "
		   "agents = { ['end'] = { type = 'cli', cli = 'codex', "
		   "  model = 'say \"x\" or \\\\', "
		   "  bots = { '3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f' }, "
		   "  env = { LANG = 'a\\nb\\r\\tc', API_KEY = 'sk-key-key-key' } }, "
		   "  ['a-b.c'] = { type = 'cli', cli = 'opencode' } }, "
		   "labels = { ['1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d'] = 'caf\xc3\xa9' }, "
		   "queue = { max_output = 65537, keep_days = 0.5 * 4 }, "
		   "policies = { time_limit = 1 * seconds + 1 * milliseconds }, "
		   "tunnel = { url = 'wss://h', token = 'tunnel-token' }");
}

static void test_no_secret_is_printed(void **state)
{
	(void)state;
	trial_good("webhook = { secrets = { 'secret-number-one', 'secret-number-two' } }, "
		   "openpr = { api_url = 'http://h', token = 'secret-token', "
		   "  bots = { b = { token = 'secret-of-bot' } } }, "
		   "tunnel = { token = 'secret-tunnel', hmac_secret = 'secret-frames' }, "
		   "agents = { a = { type = 'cli', cli = 'codex', working_dir = '/', "
		   "  env = { API_KEY = 'secret-key', LANG = 'C.UTF-8', "
		   "  PLAIN = 'x' .. env 'OPW_TEST_SECRET' } } }");
	char *text = printed();

	assert_null(strstr(text, "secret-"));
	assert_null(strstr(text, SECRET));
	holds(text, "    secrets = { \"***\", \"***\" },\n");
	holds(text, "LANG = \"C.UTF-8\",\n");
	holds(text, "PLAIN = \"***\",\n");
	free(text);
}

static void test_an_unset_secret_looks_like_a_set_one(void **state)
{
	(void)state;
	trial_file("config.lua",
		   "return { webhook = { secrets = { env 'OPW_TEST_UNSET', env 'OPW_TEST_SECRET' } "
		   "}, openpr = { api_url = 'http://h', token = env 'OPW_TEST_UNSET' } }",
		   0600);
	assert_int_equal(trial_read(trial.path, true), 0);
	char *text = printed();

	holds(text, "secrets = { \"***\", \"***\" },\n");
	holds(text, "token = \"***\",\n");
	free(text);
}

static void test_the_reference_in_docs_is_not_stale(void **state)
{
	static char committed[1 << 16];
	struct buf out = { 0 };
	struct err err;

	(void)state;
	if (config_reference(&out, &err) < 0)
		fail_msg("%s", err.text);
	FILE *file = fopen(TEST_SOURCE_DIR "/docs/config.md", "re");

	assert_non_null(file);
	committed[fread(committed, 1, sizeof(committed) - 1, file)] = '\0';
	fclose(file);
	if (strcmp(committed, out.bytes) != 0)
		fail_msg("docs/config.md is stale: openpr-webhook print-reference >docs/config.md");
	buf_done(&out);
}

/* With "reference": prints what docs/config.md must be. */
static int print_reference(void)
{
	struct buf out = { 0 };
	struct err err;

	if (config_reference(&out, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	fputs(out.bytes, stdout);
	buf_done(&out);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, trial_setup, trial_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults_are_filled_in),
		TEST(test_what_is_printed_can_be_read),
		TEST(test_no_secret_is_printed),
		TEST(test_an_unset_secret_looks_like_a_set_one),
		TEST(test_the_reference_in_docs_is_not_stale),
	};

	if (argc > 1 && strcmp(argv[1], "reference") == 0)
		return print_reference();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
