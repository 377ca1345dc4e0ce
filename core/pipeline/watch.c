#include "pipeline/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/reporter.h"
#include "pipeline/trouble.h"

#define LOOK_EVERY 1		/* s */
#define OWED_LIMIT (900 * 1000) /* ms after which a report that is owed is a trouble */
#define SOURCES 8
#define FAILURES 3 /* of the policies, in a row */

struct watch {
	struct pipeline *pipeline;
	pthread_t thread;
	bool started;
	atomic_bool unfit;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t stopped;
	bool stop;
	struct {
		pipeline_trouble_fn *ask;
		void *ctx;
	} sources[SOURCES];
	size_t count;
};

/* ---- what there may be ---- */

static void look_at_queue(struct pipeline *pipeline, json_t *list)
{
	if (store_healthy(pipeline->store))
		return;
	if (store_disk_full(pipeline->store))
		trouble_add(list, "disk_full", true,
			    "the disk of queue.path is full: events are refused; make room");
	else
		trouble_add(list, "queue_unwritable", true,
			    "the queue cannot be written: events are refused; look at the disk and "
			    "the rights of queue.path");
}

static void look_at_policies(struct pipeline *pipeline, json_t *list)
{
	const unsigned failures = atomic_load(&pipeline->policy_failures);

	if (policy_pool_failing(pipeline->pool))
		trouble_add(list, "policies_unusable", true,
			    "no policy worker can be started: events are held; see the log");
	else if (failures >= FAILURES)
		trouble_add(list, "policies_failing", false,
			    "the policies failed on the last %u events, which are held: "
			    "`openpr-webhook events --status held` says why",
			    failures);
}

static void look_at_outbox(struct pipeline *pipeline, json_t *list)
{
	struct config *config = pipeline_config(pipeline);
	const bool wanted = config->openpr.api_url && !config->executor.safe_mode;
	const int64_t owed = wanted ? store_oldest_report(pipeline->store) : INT64_MAX;
	const int64_t now = clock_wall();
	const size_t paused = reporter_paused(pipeline->reporter);

	if (wanted && paused > 0)
		trouble_add(list, "outbox_stuck", true,
			    "OpenPR refuses the tokens of %zu bots, whose reports wait: correct "
			    "openpr.token or openpr.bots, then `openpr-webhook reload`",
			    paused);
	else if (owed < now - OWED_LIMIT)
		trouble_add(list, "outbox_stuck", true,
			    "a report has been owed for %lld minutes: is OpenPR there? "
			    "`openpr-webhook show RUN` says what it answers",
			    (long long)((now - owed) / 60000));
	config_unref(config);
}

/* One target of many: nothing of the daemon's own is unfit. */
static void look_at_targets(struct pipeline *pipeline, json_t *list)
{
	json_t *reasons = breakers_reasons(pipeline->breakers, clock_mono());

	for (size_t i = 0; i < json_array_size(reasons); i++)
		trouble_add(list, "breaker_open", false, "%s",
			    json_string_value(json_array_get(reasons, i)));
	json_decref(reasons);
}

static void ask_sources(struct watch *watch, json_t *list)
{
	pthread_mutex_lock(&watch->lock);
	const size_t count = watch->count;
	pthread_mutex_unlock(&watch->lock);
	for (size_t i = 0; i < count; i++)
		watch->sources[i].ask(watch->sources[i].ctx, list);
}

json_t *watch_troubles(struct watch *watch)
{
	struct pipeline *pipeline = watch->pipeline;
	json_t *list = json_array();

	look_at_queue(pipeline, list);
	look_at_policies(pipeline, list);
	look_at_outbox(pipeline, list);
	look_at_targets(pipeline, list);
	ask_sources(watch, list);
	return list;
}

/* ---- what is said ---- */

static const json_t *find(const json_t *list, const char *reason)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *trouble = json_array_get(list, i);
		const char *own = json_str(trouble, "reason");
		if (own && strcmp(own, reason) == 0)
			return trouble;
	}
	return NULL;
}

/* Where it happens, with the target's name. */
static bool is_said_elsewhere(const char *reason)
{
	return strcmp(reason, "breaker_open") == 0 || strcmp(reason, "tunnel_down") == 0;
}

static void say_changes(const json_t *before, const json_t *now)
{
	for (size_t i = 0; i < json_array_size(now); i++) {
		const json_t *trouble = json_array_get(now, i);
		const char *reason = json_str(trouble, "reason");
		if (reason && !find(before, reason) && !is_said_elsewhere(reason))
			log_event(LOG_LEVEL_WARN, "trouble", "reason", reason, "why",
				  json_str(trouble, "text"), "ready",
				  json_is_true(json_at(trouble, "turns")) ? "no" : NULL, NULL);
	}
	for (size_t i = 0; i < json_array_size(before); i++) {
		const char *reason = json_str(json_array_get(before, i), "reason");
		if (reason && !find(now, reason) && !is_said_elsewhere(reason))
			log_event(LOG_LEVEL_INFO, "trouble is over", "reason", reason, NULL);
	}
}

static bool wait_to_look(struct watch *watch)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOOK_EVERY;
	pthread_mutex_lock(&watch->lock);
	while (!watch->stop &&
	       pthread_cond_timedwait(&watch->stopped, &watch->lock, &until) != ETIMEDOUT)
		;
	const bool stop = watch->stop;
	pthread_mutex_unlock(&watch->lock);
	return !stop;
}

static void *run(void *arg)
{
	struct watch *watch = arg;
	json_t *before = json_array();

	do {
		json_t *now = watch_troubles(watch);
		atomic_store(&watch->unfit, trouble_turns(now));
		say_changes(before, now);
		json_decref(before);
		before = now;
	} while (wait_to_look(watch));
	json_decref(before);
	return NULL;
}

/* ---- the whole ---- */

struct watch *watch_new(struct pipeline *pipeline, struct err *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	pthread_condattr_t monotonic;

	if (!watch) {
		err_set(err, ERR_NOMEM, "no memory for the watch");
		return NULL;
	}
	watch->pipeline = pipeline;
	pthread_mutex_init(&watch->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->stopped, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return watch;
}

int watch_start(struct watch *watch, struct err *err)
{
	if (pthread_create(&watch->thread, NULL, run, watch) != 0)
		return err_set(err, ERR_IO, "cannot start the watch");
	watch->started = true;
	return 0;
}

void watch_stop(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->stop = true;
	pthread_cond_broadcast(&watch->stopped);
	pthread_mutex_unlock(&watch->lock);
	if (watch->started)
		pthread_join(watch->thread, NULL);
	watch->started = false;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	pthread_mutex_destroy(&watch->lock);
	pthread_cond_destroy(&watch->stopped);
	free(watch);
}

void watch_ask(struct watch *watch, pipeline_trouble_fn *ask, void *ctx)
{
	pthread_mutex_lock(&watch->lock);
	if (watch->count < SOURCES) {
		watch->sources[watch->count].ask = ask;
		watch->sources[watch->count].ctx = ctx;
		watch->count++;
	}
	pthread_mutex_unlock(&watch->lock);
}

bool watch_unfit(struct watch *watch)
{
	return atomic_load(&watch->unfit);
}
