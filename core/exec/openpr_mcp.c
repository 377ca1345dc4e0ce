#include "exec/openpr_mcp.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "exec/argv.h"

#define CONTENT "OPENCODE_CONFIG_CONTENT"

static int add_pair(struct strings *argv, const char *option, const char *value)
{
	return strings_add(argv, option) < 0 || strings_add(argv, value) < 0 ? -1 : 0;
}

/*
 * In its sandbox codex refuses every call of a tool that is not approved beforehand.  A server that
 * is away does not fail the run: the daemon reports what the agent could not.
 */
int openpr_mcp_codex(const char *url, struct strings *argv)
{
	struct buf setting = { 0 };

	if (!url)
		return 0;
	int rc = buf_appendf(&setting, "mcp_servers.openpr={url=");
	if (rc == 0)
		rc = argv_toml(&setting, url);
	if (rc == 0)
		rc = buf_appendf(
		    &setting,
		    ",bearer_token_env_var=\"%s\",default_tools_approval_mode=\"approve\","
		    "enabled_tools=[\"work_items.get\",\"work_items.update\","
		    "\"comments.list\",\"comments.create\"]}",
		    OPENPR_MCP_VARIABLE);
	if (rc == 0)
		rc = add_pair(argv, "-c", setting.bytes);
	buf_done(&setting);
	return rc;
}

/* claude expands ${NAME} itself.  Without alwaysLoad its tools are hidden behind a search. */
int openpr_mcp_claude(const char *url, struct strings *argv)
{
	if (!url)
		return 0;
	json_t *value = json_pack("{s:{s:{s:s, s:s, s:{s:s}, s:b}}}", "mcpServers", "openpr",
				  "type", "http", "url", url, "headers", "Authorization",
				  "Bearer ${" OPENPR_MCP_VARIABLE "}", "alwaysLoad", 1);
	_cleanup_free_ char *text = value ? json_text(value) : NULL;

	json_decref(value);
	return text ? add_pair(argv, "--mcp-config", text) : -1;
}

static const char *value_of(const struct strings *environment, const char *name)
{
	const size_t len = strlen(name);

	for (size_t i = 0; i < environment->count; i++)
		if (strncmp(environment->items[i], name, len) == 0 &&
		    environment->items[i][len] == '=')
			return environment->items[i] + len + 1;
	return NULL;
}

/* The agent's own settings, or none; a new reference, or NULL with err filled. */
static json_t *own_content(const struct strings *environment, struct err *err)
{
	const char *text = value_of(environment, CONTENT);
	json_t *content = text && *text ? json_parse(text, strlen(text), err) : json_object();

	if (json_is_object(content))
		return content;
	json_decref(content);
	err_set(err, ERR_INVALID,
		"env: " CONTENT " is not a JSON object, so that OpenPR's MCP server cannot be "
		"added to it");
	return NULL;
}

/* The member `name` as an object, made where there is none; a text "x" there means {"*": "x"}. */
static json_t *member(json_t *content, const char *name)
{
	json_t *object = json_object_get(content, name);

	if (json_is_object(object))
		return object;
	json_t *made = json_object();
	if (json_is_string(object))
		json_object_set(made, "*", object);
	return json_object_set_new(content, name, made) == 0 ? made : NULL;
}

/* The last rule that matches counts, and a tool that is denied is not shown to the model. */
static int permit_tools(json_t *content)
{
	static const char *const rules[][2] = {
		{ "openpr_*", "deny" },
		{ "openpr_work_items_get", "allow" },
		{ "openpr_work_items_update", "allow" },
		{ "openpr_comments_list", "allow" },
		{ "openpr_comments_create", "allow" },
	};
	json_t *permission = member(content, "permission");

	for (size_t i = 0; permission && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (json_object_set_new(permission, rules[i][0], json_string(rules[i][1])) < 0)
			return -1;
	return permission ? 0 : -1;
}

static int set_opencode(const char *url, struct strings *environment, struct err *err)
{
	json_t *content = own_content(environment, err);

	if (!content)
		return -1;
	json_t *server = json_pack("{s:s, s:s, s:b, s:b, s:{s:s}}", "type", "remote", "url", url,
				   "enabled", 1, "oauth", 0, "headers", "Authorization",
				   "Bearer {env:" OPENPR_MCP_VARIABLE "}");
	json_t *servers = member(content, "mcp");
	const int rc = json_object_set_new(servers, "openpr", server);
	_cleanup_free_ char *text =
	    rc == 0 && permit_tools(content) == 0 ? json_text(content) : NULL;
	json_decref(content);
	if (!text || strings_set(environment, CONTENT, text) < 0)
		return err_set(err, ERR_NOMEM, "no memory for the environment");
	return 0;
}

int openpr_mcp_environment(const struct executor *executor, const char *url, const char *token,
			   struct strings *environment, struct err *err)
{
	if (!url)
		return 0;
	if (executor->stream == STREAM_PLAIN)
		return err_set(err, ERR_INVALID, "%s cannot be given OpenPR's MCP server",
			       executor->name);
	if (strings_set(environment, OPENPR_MCP_VARIABLE, token) < 0)
		return err_set(err, ERR_NOMEM, "no memory for the environment");
	return executor->stream == STREAM_OPENCODE ? set_opencode(url, environment, err) : 0;
}
