#include "stand_in.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/trouble.h"

struct submission {
	struct submission *next;
	pipeline_answer_fn *answer;
	void *ctx;
};

struct pipeline {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct submission *first, **last;
	bool hold, stop, drained, block;
	size_t submitted;
	char *body;
	size_t body_len;
	struct pipeline_answer next;
	const char *unready;
	struct news *news;
};

static void *answer_all(void *data)
{
	struct pipeline *pipeline = data;

	pthread_mutex_lock(&pipeline->lock);
	for (;;) {
		while ((!pipeline->first || pipeline->hold) && !pipeline->stop)
			pthread_cond_wait(&pipeline->changed, &pipeline->lock);
		struct submission *submission = pipeline->first;
		if (!submission)
			break;
		pipeline->first = submission->next;
		if (!pipeline->first)
			pipeline->last = &pipeline->first;
		struct pipeline_answer answer = pipeline->next;
		answer.body = strdup(pipeline->next.body);
		pthread_mutex_unlock(&pipeline->lock);
		submission->answer(submission->ctx, &answer);
		free(submission);
		pthread_mutex_lock(&pipeline->lock);
	}
	pthread_mutex_unlock(&pipeline->lock);
	return NULL;
}

struct pipeline *stand_in_new(void)
{
	struct pipeline *pipeline = calloc(1, sizeof(*pipeline));

	pipeline->last = &pipeline->first;
	pipeline->news = news_new();
	pthread_mutex_init(&pipeline->lock, NULL);
	pthread_cond_init(&pipeline->changed, NULL);
	pipeline->next = (struct pipeline_answer){ 202, strdup("{\"status\":\"dispatched\"}"), 0 };
	assert_int_equal(pthread_create(&pipeline->thread, NULL, answer_all, pipeline), 0);
	return pipeline;
}

void stand_in_free(struct pipeline *pipeline)
{
	pthread_mutex_lock(&pipeline->lock);
	pipeline->stop = true;
	pthread_cond_broadcast(&pipeline->changed);
	pthread_mutex_unlock(&pipeline->lock);
	pthread_join(pipeline->thread, NULL);
	pthread_mutex_destroy(&pipeline->lock);
	pthread_cond_destroy(&pipeline->changed);
	news_free(pipeline->news);
	free(pipeline->body);
	free(pipeline->next.body);
	free(pipeline);
}

void stand_in_hold(struct pipeline *pipeline, bool hold)
{
	pthread_mutex_lock(&pipeline->lock);
	pipeline->hold = hold;
	pthread_cond_broadcast(&pipeline->changed);
	pthread_mutex_unlock(&pipeline->lock);
}

void stand_in_block(struct pipeline *pipeline, bool block)
{
	pthread_mutex_lock(&pipeline->lock);
	pipeline->block = block;
	pthread_cond_broadcast(&pipeline->changed);
	pthread_mutex_unlock(&pipeline->lock);
}

void stand_in_answer(struct pipeline *pipeline, int status, const char *body, int retry_after)
{
	pthread_mutex_lock(&pipeline->lock);
	free(pipeline->next.body);
	pipeline->next = (struct pipeline_answer){ status, strdup(body), retry_after };
	pthread_mutex_unlock(&pipeline->lock);
}

void stand_in_unready(struct pipeline *pipeline, const char *why)
{
	pthread_mutex_lock(&pipeline->lock);
	pipeline->unready = why;
	pthread_mutex_unlock(&pipeline->lock);
}

size_t stand_in_submitted(struct pipeline *pipeline, size_t least)
{
	pthread_mutex_lock(&pipeline->lock);
	while (pipeline->submitted < least)
		pthread_cond_wait(&pipeline->changed, &pipeline->lock);
	const size_t submitted = pipeline->submitted;
	pthread_mutex_unlock(&pipeline->lock);
	return submitted;
}

char *stand_in_body(struct pipeline *pipeline, size_t *len)
{
	pthread_mutex_lock(&pipeline->lock);
	char *body = malloc(pipeline->body_len + 1);
	memcpy(body, pipeline->body, pipeline->body_len);
	body[pipeline->body_len] = '\0';
	*len = pipeline->body_len;
	pthread_mutex_unlock(&pipeline->lock);
	return body;
}

bool stand_in_drained(struct pipeline *pipeline)
{
	pthread_mutex_lock(&pipeline->lock);
	const bool drained = pipeline->drained;
	pthread_mutex_unlock(&pipeline->lock);
	return drained;
}

char stand_in_last[256];
struct err stand_in_fails;
struct stand_in_run stand_in_run;

