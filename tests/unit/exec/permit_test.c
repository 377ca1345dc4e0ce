#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/permit.h"

/* The facts of each spelling are those of the CLIs' own --help. */

#define MOST 4

struct row {
	const char *executor;
	const char *arguments[MOST + 1];
};

static size_t count(const struct row *row)
{
	size_t n = 0;

	while (row->arguments[n])
		n++;
	return n;
}

static int ask(const struct row *row, bool full, struct err *err)
{
	const struct executor *executor = whitelist_find(row->executor);

	assert_non_null(executor);
	return permit_arguments(executor, row->arguments, count(row), full, err);
}

static void test_harmless(void **state)
{
	static const struct row rows[] = {
		{ "codex", { NULL } },
		{ "codex", { "--ephemeral" } },
		{ "codex", { "-c", "model_reasoning_effort=high", "--ephemeral" } },
		{ "codex", { "--config", "model_verbosity=low" } },
		{ "codex", { "--config=model_reasoning_summary=none" } },
		{ "claude-code", { "--max-turns", "12", "--max-budget-usd", "0.50" } },
		{ "claude-code", { "--max-turns=12", "--effort=high" } },
		{ "claude-code", { "--fallback-model", "claude-x.1" } },
		{ "claude-code", { "--append-system-prompt", "Answer in German.\nBe brief." } },
		{ "opencode", { "--title", "the title = x", "--variant", "max" } },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ask(&rows[i], false, &err) < 0)
			fail_msg("row %zu: %s", i, err.text);
}

/* Each of these needs "full". */
static const struct row dangerous[] = {
	/* permissions and sandboxes */
	{ "codex", { "--dangerously-bypass-approvals-and-sandbox" } },
	{ "codex", { "--yolo" } },
	{ "codex", { "-s", "danger-full-access" } },
	{ "codex", { "-sdanger-full-access" } },
	{ "codex", { "--sandbox=danger-full-access" } },
	{ "codex", { "-c", "sandbox_mode=danger-full-access" } },
	{ "codex", { "-csandbox_mode=danger-full-access" } },
	{ "codex", { "-c=sandbox_mode=danger-full-access" } },
	{ "codex", { "--config=sandbox_mode=danger-full-access" } },
	{ "codex", { "-c", "sandbox_workspace_write.network_access=true" } },
	{ "codex", { "-c", "approval_policy=never" } },
	{ "codex", { "--approve-for-me" } },
	{ "codex", { "--trust" } },
	{ "codex", { "--dangerously-bypass-hook-trust" } },
	{ "codex", { "--ignore-rules" } },
	{ "codex", { "--add-dir", "/" } },
	{ "codex", { "-C", "/" } },
	{ "codex", { "--cd=/" } },
	{ "claude-code", { "--dangerously-skip-permissions" } },
	{ "claude-code", { "--allow-dangerously-skip-permissions" } },
	{ "claude-code", { "--permission-mode", "bypassPermissions" } },
	{ "claude-code", { "--permission-mode=bypassPermissions" } },
	{ "claude-code", { "--allowedTools", "WebFetch" } },
	{ "claude-code", { "--allowed-tools=mcp__x" } },
	{ "claude-code", { "--tools", "default" } },
	{ "claude-code", { "--permission-prompts", "host" } },
	{ "claude-code", { "--add-dir", "/" } },
	{ "claude-code", { "--add-dir=/" } },
	{ "opencode", { "--auto" } },
	{ "opencode", { "--auto=true" } },
	{ "opencode", { "--dir", "/" } },
	{ "opencode", { "--agent", "build" } },
	/* programs, by servers, plugins, hooks and settings of others */
	{ "codex", { "-c", "mcp_servers.x={command=\"touch\",args=[\"/x\"]}" } },
	{ "codex", { "-cmcp_servers.x.command=touch" } },
	{ "codex", { "-c", "model_reasoning_effort.x=touch" } },
	{ "codex", { "-c", "model_reasoning_effort={a=1}" } },
	{ "codex", { "-c", "notify=[\"touch\"]" } },
	{ "codex", { "-p", "other" } },
	{ "codex", { "--profile=other" } },
	{ "codex", { "--enable", "plugins" } },
	{ "codex", { "--oss" } },
	{ "claude-code", { "--mcp-config", "{\"mcpServers\":{}}" } },
	{ "claude-code", { "--mcp-config=/tmp/x.json" } },
	{ "claude-code", { "--settings", "{\"hooks\":{}}" } },
	{ "claude-code", { "--settings=/tmp/settings.json" } },
	{ "claude-code", { "--setting-sources", "project" } },
	{ "claude-code", { "--plugin-dir", "/tmp" } },
	{ "claude-code", { "--plugin-url=http://x" } },
	{ "claude-code", { "--agents", "{}" } },
	{ "claude-code", { "--append-system-prompt-file", "/etc/passwd" } },
	{ "opencode", { "--attach", "http://x" } },
	{ "opencode", { "--command", "init" } },
	{ "opencode", { "--port", "1" } },
	/* files that would be read or written */
	{ "codex", { "-o", "/tmp/out" } },
	{ "codex", { "--output-last-message=/tmp/out" } },
	{ "codex", { "--output-schema", "/etc/passwd" } },
	{ "codex", { "-i", "/etc/passwd" } },
	{ "claude-code", { "--file", "x:y" } },
	{ "claude-code", { "--debug-file", "/tmp/x" } },
	{ "opencode", { "-f", "/etc/passwd" } },
	{ "opencode", { "--file=/etc/passwd" } },
	/* another conversation, command or prompt */
	{ "codex", { "resume", "1" } },
	{ "codex", { "mcp", "add" } },
	{ "codex", { "do this" } },
	{ "codex", { "--", "do this" } },
	{ "claude-code", { "/init" } },
	{ "claude-code", { "--resume", "1" } },
	{ "claude-code", { "-c" } },
	{ "opencode", { "--session", "ses_1" } },
	{ "opencode", { "--share" } },
	/* what only looks like a harmless one */
	{ "codex", { "--ephemeral=false" } },
	{ "codex", { "--ephemeralx" } },
	{ "codex", { "--eph" } },
	{ "codex", { "-c" } },
	{ "codex", { "-c", "--ephemeral" } },
	{ "codex", { "" } },
	{ "codex", { "-" } },
	{ "claude-code", { "--max-turns", "--dangerously-skip-permissions" } },
	{ "claude-code", { "--max-turns", "1e9" } },
	{ "claude-code", { "--effort", "high\n--yolo" } },
	{ "claude-code", { "--append-system-prompt", "--dangerously-skip-permissions", NULL } },
	{ "claude-code", { "--append-system-prompt=", "x" } },
	{ "claude-code", { "--effort", "high", "--settings=x" } },
	{ "opencode", { "--title" } },
};

