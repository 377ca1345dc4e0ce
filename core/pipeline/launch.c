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
#include "pipeline/gate.h"

#define ISSUE_TIMEOUT 10000 /* ms for OpenPR to tell about an issue */
#define DEFER_LEAST 5000    /* ms */
#define DEFER_MOST 300000   /* ms */
#define LOCK_POLL 50	    /* ms between two looks at old locks */
#define LOCK_PATIENCE 5000  /* ms; then only the locked directories wait */

/* UUIDv7 begins with the milliseconds of its making. */
static int64_t made_at(const char *id)
{
	char hex[13] = { 0 };

	memcpy(hex, id, 8);
	memcpy(hex + 8, id + 9, 4);
	return (int64_t)strtoull(hex, NULL, 16);
}

/* Half the age of the task, so that the waits double. */
static int64_t back_off(const struct store_task *task)
{
	const int64_t now = clock_wall();
	int64_t wait = (now - made_at(task->id)) / 2;

	if (wait < DEFER_LEAST)
		wait = DEFER_LEAST;
	if (wait > DEFER_MOST)
		wait = DEFER_MOST;
	return now + wait;
}

__attribute__((format(printf, 3, 4))) static void
decide_launch(struct launch *launch, enum launch_verdict verdict, const char *fmt, ...)
{
	va_list args;

	launch->verdict = verdict;
	va_start(args, fmt);
	vsnprintf(launch->reason, sizeof(launch->reason), fmt, args);
	va_end(args);
}

/* 0: *completion is set and owned by the caller.  -1: the launch's verdict says why not. */
static int fetch(struct pipeline *pipeline, struct openpr *openpr, struct launch *launch,
		 char **completion)
{
	const struct store_task *task = launch->task;
	const char *token =
	    identity_token(pipeline->identity, launch->config, task->bot_id, task->bot_name);
	json_t *issue = NULL;
	struct err err;

	if (task->source == SOURCE_TUNNEL && (!launch->config->openpr.api_url || !token)) {
		*completion = strdup("{\"issue\":{}}"); /* a dispatch says what it has to say */
		if (*completion)
			return 0;
	}
	if (!task->issue_id || !launch->config->openpr.api_url || !token) {
		decide_launch(
		    launch, LAUNCH_HOLD,
		    "the prompt needs the issue, but openpr.api_url and a token of %s are "
		    "not both set",
		    task->bot_name ? task->bot_name : "the bot");
		return -1;
	}
	switch (openpr_issue(openpr, launch->config, token, task->issue_id, ISSUE_TIMEOUT, &issue,
			     &err)) {
	case OPENPR_OK:
		break;
	case OPENPR_GONE:
		decide_launch(launch, LAUNCH_GONE, "the issue does not exist any more");
		return -1;
	default:
		launch->until = back_off(task);
		decide_launch(launch, LAUNCH_DEFER, "%s", err.text);
		return -1;
	}
	json_t *whole = json_pack("{s:o}", "issue", issue);
	*completion = json_text(whole);
	json_decref(whole);
	if (*completion)
		return 0;
	launch->until = back_off(task);
	decide_launch(launch, LAUNCH_DEFER, "out of memory");
	return -1;
}

static int ask_render(struct pipeline *pipeline, const struct policy_event *event,
		      struct launch *launch, struct err *err)
{
	const struct store_task *task = launch->task;
	const struct log_ids ids = { task->event_id, task->run_id, task->issue_id, NULL };
	const int64_t began = clock_micros();

	log_about(&ids);
	const int rc = policy_render(pipeline->pool, event, task->agent, &launch->prompt,
				     &launch->rendered, err);
	log_about(NULL);
	meters_took(&pipeline->meters, METER_RENDER, clock_micros() - began);
	return rc;
}

static void render(struct pipeline *pipeline, struct openpr *openpr, struct launch *launch)
{
	const struct store_task *task = launch->task;
	_cleanup_free_ char *fetched = NULL;
	struct err err;
	json_t *ours = identity_ours(pipeline->identity);
	struct policy_event event = {
		.body = task->body,
		.body_len = task->body_len,
		.completion = task->completion,
		.ours = ours,
		.now = clock_wall(),
	};

	launch->verdict = LAUNCH_READY;
	int rc = ask_render(pipeline, &event, launch, &err);
	if (rc == 0 && launch->rendered == RENDERED_NEEDS_ISSUE) {
		if (fetch(pipeline, openpr, launch, &fetched) < 0)
			goto out;
		event.completion = fetched;
		rc = ask_render(pipeline, &event, launch, &err);
		if (rc == 0 && launch->rendered == RENDERED_NEEDS_ISSUE)
			rc = err_set(&err, ERR_POLICY,
				     "render still asks for the issue after it was fetched");
	}
	if (rc < 0 && err.code == ERR_FULL) {
		launch->until = clock_wall() + DEFER_LEAST;
		decide_launch(launch, LAUNCH_DEFER, "%s", err.text);
	} else if (rc < 0) {
		decide_launch(launch, LAUNCH_HOLD, "render failed: %s", err.text);
	}
out:
	json_decref(ours);
}

void launch_prepare(struct pipeline *pipeline, struct openpr *openpr, struct launch *launch)
{
	const struct store_task *task = launch->task;

	launch->agent = config_agent(launch->config, task->agent);
	if (!launch->agent) {
		decide_launch(launch, LAUNCH_HOLD, "agent \"%s\" is not in config.lua any more",
			      task->agent);
		return;
	}
	const char *gate = gate_closed(launch->config, launch->agent);
	if (gate) {
		decide_launch(launch, LAUNCH_HOLD, "the gate %s is off", gate);
		return;
	}
	render(pipeline, openpr, launch);
}

void launch_done(struct launch *launch)
{
	store_task_free(launch->task);
	config_unref(launch->config);
	buf_done(&launch->prompt);
	json_decref(launch->envelope);
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

struct run *launch_start(const struct launch *launch, const char *log_path, struct err *err)
{
	const struct config_agent *agent = launch->agent;
	const struct store_task *task = launch->task;
	_cleanup_free_ char *directory = launch_directory(agent);
	_cleanup_free_ char *lock_path = NULL;
	char name[2 * HMAC_SIZE + 1];

	if (!directory || lock_name(directory, name, err) < 0 ||
	    !(lock_path = state_path(launch->config, "locks", name, "", err)))
		return NULL;

	const struct run_spec spec = launch_spec(launch->config, agent, task->run_id, task->timeout,
						 &launch->prompt, directory, log_path, lock_path);
	return run_start(&spec, err);
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
