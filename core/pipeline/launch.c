#include "pipeline/launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hmac.h"
#include "base/log.h"

#define LOCK_POLL 50	   /* ms between two looks at old locks */
#define LOCK_PATIENCE 5000 /* ms; then only the locked directories wait */

void launch_done(struct launch *launch)
{
	store_task_free(launch->task);
	config_unref(launch->config);
	buf_done(&launch->prompt);
	json_decref(launch->envelope);
	json_decref(launch->plan);
	memset(launch, 0, sizeof(*launch));
}

char *launch_state_path(const struct config *config, const char *folder, const char *name,
			const char *suffix, struct err *err)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s/%s%s", config->queue.state_dir, folder, name, suffix) >= 0)
		return path;
	err_set(err, ERR_NOMEM, "no memory for a path");
	return NULL;
}

/* Makes the folder, too. */
static char *state_path(const struct config *config, const char *folder, const char *name,
			const char *suffix, struct err *err)
{
	_cleanup_free_ char *parent = launch_state_path(config, folder, "", "", err);

	if (!parent)
		return NULL;
	if (mkdir(parent, 0700) < 0 && errno != EEXIST) {
		err_set(err, ERR_IO, "cannot make %s: %s", parent, strerror(errno));
		return NULL;
	}
	return launch_state_path(config, folder, name, suffix, err);
}

char *launch_log_path(const struct config *config, const char *run_id, struct err *err)
{
	return state_path(config, "runs", run_id, ".log", err);
}

char *launch_directory(const struct config_agent *agent)
{
	char *real = realpath(agent->working_dir, NULL);

	return real ? real : strdup(agent->working_dir);
}

bool launch_overlap(const char *a, const char *b)
{
	const size_t shorter = strlen(a) < strlen(b) ? strlen(a) : strlen(b);

	if (strncmp(a, b, shorter) != 0)
		return false;
	return a[shorter] == b[shorter] || a[shorter] == '/' || b[shorter] == '/' ||
	       (shorter > 0 && a[shorter - 1] == '/');
}

/* A file name for a directory; two directories that share one merely wait for each other. */
static int lock_name(const char *directory, char name[2 * HMAC_SIZE + 1], struct err *err)
{
	unsigned char digest[HMAC_SIZE];
	struct hmac *hmac = hmac_new("working directory", 17, err);
	const int rc = hmac ? hmac_sign(hmac, directory, strlen(directory), digest, err) : -1;

	hmac_free(hmac);
	for (int i = 0; rc == 0 && i < HMAC_SIZE; i++)
		snprintf(name + 2 * i, 3, "%02x", digest[i]);
	return rc;
}

struct run_spec launch_spec(const struct config *config, const struct config_agent *agent,
			    const char *run_id, int64_t timeout, const struct buf *prompt,
			    const char *directory, const char *log_path, const char *lock_path)
{
	return (struct run_spec){
		.run_id = run_id,
		.executor = agent->cli,
		.search_path = config->executor.path,
		.working_dir = directory,
		.model = agent->model,
		.permissions = agent->permissions,
		.trust_repository = agent->trust_repository,
		.env = agent->env,
		.env_count = agent->env_count,
		.mcp_url = agent->reports ? config->openpr.mcp_url : NULL,
		.mcp_token = agent->mcp_token,
		.prompt = prompt->bytes,
		.prompt_len = prompt->len,
		.timeout = timeout > 0 ? timeout : agent->timeout,
		.log_path = log_path,
		.max_output = config->queue.max_output,
		.lock_path = lock_path,
	};
}

/* In the agent's directory, under its lock.  `program` NULL: what config.lua says. */
static struct run *start(const struct launch *launch, const struct launch_program *program,
			 const char *log_path, struct err *err)
{
	const struct config_agent *agent = launch->agent;
	const struct store_task *task = launch->task;
	_cleanup_free_ char *directory = launch_directory(agent);
	_cleanup_free_ char *lock_path = NULL;
	char name[2 * HMAC_SIZE + 1];

	if (!directory || lock_name(directory, name, err) < 0 ||
	    !(lock_path = state_path(launch->config, "locks", name, "", err)))
		return NULL;

	struct run_spec spec = launch_spec(launch->config, agent, task->run_id, task->timeout,
					   &launch->prompt, directory, log_path, lock_path);
	if (program) {
		spec.executor = program->executor;
		spec.model = program->model;
		spec.prompt = program->prompt;
		spec.prompt_len = strlen(program->prompt);
		spec.arguments = program->arguments;
		spec.argument_count = program->argument_count;
		spec.env = program->env;
		spec.env_count = program->env_count;
		spec.timeout = program->timeout;
	}
	return run_start(&spec, err);
}

struct run *launch_start(const struct launch *launch, const char *log_path, struct err *err)
{
	return start(launch, NULL, log_path, err);
}

struct run *launch_run(const struct launch *launch, const struct launch_program *program,
		       const char *log_path, struct err *err)
{
	return start(launch, program, log_path, err);
}

static bool locked(int folder, const char *name)
{
	_cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static bool any_locked(DIR *folder)
{
	const struct dirent *entry;

	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.' && locked(dirfd(folder), entry->d_name))
			return true;
	return false;
}

static bool agent_locked(DIR *folder, const struct config_agent *agent)
{
	_cleanup_free_ char *directory = agent->working_dir ? launch_directory(agent) : NULL;
	char name[2 * HMAC_SIZE + 1];
	struct err err;

	return directory && lock_name(directory, name, &err) == 0 && locked(dirfd(folder), name);
}

bool launch_locked(const struct config *config, const struct config_agent *agent)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/locks", config->queue.state_dir) < 0)
		return true;
	DIR *folder = opendir(path);
	if (!folder)
		return false;
	const bool held = agent ? agent_locked(folder, agent) : any_locked(folder);
	closedir(folder);
	return held;
}

bool launch_wait_for_locks(const struct config *config, const atomic_bool *stop)
{
	const int64_t until = clock_mono() + LOCK_PATIENCE;
	bool held;

	while ((held = launch_locked(config, NULL)) && !atomic_load(stop) && clock_mono() < until)
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_POLL * 1000000L }, NULL);
	if (held)
		log_event(
		    LOG_LEVEL_WARN, "waiting", "why",
		    "a run of an earlier daemon has not ended; agents in its directory wait for it",
		    "state", config->queue.state_dir, NULL);
	return !held;
}
