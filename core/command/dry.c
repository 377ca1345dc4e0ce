#include "command/dry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "command/check.h"

#define LOG_MOST 1000	  /* lines that are kept */
#define UNSET "(not set)" /* stands for a secret that is not in this environment */

/* ---- secrets that are not here ---- */

static int add_variable(struct config_agent *agent, const char *name, size_t len)
{
	struct config_pair *env = reallocarray(agent->env, agent->env_count + 1, sizeof(*env));

	if (!env)
		return -1;
	agent->env = env;
	env[agent->env_count].name = strndup(name, len);
	env[agent->env_count].value = strdup(UNSET);
	if (!env[agent->env_count].name || !env[agent->env_count].value)
		return -1;
	agent->env_count++;
	return 0;
}

/* The secret of this name in agents.X, where it is not set. */
static char **secret_of(struct config_agent *agent, const char *name, size_t len)
{
	const struct {
		const char *name;
		char **at;
	} secrets[] = { { "token", &agent->token },
			{ "secret", &agent->secret },
			{ "mcp_token", &agent->mcp_token } };

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (strlen(secrets[i].name) == len && strncmp(secrets[i].name, name, len) == 0 &&
		    !*secrets[i].at)
			return secrets[i].at;
	return NULL;
}

/* path: what stands behind "agents.NAME.". */
static void stand_in_agent(struct config_agent *agent, const char *path, size_t len)
{
	static const char env[] = "env.";
	const size_t skip = sizeof(env) - 1;
	char **secret = secret_of(agent, path, len);

	if (secret)
		*secret = strdup(UNSET);
	else if (len > skip && strncmp(path, env, skip) == 0)
		add_variable(agent, path + skip, len - skip);
}

/* The daemon has them: what is told must be what it would do. */
static void stand_in(struct config *config, const char *warning)
{
	const size_t len = strcspn(warning, ":");

	if (len == strlen("openpr.token") && strncmp(warning, "openpr.token", len) == 0 &&
	    !config->openpr.token)
		config->openpr.token = strdup(UNSET);
	for (size_t i = 0; i < config->agent_count; i++) {
		char head[300];
		const int used = snprintf(head, sizeof(head), "agents.%s.", config->agents[i].name);
		if (used > 0 && (size_t)used < sizeof(head) && (size_t)used < len &&
		    strncmp(warning, head, (size_t)used) == 0)
			stand_in_agent(&config->agents[i], warning + used, len - (size_t)used);
	}
}

static void take_warnings(struct dry *dry, const struct buf *warnings)
{
	const char *at = warnings->bytes;

	while (at && *at) {
		const size_t len = strcspn(at, "\n");
		_cleanup_free_ char *line = strndup(at, len);
		if (line && strstr(line, ": environment variable ")) {
			json_array_append_new(dry->warnings, json_string(line));
			stand_in(dry->config, line);
		}
		at += len + (at[len] == '\n');
	}
}

/* ---- opening ---- */

static int load_config(const struct command_line *line, struct dry *dry)
{
	const struct config_options options = {
		.path = line->config,
		.unset_env_is_warning = true,
		.whitelist = command_names(),
	};
	struct buf mistakes = { 0 }, warnings = { 0 };
	struct err err;
	const int rc = config_load(&options, &dry->config, &mistakes, &warnings, &err);

	if (rc < 0) {
		fputs(mistakes.bytes ? mistakes.bytes : "", stderr);
		command_fail(EXIT_USAGE, "%s", err.text);
	} else {
		take_warnings(dry, &warnings);
	}
	buf_done(&mistakes);
	buf_done(&warnings);
	return rc;
}

static int use_folder(const char *folder, struct config *config)
{
	struct stat st;
	char *real = realpath(folder, NULL);

	if (!real || stat(real, &st) < 0 || !S_ISDIR(st.st_mode)) {
		free(real);
		return command_fail(-1, "--policies wants a folder, %s is none%s%s", folder,
				    real ? "" : ": ", real ? "" : strerror(errno));
	}
	free(config->policies.dir);
	config->policies.dir = real;
	return 0;
}

static void keep_log(void *ctx, enum log_level level, const char *text)
{
	struct dry *dry = ctx;

	(void)level;
	if (json_array_size(dry->log) < LOG_MOST)
		json_array_append_new(dry->log, json_string(text));
}

static int load_policies(struct dry *dry, struct err *err)
{
	struct policy_bundle *bundle = NULL;
	struct buf mistakes = { 0 };
	int rc = -1;

	dry->pool = policy_pool_new(dry->host, 1, err);
	if (!dry->pool)
		return -1;
	policy_pool_on_log(dry->pool, keep_log, dry);
	if (policy_bundle_load(dry->config, &bundle, err) == 0) {
		dry->files = json_deep_copy(policy_bundle_files(bundle));
		rc = policy_pool_use(dry->pool, bundle, &mistakes, err);
		if (rc < 0)
			policy_bundle_free(bundle);
	}
	fputs(mistakes.bytes ? mistakes.bytes : "", stderr);
	buf_done(&mistakes);
	/* loading runs the files, too */
	json_array_clear(dry->log);
	return rc;
}

int dry_open(const struct command_line *line, struct dry *dry)
{
	struct err err;

	memset(dry, 0, sizeof(*dry));
	dry->warnings = json_array();
	dry->log = json_array();
	dry->host = policy_host_start(&err); /* before any secret is read */
	if (!dry->host)
		return command_fail(EXIT_FAILED, "%s", err.text);
	if (load_config(line, dry) < 0)
		return EXIT_USAGE;
	if (line->policies && use_folder(line->policies, dry->config) < 0)
		return EXIT_USAGE;
	if (load_policies(dry, &err) < 0)
		return command_fail(
		    err.code == ERR_CONFIG || err.code == ERR_NOTFOUND ? EXIT_USAGE : EXIT_FAILED,
		    "%s", err.text);
	return EXIT_OK;
}

void dry_close(struct dry *dry)
{
	policy_pool_free(dry->pool);
	config_unref(dry->config);
	policy_host_free(dry->host);
	json_decref(dry->warnings);
	json_decref(dry->files);
	json_decref(dry->log);
}

struct store *dry_queue(const struct dry *dry, struct err *err)
{
	struct store *store = NULL;
	struct stat st;

	if (stat(dry->config->queue.path, &st) < 0) {
		err_set(err, ERR_NOTFOUND, "there is no queue at %s", dry->config->queue.path);
		return NULL;
	}
	return store_open_reader(dry->config->queue.path, &store, err) < 0 ? NULL : store;
}
