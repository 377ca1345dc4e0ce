#include "support.h"

#include <sys/resource.h>
#include <sys/wait.h>

#define AGENT(name, dir) name " = { type = 'cli', cli = 'codex', working_dir = '" dir "' }, "
#define ON "features = { cli_executor = true }, "

static void test_a_working_dir_must_be_there_when_serving(void **state)
{
	char expected[2 * PATH_MAX + 128];

	(void)state;
	trial_file("plain", "", 0644);
	assert_int_equal(trial_load(WEBHOOK ON "agents = { " AGENT("a", "gone") AGENT("b", "plain")
					AGENT("c", "plain/below") "}"),
			 -1);
	snprintf(expected, sizeof(expected),
		 "agents.a.working_dir: %s/gone does not exist\n"
		 "agents.b.working_dir: %s/plain is not a folder\n",
		 trial.folder, trial.folder);
	holds(trial_mistakes(), expected);
	holds(trial_mistakes(), "plain/below does not exist\n");
	assert_int_equal(trial_read(trial.path, true), 0);
	holds(trial_warnings(), "gone does not exist\n");
}

static void test_with_the_gate_off_it_is_a_warning(void **state)
{
	(void)state;
	trial_good(WEBHOOK "agents = { " AGENT("a", "gone") "}");
	holds(trial_warnings(), "gone does not exist\n");
}

static void test_a_shared_folder_is_named_once(void **state)
{
	(void)state;
	assert_int_equal(trial_load(WEBHOOK ON "executor = { working_dir = 'gone' }, agents = { "
					       "a = { type = 'cli', cli = 'codex' }, "
					       "b = { type = 'cli', cli = 'codex' } }"),
			 -1);
	assert_non_null(strstr(trial_mistakes(), "executor.working_dir: "));
	assert_ptr_equal(strchr(trial_mistakes(), '\n') + 1,
			 trial_mistakes() + strlen(trial_mistakes()));
}

static void test_a_cli_agent_needs_a_folder(void **state)
{
	(void)state;
	trial_bad(WEBHOOK "agents = { a = { type = 'cli', cli = 'codex' } }",
		  "agents.a.working_dir: is required: the checkout it works in (or "
		  "executor.working_dir for all)\n");
}

static void test_folders_that_overlap_are_said(void **state)
{
	char link[PATH_MAX + 16], target[PATH_MAX + 16];

	(void)state;
	trial_folder("one");
	trial_folder("one/inner");
	trial_folder("one-more");
	snprintf(link, sizeof(link), "%s/link", trial.folder);
	snprintf(target, sizeof(target), "%s/one/inner", trial.folder);
	assert_int_equal(symlink(target, link), 0);
	trial_good(WEBHOOK ON "agents = { " AGENT("a", "one") AGENT("b", "one-more")
		       AGENT("c", "one/inner") AGENT("d", "link/..") "}");
	holds(trial_warnings(),
	      "agents.c.working_dir: shares files with that of agents.a: they run one at a time\n");
	holds(trial_warnings(),
	      "agents.d.working_dir: shares files with that of agents.a: they run one at a time\n");
	assert_null(strstr(trial_warnings(), "agents.b.working_dir: shares"));
}

static void test_own_files_within_reach_of_an_agent_are_said(void **state)
{
	(void)state;
	trial_folder("state");
	trial_good(WEBHOOK ON "agents = { " AGENT("a", ".") "}");
	holds(trial_warnings(), "agents.a.working_dir: holds this config.lua");
	holds(trial_warnings(), "queue.path: lies in the folder that agents.a works in");
	trial_folder("work");
	trial_good(WEBHOOK ON "agents = { " AGENT("a", "work") "}");
	assert_null(strstr(trial_warnings(), "queue.path"));
	assert_null(strstr(trial_warnings(), "holds this"));
}

