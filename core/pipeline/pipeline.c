#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "pipeline/dispatcher.h"
#include "pipeline/intake.h"
#include "pipeline/parts.h"
#include "pipeline/reporter.h"
#include "pipeline/watch.h"

struct config *pipeline_config(struct pipeline *pipeline)
{
	pthread_mutex_lock(&pipeline->lock);
	struct config *config = config_ref(pipeline->config);
	pthread_mutex_unlock(&pipeline->lock);
	return config;
}

void pipeline_identify(struct pipeline *pipeline, struct openpr *openpr,
		       const struct config *config)
{
	if (config->openpr.api_url && !config->executor.safe_mode)
		identity_refresh(pipeline->identity, openpr, config);
}

/* On the store's writer thread. */
static void work_came(void *ctx)
{
	struct pipeline *pipeline = ctx;

	dispatcher_wake(pipeline->dispatcher);
	reporter_wake(pipeline->reporter);
	pthread_mutex_lock(&pipeline->listening);
	if (pipeline->wake)
		pipeline->wake(pipeline->wake_ctx);
	pthread_mutex_unlock(&pipeline->listening);
}

void pipeline_on_work(struct pipeline *pipeline, store_wake_fn *wake, void *ctx)
{
	pthread_mutex_lock(&pipeline->listening);
	pipeline->wake = wake;
	pipeline->wake_ctx = ctx;
	pthread_mutex_unlock(&pipeline->listening);
}

static void breaker_changed(void *ctx, const char *target, bool open)
{
	(void)ctx;
	if (open)
		log_event(LOG_LEVEL_WARN, "circuit open", "target", target, "why",
			  "it failed several times in a row and is left alone for a while", NULL);
	else
		log_event(LOG_LEVEL_INFO, "circuit closed", "target", target, NULL);
}

struct pipeline *pipeline_new(struct config *config, struct store *store, struct policy_pool *pool,
			      struct err *err)
{
	struct pipeline *pipeline = calloc(1, sizeof(*pipeline));

	if (!pipeline) {
		err_set(err, ERR_NOMEM, "no memory for the pipeline");
		return NULL;
	}
	pthread_mutex_init(&pipeline->lock, NULL);
	pthread_mutex_init(&pipeline->listening, NULL);
	meters_init(&pipeline->meters);
	pipeline->config = config_ref(config);
	pipeline->store = store;
	pipeline->pool = pool;
	pipeline->identity = identity_new();
	pipeline->breakers = breakers_new(breaker_changed, NULL);
	pipeline->intake = intake_new(pipeline, err);
	pipeline->dispatcher = dispatcher_new(pipeline, err);
	pipeline->reporter = reporter_new(pipeline, err);
	pipeline->watch = watch_new(pipeline, err);
	pipeline->news = news_new();
	if (pipeline->identity && pipeline->breakers && pipeline->intake && pipeline->dispatcher &&
	    pipeline->reporter && pipeline->watch && pipeline->news)
		return pipeline;
	if (!pipeline->identity || !pipeline->breakers || !pipeline->news)
		err_set(err, ERR_NOMEM, "no memory for the pipeline");
	pipeline_free(pipeline);
	return NULL;
}

int pipeline_start(struct pipeline *pipeline, struct err *err)
{
	size_t recovered = 0;

	if (store_recover(pipeline->store, pipeline->config->queue.max_attempts, &recovered, err) <
		0 ||
	    store_recover_reports(pipeline->store, err) < 0)
		return -1;
	if (recovered > 0) {
		char count[32];
		snprintf(count, sizeof(count), "%zu", recovered);
		log_event(LOG_LEVEL_WARN, "recovered", "runs", count, "why",
			  "an earlier daemon ended while they ran", NULL);
	}
	store_on_work(pipeline->store, work_came, pipeline);
	return intake_start(pipeline->intake, err);
}

int pipeline_run(struct pipeline *pipeline, struct err *err)
{
	if (dispatcher_start(pipeline->dispatcher, err) < 0 ||
	    reporter_start(pipeline->reporter, err) < 0 || watch_start(pipeline->watch, err) < 0)
		return -1;
	return 0;
}

