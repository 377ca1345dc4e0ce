/*
 * The CLIs: where they are, which version, and whether they are logged in, as far as files and
 * variables tell: nobody is called.
 */

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "command/doctor.h"
#include "exec/probe.h"
#include "exec/run.h"
#include "exec/scratch.h"
#include "exec/whitelist.h"

#define VERSION_TIMEOUT 20000 /* ms; large programs on a cold disk */
#define VERSION_OUTPUT 4096
#define FOUND_SIZE (PATH_MAX + 64) /* a folder and a file of ours in it */

/* ---- versions ---- */

/* In a home of its own: some make folders there when they are asked for their version. */
static int ask_version(const char *program, const char *search_path, struct buf *out,
		       struct err *err)
{
	char folder[] = "/tmp/openpr-doctor-XXXXXX", home[64], temporary[64];
	char path[PATH_MAX];
	struct buf said = { 0 };
	struct err ignored;
	int code = 0;

	if (!mkdtemp(folder))
		return err_set(err, ERR_IO, "no folder can be made in /tmp");
	snprintf(home, sizeof(home), "HOME=%s", folder);
	snprintf(temporary, sizeof(temporary), "TMPDIR=%s", folder);
	snprintf(path, sizeof(path), "PATH=%s", search_path);
	const char *const argv[] = { program, "--version", NULL };
	const char *const env[] = { home,
				    temporary,
				    path,
				    "LANG=C.UTF-8",
				    "DISABLE_AUTOUPDATER=1",
				    "OPENCODE_DISABLE_AUTOUPDATE=1",
				    NULL };
	const struct probe probe = {
		.argv = argv, .env = env, .timeout = VERSION_TIMEOUT, .max_output = VERSION_OUTPUT
	};
	int rc = probe_run(&probe, out, &said, &code, err);
	if (rc == 0 && (code != 0 || out->len == 0))
		rc = err_set(err, ERR_INVALID, "%s --version ends with %d: %.200s", program, code,
			     said.bytes ? said.bytes : "");
	buf_done(&said);
	scratch_remove(folder, &ignored);
	return rc;
}

static void check_program(struct doctor *doctor, const char *name, const struct executor *executor)
{
	const char *search_path = doctor->config->executor.path;
	_cleanup_free_ char *program = NULL;
	struct buf version = { 0 };
	struct err err;

	if (!run_find_program(executor, search_path, &program))
		doctor_fail(doctor, name, "install it, or name its folder in executor.path",
			    "no program \"%s\" in %s", executor->program, search_path);
	else if (ask_version(program, search_path, &version, &err) < 0)
		doctor_fail(doctor, name, "it has to run as this user, and without a terminal",
			    "%s", err.text);
	else
		doctor_ok(doctor, name, "%s is %.*s", program, (int)strcspn(version.bytes, "\r\n"),
			  version.bytes);
	buf_done(&version);
}

/* ---- logins ---- */

/* Where a CLI keeps its login, and what stands for one. */
struct login {
	const char *program;
	const char *const
	    *variables;	    /* any of them, in agents.X.env, is a key or names a provider */
	const char *folder; /* of agents.X.env; else: */
	const char *below_home;
	const char *const *files; /* in that folder: a login, or settings that bring one */
	const char *remedy;
};

static const char *const claude_variables[] = {
	"ANTHROPIC_API_KEY",	   "ANTHROPIC_AUTH_TOKEN",   "CLAUDE_CODE_OAUTH_TOKEN",
	"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", NULL
};
static const char *const claude_files[] = { ".credentials.json", NULL };
static const char *const codex_variables[] = { "CODEX_API_KEY", NULL };
static const char *const codex_files[] = { "auth.json", NULL };
static const char *const opencode_variables[] = { "OPENCODE_CONFIG",	"OPENCODE_CONFIG_CONTENT",
						  "ANTHROPIC_API_KEY",	"OPENAI_API_KEY",
						  "OPENROUTER_API_KEY", "GEMINI_API_KEY",
						  "OPENCODE_API_KEY",	NULL };
static const char *const opencode_files[] = { "opencode/auth.json", NULL };