static void test_connections_must_fit_the_descriptors(void **state)
{
	struct rlimit before, limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = limit.rlim_max = 1000;
	/* In a child: a hard limit that was lowered cannot be raised again. */
	const pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_NOFILE, &limit);
		trial_load("webhook = { secret = env 'OPW_TEST_SECRET', max_connections = 808 }");
		const bool fits = trial.rc == 0;

		trial_load("webhook = { secret = env 'OPW_TEST_SECRET', max_connections = 809 }");
		const bool named =
		    strncmp(trial_mistakes(), "webhook.max_connections: 809 ", 29) == 0;

		trial_forget();
		_exit(fits && named ? 0 : 1);
	}
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_named_folders_that_are_not_there_are_said(void **state)
{
	(void)state;
	trial_good(WEBHOOK "policies = { dir = 'mine' }");
	holds(trial_warnings(), "policies.dir: there is no folder ");
	trial_folder("mine");
	trial_good(WEBHOOK "policies = { dir = 'mine' }");
	assert_null(strstr(trial_warnings(), "policies.dir"));
}

#define TUNNEL                                                                                     \
	WEBHOOK "features = { wss_tunnel = true }, tunnel = { agent_id = 'h', token = 'token-1', "

static void test_the_tunnel_needs_its_gate_and_its_parts(void **state)
{
	(void)state;
	trial_good(WEBHOOK "tunnel = { url = 'wss://h/x', token = 'tunnel-token' }");
	holds(trial_warnings(), "tunnel: is not used: features.wss_tunnel is off\n");
	trial_bad(WEBHOOK "features = { wss_tunnel = true }",
		  "tunnel: is required with features.wss_tunnel: url, agent_id and token\n");
	trial_bad(WEBHOOK "features = { wss_tunnel = true }, tunnel = { heartbeat_secs = 1 }",
		  "tunnel.agent_id: is required with features.wss_tunnel\n"
		  "tunnel.token: is required with features.wss_tunnel\n"
		  "tunnel.url: is required with features.wss_tunnel\n");
	trial_good(TUNNEL "url = 'wss://h/x?y=z', hmac_secret = 'a-long-enough-secret' }");
	assert_null(strstr(trial_warnings(), "tunnel"));
	trial_good(TUNNEL "url = 'wss://h/x' }");
	holds(trial_warnings(), "tunnel.hmac_secret: is not set: ");
	trial_bad(TUNNEL "url = 'wss://h/x', client_key = '/dev/null' }",
		  "tunnel.client_cert: is required with client_key\n");
	trial_bad(TUNNEL "url = 'wss://h/x', ca_file = '/nowhere.pem' }",
		  "tunnel.ca_file: /nowhere.pem: No such file or directory\n");
	trial_bad(TUNNEL "url = 'wss://h/x', proxy = 'https://user:secret-1@h:1' }",
		  "tunnel.proxy: is not a URL such as http://proxy.example.com:3128\n");
	trial_good(TUNNEL "url = 'wss://h/x', proxy = 'http://user:secret-1@h:1' }");
	trial_bad(TUNNEL "url = 'https://h/x' }",
		  "tunnel.url: \"https://h/x\" is not a URL such as "
		  "wss://openpr.example.com/api/v1/agent-tunnel\n");
	trial_bad(TUNNEL "url = 'wss://h/x#y' }",
		  "tunnel.url: \"wss://h/x#y\" is not a URL such as "
		  "wss://openpr.example.com/api/v1/agent-tunnel\n");
}

static void test_a_tunnel_in_the_clear_is_for_this_machine(void **state)
{
	static const char *const here[] = { "127.0.0.1:80/x", "127.255.0.9/", "localhost",
					    "[::1]:9/x", "LOCALHOST:1" };
	static const char *const elsewhere[] = { "127.0.0.1.example.com/", "10.0.0.1", "[::2]:9/x",
						 "127.1.example", "localhost.example" };
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
		snprintf(text, sizeof(text), TUNNEL "url = 'ws://%s' }", here[i]);
		trial_good(text);
	}
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
		snprintf(text, sizeof(text), TUNNEL "url = 'ws://%s' }", elsewhere[i]);
		trial_bad(text, "tunnel.url: ws:// is not encrypted: take wss://, or "
				"allow_insecure = true\n");
		snprintf(text, sizeof(text), TUNNEL "url = 'ws://%s', allow_insecure = true }",
			 elsewhere[i]);
		trial_good(text);
		holds(trial_warnings(), "tunnel.allow_insecure: lets whoever is in between ");
	}
}