static void test_dangerous(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(dangerous) / sizeof(dangerous[0]); i++) {
		if (ask(&dangerous[i], false, &err) == 0)
			fail_msg("row %zu: %s was let through", i, dangerous[i].arguments[0]);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.text, "permissions = \"full\""));
		if (ask(&dangerous[i], true, &err) < 0)
			fail_msg("row %zu, with full: %s", i, err.text);
	}
}

static void test_bounds_hold_with_full_too(void **state)
{
	const struct executor *codex = whitelist_find("codex");
	const char *many[PERMIT_ARGUMENTS + 1], *one = "\xff";
	static char large[PERMIT_ARGUMENT_MOST + 2];
	const char *too_large = large;
	struct err err;

	(void)state;
	for (size_t i = 0; i < PERMIT_ARGUMENTS + 1; i++)
		many[i] = "--ephemeral";
	assert_int_equal(permit_arguments(codex, many, PERMIT_ARGUMENTS, false, &err), 0);
	assert_int_equal(permit_arguments(codex, many, PERMIT_ARGUMENTS + 1, true, &err), -1);
	memset(large, 'x', PERMIT_ARGUMENT_MOST + 1);
	assert_int_equal(permit_arguments(codex, &too_large, 1, true, &err), -1);
	assert_int_equal(permit_arguments(codex, &one, 1, true, &err), -1);
}

static void test_variables(void **state)
{
	static const char *const always[] = { "LD_PRELOAD",   "LD_LIBRARY_PATH",
					      "LD_AUDIT",     "GLIBC_TUNABLES",
					      "NODE_OPTIONS", "BUN_OPTIONS",
					      "BASH_ENV",     "ENV" };
	static const char *const handlers[] = { "PATH",
						"HOME",
						"CODEX_HOME",
						"CLAUDE_CONFIG_DIR",
						"CLAUDECODE",
						"IS_SANDBOX",
						"OPENCODE_CONFIG_CONTENT",
						"OPENCODE_PERMISSION",
						"XDG_CONFIG_HOME",
						"GIT_SSH_COMMAND",
						"HTTPS_PROXY",
						"ANTHROPIC_BASE_URL" };
	static const char *const fine[] = { "ISSUE", "_x", "MY_KEY", "LANG", "LDX" };
	static const char *const none[] = { "", "A=B", "1A", "A B", "A\nB", "\xc3\xa9", "A-B" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
		assert_int_equal(permit_variable(always[i], PERMIT_CONFIG, false, &err), -1);
		assert_int_equal(permit_variable(always[i], PERMIT_HANDLER, false, &err), -1);
		assert_int_equal(permit_variable(always[i], PERMIT_HANDLER, true, &err), 0);
	}
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		assert_int_equal(permit_variable(handlers[i], PERMIT_CONFIG, false, &err), 0);
		assert_int_equal(permit_variable(handlers[i], PERMIT_HANDLER, false, &err), -1);
		assert_int_equal(permit_variable(handlers[i], PERMIT_HANDLER, true, &err), 0);
	}
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		assert_int_equal(permit_variable(fine[i], PERMIT_HANDLER, false, &err), 0);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(permit_variable(none[i], PERMIT_CONFIG, true, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_harmless),
		cmocka_unit_test(test_dangerous),
		cmocka_unit_test(test_bounds_hold_with_full_too),
		cmocka_unit_test(test_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