static int said(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int said(struct err *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(stand_in_last, sizeof(stand_in_last), fmt, args);
	va_end(args);
	if (!stand_in_fails.code)
		return 0;
	*err = stand_in_fails;
	return -1;
}

/* ---- pipeline.h ---- */

void pipeline_submit(struct pipeline *pipeline, const void *body, size_t len,
		     pipeline_answer_fn *answer, void *ctx)
{
	struct submission *submission = malloc(sizeof(*submission));

	*submission = (struct submission){ NULL, answer, ctx };
	pthread_mutex_lock(&pipeline->lock);
	free(pipeline->body);
	pipeline->body = malloc(len + 1);
	memcpy(pipeline->body, body, len);
	pipeline->body_len = len;
	pipeline->submitted++;
	*pipeline->last = submission;
	pipeline->last = &submission->next;
	pthread_cond_broadcast(&pipeline->changed);
	pthread_mutex_unlock(&pipeline->lock);
}

const char *pipeline_unready(struct pipeline *pipeline)
{
	pthread_mutex_lock(&pipeline->lock);
	while (pipeline->block)
		pthread_cond_wait(&pipeline->changed, &pipeline->lock);
	const char *why = pipeline->unready;
	pthread_mutex_unlock(&pipeline->lock);
	return why;
}

json_t *pipeline_troubles(struct pipeline *pipeline)
{
	json_t *list = json_array();

	pthread_mutex_lock(&pipeline->lock);
	if (pipeline->unready)
		trouble_add(list, "disk_full", true, "%s", pipeline->unready);
	pthread_mutex_unlock(&pipeline->lock);
	trouble_add(list, "signatures_failing", false, "the last 7 were wrong");
	return list;
}

struct news *pipeline_news(struct pipeline *pipeline)
{
	return pipeline->news;
}

void pipeline_tell_run(struct pipeline *pipeline, const char *run_id)
{
	news_add(pipeline->news, "run", json_pack("{s:s}", "run_id", run_id));
}

json_t *store_brief(struct store *store, const char *run_id, struct err *err)
{
	(void)store;
	return said(err, "brief %s", run_id) < 0
		   ? NULL
		   : json_pack("{s:s, s:s?, s:s}", "state", stand_in_run.state, "outcome",
			       stand_in_run.outcome, "log_path", stand_in_run.log_path);
}

bool pipeline_draining(struct pipeline *pipeline)
{
	return stand_in_drained(pipeline);
}

void pipeline_expose(struct pipeline *pipeline, struct exposition *out)
{
	(void)pipeline;
	exposition_open(out, "below", EXPOSITION_COUNTER, "Of the layer below.");
	exposition_number(out, 1);
}

void pipeline_drain(struct pipeline *pipeline)
{
	pthread_mutex_lock(&pipeline->lock);
	pipeline->drained = true;
	pthread_mutex_unlock(&pipeline->lock);
}

size_t pipeline_running(struct pipeline *pipeline)
{
	(void)pipeline;
	return 3;
}

json_t *pipeline_counters(struct pipeline *pipeline)
{
	(void)pipeline;
	return json_pack("{s:i}", "received", 7);
}

int pipeline_release(struct pipeline *pipeline, const char *event_id, json_t **answer,
		     struct err *err)
{
	(void)pipeline;
	if (said(err, "release %s", event_id) < 0)
		return -1;
	*answer = json_pack("{s:s}", "status", "dispatched");
	return 0;
}

json_t *store_runs(struct store *store, size_t limit, struct err *err)
{
	(void)store;
	return said(err, "runs %zu", limit) < 0 ? NULL : json_pack("[{s:s}]", "run_id", "r1");
}

json_t *store_show(struct store *store, const char *run_id, struct err *err)
{
	(void)store;
	return said(err, "show %s", run_id) < 0 ? NULL : json_pack("{s:s}", "run_id", run_id);
}

json_t *store_events(struct store *store, const char *status, size_t limit, struct err *err)
{
	(void)store;
	return said(err, "events %s %zu", status ? status : "all", limit) < 0 ? NULL : json_array();
}

json_t *store_counts(struct store *store, struct err *err)
{
	(void)store;
	return said(err, "counts") < 0 ? NULL : json_pack("{s:i}", "waiting", 2);
}

int store_cancel(struct store *store, const char *run_id, struct err *err)
{
	(void)store;
	return said(err, "cancel %s", run_id);
}

int pipeline_retry(struct pipeline *pipeline, const char *run_id, char new_run_id[ID_SIZE],
		   struct err *err)
{
	(void)pipeline;
	strcpy(new_run_id, "0192aaaa-0000-7000-8000-00000000000f");
	return said(err, "retry %s", run_id);
}

int store_retry_report(struct store *store, const char *run_id, struct err *err)
{
	(void)store;
	return said(err, "retry-report %s", run_id);
}

int store_discard(struct store *store, const char *event_id, struct err *err)
{
	(void)store;
	return said(err, "discard %s", event_id);
}