static void test_handlers_are_named(void **state)
{
	static const char *const bad[] = {
		"/etc/x.lua",	     "policies/x.lua",		"policies/agents/../x.lua",
		"policies/agents/x", "policies/agents/a/b.lua", "policies/agents/.x.lua",
		"agents/x.lua"
	};
	char lua[256];

	(void)state;
	trial_good(WEBHOOK "agents = { b = { type = 'custom', handler = "
			   "'policies/agents/triage.lua' } }");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(lua, sizeof(lua),
			 WEBHOOK "agents = { b = { type = 'custom', handler = '%s' } }", bad[i]);
		assert_int_equal(trial_load(lua), -1);
		holds(trial_mistakes(), "is not the name of a handler");
	}
	trial_bad(WEBHOOK "agents = { b = { type = 'custom', url = 'x', cli = 'codex' } }",
		  "agents.b.cli: is an option of type cli, and this is \"custom\"\n"
		  "agents.b.handler: is required\n"
		  "agents.b.url: is an option of type openclaw, openprx, webhook, and this is "
		  "\"custom\"\n");
}

static void test_callbacks_need_addresses(void **state)
{
	(void)state;
	trial_bad(WEBHOOK "openpr = { callback = 'mcp' }",
		  "openpr.api_url: is required with callback = \"mcp\", too: AI tasks end over "
		  "REST\nopenpr.mcp_url: is required with callback = \"mcp\"\n");
	trial_bad(WEBHOOK "openpr = { callback = 'api' }",
		  "openpr.api_url: is required with callback = \"api\"\n");
	trial_bad(WEBHOOK "openpr = { api_url = 'ftp://h', mcp_url = 'http://' }",
		  "openpr.api_url: \"ftp://h\" is not a URL such as http://127.0.0.1:8081\n"
		  "openpr.mcp_url: \"http://\" is not a URL such as "
		  "http://127.0.0.1:8090/mcp/rpc\n");
	trial_good(WEBHOOK "openpr = { api_url = 'http://h' }");
	holds(trial_warnings(), "openpr.token: is not set");
	trial_good(WEBHOOK);
	holds(trial_warnings(), "openpr.api_url: is not set: nothing is reported");
}

static void test_agents_are_told_apart(void **state)
{
	(void)state;
	trial_bad(WEBHOOK "executor = { working_dir = '/' }, agents = { "
			  "Fixer = { type = 'cli', cli = 'codex', "
			  "  bots = { '3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f' } }, "
			  "fixer = { type = 'cli', cli = 'codex' }, "
			  "other = { type = 'cli', cli = 'codex', "
			  "  bots = { '3F7A9C12-5D4E-4B8A-9C6F-0A1B2C3D4E5F', 'ai-fixer' } }, "
			  "['../x'] = {}, [''] = {}, { type = 'cli' } }",
		  "agents.fixer: differs from agents.Fixer only in upper and lower case\n"
		  "agents.other.bots[1]: belongs to agents.Fixer already\n"
		  "agents.other.bots[2]: \"ai-fixer\" is not the id of a bot (a UUID)\n"
		  "agents[\"\"]: is no name for an agent: letters, digits, _, - and . are, 64 at "
		  "most\n"
		  "agents[\"../x\"]: is no name for an agent: letters, digits, _, - and . are, 64 "
		  "at most\n"
		  "agents[1]: needs a name: write NAME = ...\n");
}

static void test_full_permissions_are_said(void **state)
{
	(void)state;
	trial_good(WEBHOOK "agents = { a = { type = 'cli', cli = 'codex', working_dir = '/tmp', "
			   "permissions = 'full' } }");
	holds(trial_warnings(), "agents.a.permissions: \"full\" lets the agent do");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, trial_setup, trial_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_working_dir_must_be_there_when_serving),
		TEST(test_with_the_gate_off_it_is_a_warning),
		TEST(test_a_shared_folder_is_named_once),
		TEST(test_a_cli_agent_needs_a_folder),
		TEST(test_folders_that_overlap_are_said),
		TEST(test_own_files_within_reach_of_an_agent_are_said),
		TEST(test_connections_must_fit_the_descriptors),
		TEST(test_named_folders_that_are_not_there_are_said),
		TEST(test_handlers_are_named),
		TEST(test_the_tunnel_needs_its_gate_and_its_parts),
		TEST(test_a_tunnel_in_the_clear_is_for_this_machine),
		TEST(test_callbacks_need_addresses),
		TEST(test_agents_are_told_apart),
		TEST(test_full_permissions_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
