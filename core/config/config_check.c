#include "config/config_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Descriptors that the daemon needs beside its connections: database, runs, reports, workers. */
#define SPARE_DESCRIPTORS 192

struct check {
	const struct config *config;
	json_t *mistakes, *warnings;
};

#define SAY(list, ...) json_array_append_new((list), json_sprintf(__VA_ARGS__))

/* ---- working directories ---- */

/* NULL: it is one. */
static const char *folder_fault(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? "does not exist" : strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return "is not a folder";
	return access(path, R_OK | X_OK) < 0 ? "may not be read by this user" : NULL;
}

static const char *directory_key(const json_t *report, size_t agent)
{
	return json_str(json_array_get(json_at(report, "config.agents"), agent), "directory_key");
}

/* Where several agents share executor.working_dir, it is said once. */
static void check_folder(const struct check *check, const json_t *report, size_t index,
			 bool only_warn)
{
	const struct config_agent *agent = &check->config->agents[index];
	const char *key = directory_key(report, index);

	if (!agent->working_dir || !key)
		return;
	for (size_t i = 0; i < index; i++) {
		const char *other = directory_key(report, i);

		if (other && strcmp(other, key) == 0)
			return;
	}
	const char *fault = folder_fault(agent->working_dir);

	if (fault)
		SAY(only_warn ? check->warnings : check->mistakes, "%s: %s %s", key,
		    agent->working_dir, fault);
	else if (access(agent->working_dir, W_OK) < 0)
		SAY(check->warnings, "%s: %s may not be written by this user", key,
		    agent->working_dir);
}

/* True when the paths are equal, or one lies in the other. */
static bool overlap(const char *a, const char *b)
{
	const size_t a_len = strlen(a), b_len = strlen(b);
	const size_t len = a_len < b_len ? a_len : b_len;

	if (len == 1) /* the root */
		return true;
	return strncmp(a, b, len) == 0 && (a_len == b_len || (a_len > b_len ? a : b)[len] == '/');
}

static bool lies_in(const char *inner, const char *outer)
{
	return strlen(inner) >= strlen(outer) && overlap(inner, outer);
}

static void check_overlap(const struct check *check, char *const *real, size_t index)
{
	const struct config_agent *agents = check->config->agents;

	for (size_t i = 0; i < index; i++) {
		if (!real[i] || !real[index] || !overlap(real[i], real[index]))
			continue;
		SAY(check->warnings,
		    "agents.%s.working_dir: shares files with that of agents.%s: they run one at a "
		    "time",
		    agents[index].name, agents[i].name);
		return;
	}
}

/* What an agent can write, it can also break. */
static void check_own_files(const struct check *check, const char *real, const char *name)
{
	const struct config *config = check->config;
	_cleanup_free_ char *state =
	    config->queue.state_dir ? realpath(config->queue.state_dir, NULL) : NULL;
	const char *queue = state ? state : config->queue.state_dir;

	if (queue && lies_in(queue, real))
		SAY(check->warnings,
		    "queue.path: lies in the folder that agents.%s works in, which can damage it",
		    name);
	if (lies_in(config->folder, real))
		SAY(check->warnings,
		    "agents.%s.working_dir: holds this config.lua, which the agent can change",
		    name);
}

static void check_folders(const struct check *check, const json_t *report, bool client)
{
	const struct config *config = check->config;
	const bool only_warn = client || !config->features.cli_executor;
	char **real = calloc(config->agent_count + 1, sizeof(*real));

	for (size_t i = 0; real && i < config->agent_count; i++) {
		const char *folder = config->agents[i].working_dir;

		check_folder(check, report, i, only_warn);
		real[i] = folder ? realpath(folder, NULL) : NULL;
		check_overlap(check, real, i);
		if (real[i])
			check_own_files(check, real[i], config->agents[i].name);
	}
	for (size_t i = 0; real && i < config->agent_count; i++)
		free(real[i]);
	free(real);
}

/* ---- the rest ---- */

/* Folders that the file names itself; a default that is not there is nothing to speak of. */
static void check_search(const struct check *check, const json_t *report)
{
	const json_t *named = json_at(report, "folders");

	for (size_t i = 0; i < json_array_size(named); i++) {
		const char *key = json_str(json_array_get(named, i), "name");
		const char *folder = json_str(json_array_get(named, i), "value");
		struct stat st;

		if (key && folder && (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)))
			SAY(check->warnings,
			    "%s: there is no folder %s: the shipped files are used", key, folder);
	}
}

static void check_file(const struct check *check, const char *key, const char *path, bool client)
{
	if (path && access(path, R_OK) < 0)
		SAY(client ? check->warnings : check->mistakes, "%s: %s: %s", key, path,
		    strerror(errno));
}

static void check_tunnel(const struct check *check, bool client)
{
	const struct config *config = check->config;
	const char *key =
	    config->tunnel.client_key ? config->tunnel.client_key : config->tunnel.client_cert;
	struct stat st;

	if (!config->features.wss_tunnel)
		return;
	check_file(check, "tunnel.ca_file", config->tunnel.ca_file, client);
	check_file(check, "tunnel.client_cert", config->tunnel.client_cert, client);
	check_file(check, "tunnel.client_key", config->tunnel.client_key, client);
	if (key && stat(key, &st) == 0 && (st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
		SAY(check->warnings, "tunnel.client_key: %s holds a key and is open to others",
		    key);
}

static void check_descriptors(const struct check *check)
{
	const int connections = check->config->webhook.max_connections;
	struct rlimit limit;

	/* The daemon raises its soft limit to the hard one. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY &&
	    (rlim_t)connections + SPARE_DESCRIPTORS > limit.rlim_max)
		SAY(check->mistakes,
		    "webhook.max_connections: %d connections need %d descriptors, and the limit "
		    "(ulimit -Hn) is %" PRIuMAX,
		    connections, connections + SPARE_DESCRIPTORS, (uintmax_t)limit.rlim_max);
}

void config_check(const struct config *config, const json_t *report, bool client, json_t *mistakes,
		  json_t *warnings)
{
	const struct check check = { config, mistakes, warnings };

	check_folders(&check, report, client);
	check_search(&check, report);
	check_tunnel(&check, client);
	check_descriptors(&check);
}