void pipeline_submit(struct pipeline *pipeline, const void *body, size_t len,
		     pipeline_answer_fn *answer, void *ctx)
{
	intake_submit(pipeline->intake, body, len, answer, ctx);
}

int pipeline_dispatch(struct pipeline *pipeline, const json_t *payload,
		      pipeline_dispatched_fn *done, void *ctx, struct err *err)
{
	return intake_dispatch(pipeline->intake, payload, done, ctx, err);
}

void pipeline_reload(struct pipeline *pipeline, struct config *config)
{
	pthread_mutex_lock(&pipeline->lock);
	struct config *old = pipeline->config;
	pipeline->config = config_ref(config);
	pthread_mutex_unlock(&pipeline->lock);
	config_unref(old);
	identity_forget(pipeline->identity);
	reporter_resume(pipeline->reporter);
	dispatcher_wake(pipeline->dispatcher);
}

void pipeline_drain(struct pipeline *pipeline)
{
	dispatcher_drain(pipeline->dispatcher);
}

bool pipeline_draining(struct pipeline *pipeline)
{
	return dispatcher_draining(pipeline->dispatcher);
}

size_t pipeline_running(struct pipeline *pipeline)
{
	return dispatcher_running(pipeline->dispatcher);
}

void pipeline_interrupt(struct pipeline *pipeline)
{
	dispatcher_interrupt(pipeline->dispatcher);
}

void pipeline_stop(struct pipeline *pipeline)
{
	watch_stop(pipeline->watch);
	dispatcher_interrupt(pipeline->dispatcher);
	intake_stop(pipeline->intake);
	dispatcher_stop(pipeline->dispatcher);
	atomic_store(&pipeline->stop, true);
	reporter_stop(pipeline->reporter);
	store_on_work(pipeline->store, NULL, NULL);
}

void pipeline_free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	watch_free(pipeline->watch);
	reporter_free(pipeline->reporter);
	dispatcher_free(pipeline->dispatcher);
	intake_free(pipeline->intake);
	identity_free(pipeline->identity);
	breakers_free(pipeline->breakers);
	config_unref(pipeline->config);
	meters_done(&pipeline->meters);
	news_free(pipeline->news);
	pthread_mutex_destroy(&pipeline->lock);
	pthread_mutex_destroy(&pipeline->listening);
	free(pipeline);
}

const char *pipeline_unready(struct pipeline *pipeline)
{
	if (!store_healthy(pipeline->store))
		return "the queue cannot be written";
	if (policy_pool_failing(pipeline->pool))
		return "no policy worker can be started";
	if (watch_unfit(pipeline->watch))
		return "in trouble";
	return NULL;
}

json_t *pipeline_troubles(struct pipeline *pipeline)
{
	return watch_troubles(pipeline->watch);
}

void pipeline_on_trouble(struct pipeline *pipeline, pipeline_trouble_fn *ask, void *ctx)
{
	watch_ask(pipeline->watch, ask, ctx);
}

json_t *pipeline_counters(struct pipeline *pipeline)
{
	return counters_json(&pipeline->counters);
}

void pipeline_expose(struct pipeline *pipeline, struct exposition *out)
{
	uint64_t kills, starts;

	meters_expose(&pipeline->meters, out);
	policy_pool_counts(pipeline->pool, &kills, &starts);
	exposition_open(out, "openpr_webhook_policy_workers_started_total", EXPOSITION_COUNTER,
			"Policy workers that were started.");
	exposition_number(out, (int64_t)starts);
	exposition_open(out, "openpr_webhook_policy_workers_killed_total", EXPOSITION_COUNTER,
			"Policy workers that were ended for overrunning time or memory.");
	exposition_number(out, (int64_t)kills);
}

struct news *pipeline_news(struct pipeline *pipeline)
{
	return pipeline->news;
}

void pipeline_tell_run(struct pipeline *pipeline, const char *run_id)
{
	struct err ignored;
	json_t *run = store_brief(pipeline->store, run_id, &ignored);

	json_object_del(run, "log_path");
	news_add(pipeline->news, "run", run);
}