static const struct login logins[] = {
	{ "claude", claude_variables, "CLAUDE_CONFIG_DIR", ".claude", claude_files,
	  "run `claude` once as the daemon's user, with its HOME, or set "
	  "agents.X.env.ANTHROPIC_API_KEY" },
	{ "codex", codex_variables, "CODEX_HOME", ".codex", codex_files,
	  "run `codex login` as the daemon's user, with its HOME, or set "
	  "agents.X.env.CODEX_API_KEY" },
	{ "opencode", opencode_variables, "XDG_DATA_HOME", ".local/share", opencode_files,
	  "run `opencode auth login` as the daemon's user, with its HOME, or set the provider's "
	  "key in agents.X.env" },
};

static const char *variable(const struct config_agent *agent, const char *name)
{
	for (size_t i = 0; i < agent->env_count; i++)
		if (strcmp(agent->env[i].name, name) == 0)
			return agent->env[i].value;
	return NULL;
}

static const char *home_of(const struct config_agent *agent)
{
	const char *home = variable(agent, "HOME");

	if (!home)
		home = getenv("HOME");
	if (!home) {
		const struct passwd *entry = getpwuid(getuid());
		home = entry ? entry->pw_dir : "/";
	}
	return home;
}

/* What stands for a login, in words, or NULL. */
static const char *find_login(const struct login *login, const struct config_agent *agent,
			      const char *folder, char found[FOUND_SIZE])
{
	for (size_t i = 0; login->variables[i]; i++) {
		const char *value = variable(agent, login->variables[i]);
		if (value && *value) {
			snprintf(found, FOUND_SIZE, "%s is set", login->variables[i]);
			return found;
		}
	}
	for (size_t i = 0; login->files[i]; i++) {
		snprintf(found, FOUND_SIZE, "%s/%s", folder, login->files[i]);
		if (access(found, R_OK) == 0)
			return found;
	}
	return NULL;
}

/* codex cannot work from there: agents' commands would fail and the run end with 0. */
static bool below_tmp(const char *folder)
{
	return strncmp(folder, "/tmp/", 5) == 0 || strcmp(folder, "/tmp") == 0;
}

static void check_login(struct doctor *doctor, const char *name, const struct config_agent *agent,
			const struct executor *executor)
{
	char folder[PATH_MAX], found[FOUND_SIZE];

	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		const struct login *login = &logins[i];
		const char *own = variable(agent, login->folder);

		if (strcmp(login->program, executor->program) != 0)
			continue;
		if (own)
			snprintf(folder, sizeof(folder), "%s", own);
		else
			snprintf(folder, sizeof(folder), "%s/%s", home_of(agent),
				 login->below_home);
		if (find_login(login, agent, folder, found))
			doctor_ok(doctor, name, "login: %s", found);
		else
			doctor_warn(doctor, name, login->remedy,
				    "no login of %s in %s, and no key in agents.%s.env",
				    executor->program, folder, agent->name);
		if (strcmp(login->program, "codex") == 0 && below_tmp(folder))
			doctor_fail(doctor, name, "set agents.X.env.CODEX_HOME to another folder",
				    "codex cannot work with its home below /tmp");
	}
}

void doctor_agents(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	char name[128];

	if (config->agent_count == 0)
		doctor_warn(doctor, "agents", "name one in config.lua", "there is no agent");
	for (size_t i = 0; i < config->agent_count; i++) {
		const struct config_agent *agent = &config->agents[i];
		const struct executor *executor = agent->cli ? whitelist_find(agent->cli) : NULL;

		if (!executor)
			continue;
		snprintf(name, sizeof(name), "agents.%.100s", agent->name);
		check_program(doctor, name, executor);
		check_login(doctor, name, agent, executor);
	}
	if (config->executor.safe_mode)
		doctor_warn(doctor, "executor.safe_mode", "set it to false",
			    "it is on: nothing is started and nothing is sent");
	else if (!config->features.cli_executor)
		doctor_warn(doctor, "features.cli_executor", "set it to true",
			    "the gate is closed: no agent starts");
}
