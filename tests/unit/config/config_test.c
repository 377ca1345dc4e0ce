#include "support.h"

#include <pthread.h>

static void test_little_is_required(void **state)
{
	const struct config *config = trial_good(WEBHOOK);

	(void)state;
	assert_string_equal(config->webhook.listen, "0.0.0.0:8091");
	assert_int_equal(config->webhook.secret_count, 1);
	assert_string_equal(config->webhook.secrets[0], SECRET);
	assert_true(config->webhook.tolerance == 300000);
	assert_int_equal(config->webhook.max_body, 4 << 20);
	assert_int_equal(config->webhook.max_connections, 512);
	assert_true(config->webhook.head_timeout == 10000);
	assert_int_equal(config->webhook.max_unverified, 64 << 20);
	assert_false(config->features.cli_executor);
	assert_null(config->executor.working_dir);
	assert_string_equal(config->executor.path, getenv("PATH"));
	assert_true(config->executor.timeout == 900000);
	assert_true(config->executor.drain == 60000);
	assert_int_equal(config->executor.max_concurrent, 2);
	assert_false(config->executor.safe_mode);
	assert_null(config->openpr.api_url);
	assert_null(config->openpr.token);
	assert_int_equal(config->openpr.callback, CALLBACK_API);
	assert_int_equal(config->agent_count, 0);
	assert_int_equal(config->label_count, 0);
	assert_int_equal(config->queue.max_attempts, 2);
	assert_true(config->queue.keep == 30LL * 86400000);
	assert_int_equal(config->queue.max_output, 64 << 20);
	assert_true(config->policies.time_limit == 50);
	assert_int_equal(config->policies.memory_limit, 16 << 20);
}

static void test_relative_paths_begin_at_the_file(void **state)
{
	char expected[PATH_MAX + 64];
	const struct config *config = trial_good(WEBHOOK "policies = { dir = './my/../rules/' }, "
							 "templates = { dir = '/srv//tpl/.' }");

	(void)state;
	assert_string_equal(config->path, trial.path);
	assert_string_equal(config->folder, trial.folder);
	snprintf(expected, sizeof(expected), "%s/state/queue.db", trial.folder);
	assert_string_equal(config->queue.path, expected);
	snprintf(expected, sizeof(expected), "%s/state", trial.folder);
	assert_string_equal(config->queue.state_dir, expected);
	snprintf(expected, sizeof(expected), "%s/my/../rules", trial.folder);
	assert_string_equal(config->policies.dir, expected);
	assert_string_equal(config->templates_dir, "/srv/tpl");
	snprintf(expected, sizeof(expected), "%s/admin.sock", trial.folder);
	assert_string_equal(config->admin.socket, expected);
}

static void test_paths_do_not_depend_on_how_the_file_was_named(void **state)
{
	char before[PATH_MAX], expected[PATH_MAX + 64];

	(void)state;
	trial_good(WEBHOOK);
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(trial.folder), 0);
	snprintf(expected, sizeof(expected), "%s/state/queue.db", trial.folder);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = { "config.lua", "./config.lua", NULL };

		assert_int_equal(trial_read(names[i], false), 0);
		assert_string_equal(trial.config->path, trial.path);
		assert_string_equal(trial.config->queue.path, expected);
	}
	assert_int_equal(chdir(before), 0);
}

static void test_what_cannot_be_read_is_explained(void **state)
{
	char before[PATH_MAX];

	(void)state;
	assert_int_equal(trial_read("/nonexistent/config.lua", false), -1);
	assert_int_equal(trial.err.code, ERR_NOTFOUND);
	holds(trial.err.text, "/nonexistent/config.lua: ");
	holds(trial.err.text, "--config");
	assert_int_equal(trial.mistakes.len, 0);
	assert_int_equal(trial_read(trial.folder, false), -1);
	holds(trial.err.text, trial.folder);
	holds(trial.err.text, "is a folder");
	assert_int_equal(trial_read("/dev/zero", false), -1);
	holds(trial.err.text, "/dev/zero: not a regular file");
	if (access("/etc/openpr-webhook/config.lua", F_OK) == 0)
		return;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(trial.folder), 0);
	assert_int_equal(trial_read(NULL, false), -1);
	assert_int_equal(chdir(before), 0);
	assert_int_equal(trial.err.code, ERR_NOTFOUND);
	holds(trial.err.text, "/etc/openpr-webhook/config.lua");
}

