#include "exec/environment.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "exec/openpr_mcp.h"
#include "exec/permit.h"

static const char *const allowed[] = {
	"HOME",	      "PATH",	     "USER",	    "LOGNAME",	 "LANG",
	"TZ",	      "http_proxy",  "https_proxy", "all_proxy", "no_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",   "NO_PROXY",	 NULL,
};

/* Names and values in turn. */
static const char *const claude_switches[] = {
	"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
	"1",
	"DISABLE_AUTOUPDATER",
	"1",
	/* else the process stays up to 600 s after its result for a background command */
	"CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
	"1",
	/* else "@/any/path" in an issue's text sends that file to the model */
	"CLAUDE_CODE_DISABLE_ATTACHMENTS",
	"1",
	/* goes with the one before: tools of MCP servers would be invisible */
	"ENABLE_TOOL_SEARCH",
	"false",
	NULL,
};

static const char *const opencode_switches[] = {
	"OPENCODE_DISABLE_AUTOUPDATE",
	"1",
	"OPENCODE_DISABLE_MODELS_FETCH",
	"1",
	"OPENCODE_DISABLE_LSP_DOWNLOAD",
	"1",
	"OPENCODE_DISABLE_DEFAULT_PLUGINS",
	"1",
	NULL,
};

/* What keeps the repository's own MCP servers, plugins and instructions out. */
static const char *const opencode_untrusted[] = {
	"OPENCODE_DISABLE_PROJECT_CONFIG", "1", "OPENCODE_PURE", "1", NULL,
};

static int set_all(struct strings *environment, const char *const *pairs)
{
	for (; *pairs; pairs += 2)
		if (strings_set(environment, pairs[0], pairs[1]) < 0)
			return -1;
	return 0;
}

static int inherit(struct strings *environment)
{
	for (size_t i = 0; allowed[i]; i++) {
		const char *value = getenv(allowed[i]);
		if (value && strings_set(environment, allowed[i], value) < 0)
			return -1;
	}
	for (char **at = environ; *at; at++)
		if (strncmp(*at, "LC_", 3) == 0 && strchr(*at, '=') &&
		    strings_add(environment, *at) < 0)
			return -1;
	return 0;
}

/* A service manager may start us without HOME; every CLI wants one. */
static int set_home(struct strings *environment)
{
	char bytes[4096];
	struct passwd entry, *found = NULL;

	if (getenv("HOME"))
		return 0;
	if (getpwuid_r(geteuid(), &entry, bytes, sizeof(bytes), &found) != 0 || !found)
		return 0;
	return strings_set(environment, "HOME", found->pw_dir);
}

static int set_common(struct strings *environment, const char *tmp_dir)
{
	if (!getenv("LANG") && strings_set(environment, "LANG", "C.UTF-8") < 0)
		return -1;
	return strings_set(environment, "TMPDIR", tmp_dir) < 0 ||
		       strings_set(environment, "TERM", "dumb") < 0 ||
		       strings_set(environment, "NO_COLOR", "1") < 0
		   ? -1
		   : 0;
}

static int set_claude(struct strings *environment, const struct run_spec *spec)
{
	/* As root, claude refuses bypassPermissions unless told that it is in a sandbox. */
	if (spec->permissions == PERMISSIONS_FULL && geteuid() == 0 &&
	    strings_set(environment, "IS_SANDBOX", "1") < 0)
		return -1;
	return set_all(environment, claude_switches);
}

/*
 * Without a person, what opencode would ask is refused and ends the run without an answer.  Denied,
 * the model is told so and goes on.  The run's own TMPDIR is no foreign folder.
 */
static int set_opencode_permission(struct strings *environment, const char *tmp_dir)
{
	_cleanup_free_ char *pattern = NULL;
	_cleanup_free_ char *text = NULL;

	if (asprintf(&pattern, "%s/*", tmp_dir) < 0)
		return -1;
	json_t *rules =
	    json_pack("{s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}}", "doom_loop", "deny",
		      "external_directory", "*", "deny", pattern, "allow", "read", "*", "allow",
		      "*.env", "deny", "*.env.*", "deny", "*.env.example", "allow");
	text = rules ? json_text(rules) : NULL;
	json_decref(rules);
	return text ? strings_set(environment, "OPENCODE_PERMISSION", text) : -1;
}

static int set_opencode(struct strings *environment, const struct run_spec *spec,
			const char *tmp_dir)
{
	if (spec->permissions == PERMISSIONS_WORKSPACE &&
	    set_opencode_permission(environment, tmp_dir) < 0)
		return -1;
	if (!spec->trust_repository && set_all(environment, opencode_untrusted) < 0)
		return -1;
	return set_all(environment, opencode_switches);
}

static int set_switches(struct strings *environment, const struct executor *executor,
			const struct run_spec *spec, const char *tmp_dir)
{
	switch (executor->stream) {
	case STREAM_CLAUDE:
		return set_claude(environment, spec);
	case STREAM_OPENCODE:
		return set_opencode(environment, spec, tmp_dir);
	case STREAM_CODEX:
	case STREAM_PLAIN:
		break;
	}
	return 0;
}

static int set_own(struct strings *environment, const struct run_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->env_count; i++) {
		const struct config_pair *pair = &spec->env[i];
		if (permit_variable(pair->name, PERMIT_CONFIG,
				    spec->permissions == PERMISSIONS_FULL, err) < 0)
			return err_prefix(err, "env");
		if (strings_set(environment, pair->name, pair->value) < 0)
			return err_set(err, ERR_NOMEM, "no memory for the environment");
	}
	return 0;
}

int environment_build(const struct executor *executor, const struct run_spec *spec,
		      const char *tmp_dir, struct strings *environment, struct err *err)
{
	if (inherit(environment) < 0 || set_home(environment) < 0 ||
	    set_common(environment, tmp_dir) < 0 ||
	    set_switches(environment, executor, spec, tmp_dir) < 0)
		return err_set(err, ERR_NOMEM, "no memory for the environment");
	if (set_own(environment, spec, err) < 0)
		return -1;
	return openpr_mcp_environment(executor, spec->mcp_url, spec->mcp_token, environment, err);
}
