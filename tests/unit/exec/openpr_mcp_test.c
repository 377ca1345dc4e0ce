#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "exec/openpr_mcp.h"

/* The texts are those that the real CLIs were seen to connect with. */

#define URL "http://127.0.0.1:8090/mcp/rpc"

static void test_arguments(void **state)
{
	struct strings argv = { 0 };

	(void)state;
	assert_int_equal(openpr_mcp_codex(URL "?a=\"b\"", &argv), 0);
	assert_string_equal(argv.items[1],
			    "mcp_servers.openpr={url=\"" URL "?a=\\\"b\\\"\",bearer_token_env_var="
			    "\"OPENPR_MCP_TOKEN\",default_tools_approval_mode=\"approve\","
			    "enabled_tools=[\"work_items.get\",\"work_items.update\","
			    "\"comments.list\",\"comments.create\"]}");
	assert_int_equal(openpr_mcp_claude(URL, &argv), 0);
	assert_string_equal(argv.items[2], "--mcp-config");
	assert_string_equal(
	    argv.items[3],
	    "{\"mcpServers\":{\"openpr\":{\"type\":\"http\",\"url\":\"" URL "\",\"headers\":"
	    "{\"Authorization\":\"Bearer ${OPENPR_MCP_TOKEN}\"},\"alwaysLoad\":true}}}");
	assert_int_equal(openpr_mcp_codex(NULL, &argv) | openpr_mcp_claude(NULL, &argv), 0);
	assert_int_equal(argv.count, 4);
	strings_done(&argv);
}

static const char *value_of(const struct strings *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strncmp(list->items[i], name, strlen(name)) == 0)
			return list->items[i] + strlen(name) + 1;
	return NULL;
}

/* What opencode is told when the agent's own settings are `own`; NULL when that is refused. */
static json_t *opencode(const char *own)
{
	struct strings environment = { 0 };
	struct err err;
	json_t *content = NULL;

	if (own)
		assert_int_equal(strings_set(&environment, "OPENCODE_CONFIG_CONTENT", own), 0);
	if (openpr_mcp_environment(whitelist_find("opencode"), URL, "t0ken", &environment, &err) ==
	    0) {
		const char *text = value_of(&environment, "OPENCODE_CONFIG_CONTENT");
		assert_null(strstr(text, "t0ken"));
		assert_string_equal(value_of(&environment, "OPENPR_MCP_TOKEN"), "t0ken");
		content = json_parse(text, strlen(text), &err);
		assert_non_null(content);
	} else {
		assert_non_null(strstr(err.text, "OPENCODE_CONFIG_CONTENT"));
	}
	strings_done(&environment);
	return content;
}

static void test_opencode_keeps_its_own_settings(void **state)
{
	static const char *const owns[] = {
		NULL,
		"",
		"{}",
		"{\"model\":\"x/m\"}",
		"{\"mcp\":{\"other\":{\"type\":\"local\"}},\"permission\":{\"bash\":\"deny\"}}",
		"{\"permission\":\"allow\",\"mcp\":7}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(owns) / sizeof(owns[0]); i++) {
		json_t *content = opencode(owns[i]);
		assert_string_equal(json_str(content, "mcp.openpr.url"), URL);
		assert_string_equal(json_str(content, "mcp.openpr.headers.Authorization"),
				    "Bearer {env:OPENPR_MCP_TOKEN}");
		assert_string_equal(json_str(content, "permission.openpr_comments_create"),
				    "allow");
		assert_string_equal(json_str(content, "permission.openpr_*"), "deny");
		if (i == 3)
			assert_string_equal(json_str(content, "model"), "x/m");
		if (i == 4) {
			assert_string_equal(json_str(content, "mcp.other.type"), "local");
			assert_string_equal(json_str(content, "permission.bash"), "deny");
		}
		if (i == 5)
			assert_string_equal(json_str(content, "permission.*"), "allow");
		json_decref(content);
	}
	assert_null(opencode("not JSON"));
	assert_null(opencode("[]"));
}

static void test_who_is_given_none(void **state)
{
	static const struct executor plain = { .name = "own", .stream = STREAM_PLAIN };
	struct strings environment = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(openpr_mcp_environment(&plain, NULL, NULL, &environment, &err), 0);
	assert_int_equal(environment.count, 0);
	assert_int_equal(openpr_mcp_environment(&plain, URL, "t", &environment, &err), -1);
	assert_string_equal(err.text, "own cannot be given OpenPR's MCP server");
	assert_int_equal(environment.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_opencode_keeps_its_own_settings),
		cmocka_unit_test(test_who_is_given_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
