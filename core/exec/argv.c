#include "exec/argv.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "exec/openpr_mcp.h"
#include "exec/program.h"

#define CLAUDE_TOOLS "Bash,Edit,Write,Read,Glob,Grep"

static int add_all(struct strings *argv, const char *const *items)
{
	for (; *items; items++)
		if (strings_add(argv, *items) < 0)
			return -1;
	return 0;
}

/* What exec/permit.h has let through. */
static int add_own(struct strings *argv, const struct spec *spec)
{
	return spec->arguments.count > 0 ? add_all(argv, (const char *const *)spec->arguments.items)
					 : 0;
}

static int add_option(struct strings *argv, const char *option, const char *value)
{
	if (!value)
		return 0;
	return strings_add(argv, option) < 0 || strings_add(argv, value) < 0 ? -1 : 0;
}

/*
 * Whether the repository's own settings and MCP commands count, whatever the user's config.toml has
 * remembered.  codex decides by folder, from the working directory up to the repository's root,
 * which is one of the folders above it.
 */
static int codex_trust(struct strings *argv, const struct spec *spec)
{
	const char *level = spec->trust_repository ? "trusted" : "untrusted";
	struct buf setting = { 0 };
	char *folder = strdup(spec->working_dir);
	int rc = folder ? buf_append(&setting, "projects={", 10) : -1;

	for (const char *comma = ""; rc == 0 && folder[0] && folder[1]; comma = ",") {
		if (buf_appendf(&setting, "%s", comma) < 0 || argv_toml(&setting, folder) < 0 ||
		    buf_appendf(&setting, "={trust_level=\"%s\"}", level) < 0)
			rc = -1;
		char *slash = strrchr(folder, '/');
		*(slash ? slash : folder) = '\0';
	}
	if (rc == 0 &&
	    (buf_append(&setting, "}", 1) < 0 || add_option(argv, "-c", setting.bytes) < 0))
		rc = -1;
	buf_done(&setting);
	free(folder);
	return rc;
}

/*
 * codex waits for ever for an endpoint that is away unless told otherwise, asks github.com for
 * plugins, replaces PATH in a login shell, and shows its whole environment to the shell unless the
 * default excludes (*KEY*, *SECRET*, *TOKEN*) are asked for.
 */
static int codex(struct strings *argv, const struct spec *spec)
{
	static const char *const settings[] = {
		"-c", "features.unbounded_connection_retries=false",
		"-c", "features.plugins=false",
		"-c", "analytics.enabled=false",
		"-c", "allow_login_shell=false",
		"-c", "shell_environment_policy.ignore_default_excludes=false",
		NULL,
	};

	if (strings_add(argv, "exec") < 0 || add_option(argv, "-C", spec->working_dir) < 0 ||
	    strings_add(argv, "--json") < 0 || strings_add(argv, "--skip-git-repo-check") < 0 ||
	    add_option(argv, "-s", spec->full ? "danger-full-access" : "workspace-write") < 0 ||
	    add_option(argv, "-m", spec->model) < 0 || add_all(argv, settings) < 0 ||
	    codex_trust(argv, spec) < 0 || openpr_mcp_codex(spec->mcp_url, argv) < 0 ||
	    add_own(argv, spec) < 0)
		return -1;
	return strings_add(argv, "-");
}

static int claude(struct strings *argv, const struct spec *spec)
{
	static const char *const output[] = { "-p", "--output-format", "stream-json", "--verbose",
					      NULL };
	static const char *const full[] = { "--permission-mode", "bypassPermissions", NULL };
	static const char *const workspace[] = { "--permission-mode", "dontAsk", "--allowedTools",
						 NULL };
	const char *tools = spec->mcp_url ? CLAUDE_TOOLS OPENPR_MCP_CLAUDE_TOOLS : CLAUDE_TOOLS;
	/* Without these, hooks, apiKeyHelper and MCP servers of the repository run. */
	static const char *const untrusted[] = { "--strict-mcp-config", "--setting-sources", "user",
						 NULL };

	/* It takes any number of values: an option has to follow. */
	if (add_all(argv, output) < 0 || openpr_mcp_claude(spec->mcp_url, argv) < 0 ||
	    add_all(argv, spec->full ? full : workspace) < 0 ||
	    (!spec->full && strings_add(argv, tools) < 0) ||
	    (!spec->trust_repository && add_all(argv, untrusted) < 0))
		return -1;
	return add_option(argv, "--model", spec->model) < 0 ? -1 : add_own(argv, spec);
}

static int opencode(struct strings *argv, const struct spec *spec)
{
	static const char *const start[] = { "run", "--format", "json", NULL };

	/* --auto approves what would be asked; what the user's config denies stays denied. */
	if (add_all(argv, start) < 0 || add_option(argv, "--dir", spec->working_dir) < 0 ||
	    (spec->full && strings_add(argv, "--auto") < 0))
		return -1;
	return add_option(argv, "--model", spec->model) < 0 ? -1 : add_own(argv, spec);
}

static int plain(struct strings *argv, const struct spec *spec)
{
	return add_own(argv, spec);
}

int argv_build(const struct executor *executor, const char *program, const struct spec *spec,
	       struct strings *argv, struct err *err)
{
	static int (*const shapes[])(struct strings *, const struct spec *) = {
		[STREAM_CODEX] = codex,
		[STREAM_CLAUDE] = claude,
		[STREAM_OPENCODE] = opencode,
		[STREAM_PLAIN] = plain,
	};

	if (argv_check_model(spec->model, err) < 0)
		return -1;
	if (strings_add(argv, program) < 0 || shapes[executor->stream](argv, spec) < 0)
		return err_set(err, ERR_NOMEM, "no memory for the arguments");
	return 0;
}

int argv_of(const struct executor *executor, const struct spec *spec, struct strings *argv,
	    struct err *err)
{
	_cleanup_free_ char *program = program_find(executor, spec->search_path, err);

	return program ? argv_build(executor, program, spec, argv, err) : -1;
}

int argv_toml(struct buf *out, const char *text)
{
	int rc = buf_append(out, "\"", 1);

	for (; *text && rc == 0; text++) {
		const unsigned char c = (unsigned char)*text;
		if (c < ' ' || c == 0x7f)
			rc = buf_appendf(out, "\\u%04X", c);
		else
			rc = buf_appendf(out, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
	}
	return rc < 0 ? -1 : buf_append(out, "\"", 1);
}

const char *argv_prompt_guard(const struct executor *executor, const char *prompt, size_t len)
{
	return executor->stream == STREAM_CLAUDE && len > 0 && prompt[0] == '/' ? "\n" : "";
}

int argv_check_model(const char *model, struct err *err)
{
	if (model && (model[0] == '\0' || model[0] == '-'))
		return err_set(err, ERR_INVALID, "\"%.100s\" is not the name of a model", model);
	return 0;
}