static void test_every_mistake_in_one_go_sorted(void **state)
{
	(void)state;
	trial_bad("queue = { worker = 3, max_attempts = 1.5 }, "
		  "webhook = { secert = 'x', listen = 8091 }, "
		  "executor = { working_dir = '/', timeout_secs = '15m', timeout = 3 }, "
		  "features = { cli_executer = true }, "
		  "agents = { x = { type = 'cli', cli = 'bash' }, y = { cli = 'codex' } }, "
		  "polices = {}",
		  "agents.x.cli: \"bash\" is not one of codex, claude-code, opencode\n"
		  "agents.y.type: is required\n"
		  "executor.timeout: is not an option; did you mean \"timeout_secs\"?\n"
		  "executor.timeout_secs: expected a number, got a text\n"
		  "features.cli_executer: is not an option; did you mean \"cli_executor\"?\n"
		  "polices: is not an option; did you mean \"policies\"?\n"
		  "queue.max_attempts: must be a whole number\n"
		  "queue.worker: is not an option; there are path, max_attempts, keep_days, "
		  "max_output\n"
		  "webhook.listen: expected a text, got a number\n"
		  "webhook.secert: is not an option; did you mean \"secret\"?\n"
		  "webhook.secret: is required: the secret that OpenPR signs with, as env "
		  "\"OPENPR_WEBHOOK_SECRET\"\n");
	holds(trial.err.text, "config.lua: 11 mistakes");
}

static void test_an_unset_variable_is_a_mistake_only_when_serving(void **state)
{
	(void)state;
	trial_bad("webhook = { secret = env 'OPW_TEST_UNSET' }, "
		  "openpr = { api_url = 'http://h', token = 'Bearer-' .. env 'OPW_TEST_UNSET' }",
		  "openpr.token: environment variable OPW_TEST_UNSET is not set\n"
		  "webhook.secret: environment variable OPW_TEST_UNSET is not set\n");
	assert_int_equal(trial_read(trial.path, true), 0);
	assert_int_equal(trial.config->webhook.secret_count, 0);
	assert_null(trial.config->openpr.token);
	holds(trial_warnings(), "webhook.secret: environment variable OPW_TEST_UNSET is not set\n");
	holds(trial_warnings(), "openpr.token: environment variable OPW_TEST_UNSET is not set\n");
	/* Set to nothing is not unset: a mistake for all. */
	setenv("OPW_TEST_UNSET", "", 1);
	assert_int_equal(trial_read(trial.path, true), -1);
	holds(trial_mistakes(), "webhook.secret: must not be empty\n");
}

static void test_a_tolerant_reader_gets_what_can_be_told(void **state)
{
	const struct config_options options = { .path = trial.path, .tolerant = true };
	char expected[PATH_MAX + 16];

	(void)state;
	trial_load("nonsense = 1");
	trial_forget();
	assert_int_equal(
	    config_load(&options, &trial.config, &trial.mistakes, &trial.warnings, &trial.err), 0);
	holds(trial_mistakes(), "nonsense: is not an option");
	snprintf(expected, sizeof(expected), "%s/admin.sock", trial.folder);
	assert_string_equal(trial.config->admin.socket, expected);
	/* Not what it needs itself. */
	trial_load("queue = { path = 7 }");
	trial_forget();
	assert_int_equal(
	    config_load(&options, &trial.config, &trial.mistakes, &trial.warnings, &trial.err), -1);
	assert_null(trial.config);
}

static void safe_mode_is(const char *word, const char *file, bool expected)
{
	char lua[256];

	if (word)
		setenv("OPENPR_WEBHOOK_SAFE_MODE", word, 1);
	else
		unsetenv("OPENPR_WEBHOOK_SAFE_MODE");
	snprintf(lua, sizeof(lua), WEBHOOK "executor = { safe_mode = %s }", file);
	if (trial_good(lua)->executor.safe_mode != expected)
		fail_msg("OPENPR_WEBHOOK_SAFE_MODE=%s over %s", word, file);
}

static void test_the_environment_wins_over_safe_mode(void **state)
{
	static const char *const on[] = { "1", "true", "yes", "on", "TRUE", "Yes", " on\n" };
	static const char *const off[] = { "0", "false", "no", "OFF" };

	(void)state;
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++)
		safe_mode_is(on[i], "false", true);
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
		safe_mode_is(off[i], "true", false);
	safe_mode_is(NULL, "true", true);
	safe_mode_is(NULL, "false", false);
	safe_mode_is("  ", "true", true);
	/* Who sets it to anything else meant to be safe. */
	safe_mode_is("ture", "false", true);
	holds(trial_warnings(), "OPENPR_WEBHOOK_SAFE_MODE: is neither on nor off");
}

static void *share(void *arg)
{
	for (int i = 0; i < 10000; i++)
		config_unref(config_ref(arg));
	return NULL;
}

static void test_threads_share_a_config(void **state)
{
	pthread_t threads[4];

	(void)state;
	trial_good(WEBHOOK);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, share, trial.config), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_string_equal(trial.config->webhook.listen, "0.0.0.0:8091");
	config_unref(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, trial_setup, trial_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_little_is_required),
		TEST(test_relative_paths_begin_at_the_file),
		TEST(test_paths_do_not_depend_on_how_the_file_was_named),
		TEST(test_what_cannot_be_read_is_explained),
		TEST(test_every_mistake_in_one_go_sorted),
		TEST(test_an_unset_variable_is_a_mistake_only_when_serving),
		TEST(test_a_tolerant_reader_gets_what_can_be_told),
		TEST(test_the_environment_wins_over_safe_mode),
		TEST(test_threads_share_a_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
