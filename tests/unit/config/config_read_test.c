#include "support.h"

static const char everything[] =
    "webhook = { listen = '[::1]:9000', secrets = { env 'OPW_TEST_SECRET', 'another-old-secret' }, "
    "  tolerance = 1 * minutes, max_body = 128 * KiB, max_connections = 20, "
    "  head_timeout = 2500 * milliseconds, max_unverified = 2 * MiB }, "
    "features = { cli_executor = true, wss_tunnel = false }, "
    "executor = { working_dir = 'work', timeout_secs = 60, max_concurrent = 3, path = '/opt/bin', "
    "  drain_secs = 0, safe_mode = true }, "
    "openpr = { api_url = 'http://127.0.0.1:8081/', token = 'opr_1234567890', callback = 'mcp', "
    "  mcp_url = 'https://h:1/mcp/rpc', "
    "  bots = { zeta = { token = 'opr_zeta_token' }, ['ai fixer'] = { token = 'opr_fixer_tok' } } "
    "}, "
    "agents = { "
    "  zoe = { type = 'cli', cli = 'opencode' }, "
    "  default = { type = 'cli', cli = 'codex', working_dir = 'own', prompt_template = 'p.md', "
    "    mention_template = 'm.md', model = 'large', permissions = 'full', "
    "    bots = { '3F7A9C12-5d4e-4b8a-9c6f-0a1b2c3d4e5f' }, "
    "    trust_repository = true, env = { LANG = 'C', EMPTY = '', API_KEY = 'key-of-provider' }, "
    "    timeout_secs = 2 * hours, max_concurrent = 1 } }, "
    "labels = { ['1A2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d'] = 'security' }, "
    "queue = { path = '/var/lib/x/q.db', max_attempts = 5, keep_days = 1.5, max_output = 1 * GiB "
    "}, "
    "policies = { time_limit = 0.2, memory_limit = 8 * MiB }, "
    "admin = { listen = 'unix:/run/x/a.sock' }";

static const struct config *load_everything(void)
{
	trial_folder("work");
	trial_folder("own");
	return trial_good(everything);
}

static void test_plain_values(void **state)
{
	const struct config *config = load_everything();

	(void)state;
	assert_string_equal(config->webhook.listen, "[::1]:9000");
	assert_true(config->webhook.tolerance == 60000);
	assert_int_equal(config->webhook.max_body, 128 << 10);
	assert_int_equal(config->webhook.max_connections, 20);
	assert_true(config->webhook.head_timeout == 2500);
	assert_int_equal(config->webhook.max_unverified, 2 << 20);
	assert_true(config->features.cli_executor);
	assert_true(config->executor.timeout == 60000);
	assert_int_equal(config->executor.max_concurrent, 3);
	assert_string_equal(config->executor.path, "/opt/bin");
	assert_true(config->executor.drain == 0);
	assert_true(config->executor.safe_mode);
	assert_string_equal(config->queue.path, "/var/lib/x/q.db");
	assert_string_equal(config->queue.state_dir, "/var/lib/x");
	assert_int_equal(config->queue.max_attempts, 5);
	assert_true(config->queue.keep == 129600000);
	assert_int_equal(config->queue.max_output, 1 << 30);
	assert_true(config->policies.time_limit == 200);
	assert_int_equal(config->policies.memory_limit, 8 << 20);
	assert_string_equal(config->admin.socket, "/run/x/a.sock");
}

static void test_secrets_come_in_order(void **state)
{
	const struct config *config = load_everything();

	(void)state;
	assert_int_equal(config->webhook.secret_count, 2);
	assert_string_equal(config->webhook.secrets[0], SECRET);
	assert_string_equal(config->webhook.secrets[1], "another-old-secret");
}

static void test_openpr(void **state)
{
	const struct config *config = load_everything();

	(void)state;
	assert_string_equal(config->openpr.api_url, "http://127.0.0.1:8081");
	assert_string_equal(config->openpr.token, "opr_1234567890");
	assert_int_equal(config->openpr.callback, CALLBACK_MCP);
	assert_string_equal(config->openpr.mcp_url, "https://h:1/mcp/rpc");
	assert_int_equal(config->openpr.bot_count, 2);
	assert_string_equal(config->openpr.bots[0].name, "ai fixer");
	assert_string_equal(config->openpr.bots[0].token, "opr_fixer_tok");
	assert_string_equal(config->openpr.bots[1].name, "zeta");
	assert_int_equal(config->label_count, 1);
	assert_string_equal(config->labels[0].name, "1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d");
	assert_string_equal(config->labels[0].value, "security");
}

static void test_agents_are_sorted_and_inherit(void **state)
{
	const struct config *config = load_everything();
	char expected[PATH_MAX + 16];

	(void)state;
	assert_int_equal(config->agent_count, 2);
	assert_string_equal(config->agents[0].name, "default");
	const struct config_agent *zoe = config_agent(config, "zoe");

	assert_ptr_equal(zoe, &config->agents[1]);
	assert_string_equal(zoe->type, "cli");
	assert_string_equal(zoe->cli, "opencode");
	snprintf(expected, sizeof(expected), "%s/work", trial.folder);
	assert_string_equal(zoe->working_dir, expected);
	assert_string_equal(zoe->prompt_template, "default.txt");
	assert_string_equal(zoe->mention_template, "mention.txt");
	assert_null(zoe->model);
	assert_int_equal(zoe->bot_count, 0);
	assert_int_equal(zoe->permissions, PERMISSIONS_WORKSPACE);
	assert_false(zoe->trust_repository);
	assert_int_equal(zoe->env_count, 0);
	assert_true(zoe->timeout == 60000);
	assert_int_equal(zoe->max_concurrent, 0);
	assert_null(config_agent(config, "ZOE"));
	assert_null(config_agent(config, ""));
}

static void test_an_agent_says_all_itself(void **state)
{
	const struct config_agent *agent = config_agent(load_everything(), "default");
	char expected[PATH_MAX + 16];

	(void)state;
	snprintf(expected, sizeof(expected), "%s/own", trial.folder);
	assert_string_equal(agent->working_dir, expected);
	assert_string_equal(agent->prompt_template, "p.md");
	assert_string_equal(agent->mention_template, "m.md");
	assert_string_equal(agent->model, "large");
	assert_int_equal(agent->bot_count, 1);
	assert_string_equal(agent->bots[0], "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f");
	assert_int_equal(agent->permissions, PERMISSIONS_FULL);
	assert_true(agent->trust_repository);
	assert_int_equal(agent->env_count, 3);
	assert_string_equal(agent->env[0].name, "API_KEY");
	assert_string_equal(agent->env[0].value, "key-of-provider");
	assert_string_equal(agent->env[1].name, "EMPTY");
	assert_string_equal(agent->env[1].value, "");
	assert_string_equal(agent->env[2].name, "LANG");
	assert_true(agent->timeout == 7200000);
	assert_int_equal(agent->max_concurrent, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, trial_setup, trial_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_values),
		TEST(test_secrets_come_in_order),
		TEST(test_openpr),
		TEST(test_agents_are_sorted_and_inherit),
		TEST(test_an_agent_says_all_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
