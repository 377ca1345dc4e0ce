#include "pipeline/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/answer.h"
#include "pipeline/decide.h"
#include "pipeline/event.h"
#include "pipeline/lane.h"

#define PATIENCE 2000	    /* ms an event may wait for its decision; OpenPR hangs up after 10 s */
#define UNDECIDED_PAUSE 500 /* ms between two looks for undecided events */
#define UNDECIDED_PATIENCE 10000
#define DISPATCHES 64			    /* that are not on disk yet */
#define DISPATCH_BYTES (64LL * 1024 * 1024) /* of their bodies */

struct intake {
	struct pipeline *pipeline;
	struct lane events, ai_tasks;
	atomic_llong dispatches, dispatch_bytes;
	pthread_t undecided;
	bool undecided_started;
	atomic_bool stop;
};

/* ---- answers ---- */

static void took(const struct submission *submission)
{
	meters_took(&submission->intake->pipeline->meters, METER_ANSWER,
		    clock_micros() - submission->began);
}

static void reply(struct submission *submission, struct pipeline_answer answer)
{
	took(submission);
	submission->answer(submission->ctx, &answer);
	submission_free(submission);
}

/* err: it is not on disk. */
static void tell(struct submission *submission, const struct err *err)
{
	struct intake *intake = submission->intake;

	atomic_fetch_sub(&intake->dispatches, 1);
	atomic_fetch_sub(&intake->dispatch_bytes, (long long)submission->len);
	took(submission);
	submission->dispatched(submission->ctx, event_stored(submission->event)->dispatch_id, err);
	submission_free(submission);
}

static void refuse(struct submission *submission, enum counter which, int status,
		   const struct err *err)
{
	counters_add(&submission->intake->pipeline->counters, which);
	if (submission->dispatched)
		tell(submission, err);
	else
		reply(submission, answer_error(status, err->text));
}

/* ---- one event ---- */

/* On the writer thread, after COMMIT. */
static void answered(void *ctx, int rc, const struct store_answer *stored, const struct err *err)
{
	struct submission *submission = ctx;
	struct pipeline *pipeline = submission->intake->pipeline;
	const struct store_event *event = event_stored(submission->event);

	if (rc < 0) {
		log_event(LOG_LEVEL_ERROR, "not stored", "name", event->name, "issue",
			  event->issue_id, "delivery", event_delivery(event), "why", err->text,
			  NULL);
		struct err said;
		err_set(&said, err->code, "the event could not be stored; try again");
		refuse(submission, COUNT_UNAVAILABLE, 503, &said);
		return;
	}
	counters_status(&pipeline->counters, stored->status);
	meters_ruled(&pipeline->meters, stored->status, stored->rule);
	answer_log(event, stored);
	answer_news(pipeline->news, event, stored);
	if (submission->dispatched)
		tell(submission, NULL);
	else
		reply(submission, answer_stored(event, stored));
}

static void hold_incomplete(struct decided *decided, const struct err *err)
{
	memset(decided, 0, sizeof(*decided));
	snprintf(decided->reason, sizeof(decided->reason), "%.*s", (int)sizeof(decided->reason) - 1,
		 err->text);
	decided->decision = (struct store_decision){ .action = ACTION_HOLD,
						     .rule = "not complete",
						     .reason = decided->reason };
}

static void decide_and_store(struct submission *submission, const struct config *config,
			     struct openpr *openpr)
{
	struct pipeline *pipeline = submission->intake->pipeline;
	const struct store_event *stored = event_stored(submission->event);
	struct decided decided;
	struct err err;

	if (openpr) {
		pipeline_identify(pipeline, openpr, config);
		const bool known =
		    store_ai_task_known(pipeline->store, stored->ai_task_id, stored->join_key);
		/* Nobody repeats a dispatch for want of an answer of OpenPR's. */
		if (!known &&
		    decide_complete(pipeline, config, openpr, submission->event, &err) < 0 &&
		    stored->source != SOURCE_TUNNEL) {
			hold_incomplete(&decided, &err);
			goto store;
		}
	}
	const int64_t waited = clock_mono() - submission->since;
	decide(pipeline, config, submission->event, openpr ? PATIENCE : PATIENCE - waited,
	       &decided);
	/* Policies come into force a moment before the config.lua that they belong to. */
	if (decided.agent_unknown) {
		decided.decision.action = ACTION_UNDECIDED;
		decided.decision.rule = "not decided yet";
	}
store:
	store_accept(pipeline->store, stored, &decided.decision, answered, submission);
}

static bool stale(const struct config *config, const struct submission *submission)
{
	const int64_t age = submission->received_at - event_stored(submission->event)->at;

	return age > config->webhook.tolerance || -age > config->webhook.tolerance;
}

/* Parses; answers and returns false when there is nothing to decide. */
static bool understand(struct submission *submission, const struct config *config)
{
	struct pipeline *pipeline = submission->intake->pipeline;
	struct err err;

	if (submission->dispatched)
		return true;
	submission->event =
	    event_parse(submission->body, submission->len, submission->received_at, &err);
	if (!submission->event) {
		const bool full = err.code == ERR_NOMEM;
		refuse(submission, full ? COUNT_UNAVAILABLE : COUNT_INVALID, full ? 503 : 400,
		       &err);
		return false;
	}
	free(submission->body);
	submission->body = NULL;

	switch (event_shape(submission->event)) {
	case EVENT_UNKNOWN:
	case EVENT_DISPATCH:
		counters_add(&pipeline->counters, COUNT_IGNORED);
		meters_ruled(&pipeline->meters, STATUS_IGNORED, "(neither event nor AI task)");
		reply(submission, answer_unknown());
		return false;
	case EVENT_AI_TASK:
		return true;
	case EVENT_WEBHOOK:
		if (!stale(config, submission))
			return true;
		err_set(
		    &err, ERR_INVALID,
		    "the event's `timestamp` is outside of webhook.tolerance; check both clocks");
		refuse(submission, COUNT_STALE, 401, &err);
		return false;
	}
	return false;
}

static void *run_events(void *arg)
{
	struct lane *lane = arg;
	struct intake *intake = lane->intake;
	struct submission *submission;

	while ((submission = lane_take(lane))) {
		struct config *config = pipeline_config(intake->pipeline);
		if (understand(submission, config)) {
			if (event_shape(submission->event) == EVENT_AI_TASK)
				lane_put(&intake->ai_tasks, submission);
			else
				decide_and_store(submission, config, NULL);
		}
		config_unref(config);
	}
	return NULL;
}

static void *run_ai_tasks(void *arg)
{
	struct lane *lane = arg;
	struct pipeline *pipeline = lane->intake->pipeline;
	struct err err;
	struct openpr *openpr = openpr_new(&pipeline->stop, &err);
	struct submission *submission;

	while ((submission = lane_take(lane))) {
		struct config *config = pipeline_config(pipeline);
		if (openpr)
			decide_and_store(submission, config, openpr);
		else
			refuse(submission, COUNT_UNAVAILABLE, 503, &err);
		config_unref(config);
	}
	openpr_free(openpr);
	return NULL;
}

/* ---- what was stored undecided ---- */

/* True when one was decided, so that there may be more. */
static bool decide_oldest(struct intake *intake)
{
	struct pipeline *pipeline = intake->pipeline;
	struct store_stored *stored = NULL;
	struct err err;

	if (store_next_undecided(pipeline->store, &stored, &err) < 0 || !stored)
		return false;

	struct event *event = event_restore(&stored->event, &err);
	struct config *config = pipeline_config(pipeline);
	struct decided decided;
	struct store_answer answer;
	bool done = false;

	if (event && stored->event.completion)
		event_complete(event, stored->event.completion, &err);
	if (event) {
		decide(pipeline, config, event, UNDECIDED_PATIENCE, &decided);
		done = decided.decision.action != ACTION_UNDECIDED &&
		       store_redecide(pipeline->store, stored->id, &decided.decision, &answer,
				      &err) == 0;
	}
	if (done) {
		answer_log(event_stored(event), &answer);
		answer_news(pipeline->news, event_stored(event), &answer);
	}
	config_unref(config);
	event_free(event);
	store_stored_free(stored);
	return done;
}

static void *run_undecided(void *arg)
{
	struct intake *intake = arg;

	while (!atomic_load(&intake->stop)) {
		if (!decide_oldest(intake))
			nanosleep(&(struct timespec){ .tv_nsec = UNDECIDED_PAUSE * 1000000L },
				  NULL);
	}
	return NULL;
}

/* ---- the whole ---- */

struct intake *intake_new(struct pipeline *pipeline, struct err *err)
{
	struct intake *intake = calloc(1, sizeof(*intake));

	if (!intake) {
		err_set(err, ERR_NOMEM, "no memory for the intake");
		return NULL;
	}
	intake->pipeline = pipeline;
	lane_init(&intake->events, intake);
	lane_init(&intake->ai_tasks, intake);
	return intake;
}

int intake_start(struct intake *intake, struct err *err)
{
	if (lane_start(&intake->events, run_events, err) < 0 ||
	    lane_start(&intake->ai_tasks, run_ai_tasks, err) < 0)
		return -1;
	if (pthread_create(&intake->undecided, NULL, run_undecided, intake) != 0)
		return err_set(err, ERR_IO, "cannot start an intake thread");
	intake->undecided_started = true;
	return 0;
}

void intake_submit(struct intake *intake, const void *body, size_t len, pipeline_answer_fn *answer,
		   void *ctx)
{
	struct submission *submission = calloc(1, sizeof(*submission));
	void *copy = submission ? malloc(len + 1) : NULL;

	counters_add(&intake->pipeline->counters, COUNT_RECEIVED);
	if (!copy) {
		struct pipeline_answer full = answer_error(503, "out of memory");
		counters_add(&intake->pipeline->counters, COUNT_UNAVAILABLE);
		free(submission);
		answer(ctx, &full);
		return;
	}
	memcpy(copy, body, len);
	*submission = (struct submission){
		.intake = intake,
		.body = copy,
		.len = len,
		.received_at = clock_wall(),
		.since = clock_mono(),
		.began = clock_micros(),
		.answer = answer,
		.ctx = ctx,
	};
	lane_put(&intake->events, submission);
}

int intake_dispatch(struct intake *intake, const json_t *payload, pipeline_dispatched_fn *done,
		    void *ctx, struct err *err)
{
	struct submission *submission = calloc(1, sizeof(*submission));
	const int64_t now = clock_wall();

	counters_add(&intake->pipeline->counters, COUNT_RECEIVED);
	counters_add(&intake->pipeline->counters, COUNT_FROM_TUNNEL);
	if (!submission) {
		counters_add(&intake->pipeline->counters, COUNT_UNAVAILABLE);
		return err_set(err, ERR_NOMEM, "no memory for a dispatch");
	}
	*submission = (struct submission){
		.intake = intake,
		.event = event_parse_dispatch(payload, now, err),
		.received_at = now,
		.since = clock_mono(),
		.began = clock_micros(),
		.dispatched = done,
		.ctx = ctx,
	};
	if (!submission->event) {
		counters_add(&intake->pipeline->counters, COUNT_INVALID);
		submission_free(submission);
		return -1;
	}
	submission->len = event_stored(submission->event)->body_len;
	if (atomic_load(&intake->dispatches) >= DISPATCHES ||
	    atomic_load(&intake->dispatch_bytes) >= DISPATCH_BYTES) {
		counters_add(&intake->pipeline->counters, COUNT_UNAVAILABLE);
		submission_free(submission);
		return err_set(err, ERR_FULL, "%d dispatches are not stored yet", DISPATCHES);
	}
	atomic_fetch_add(&intake->dispatches, 1);
	atomic_fetch_add(&intake->dispatch_bytes, (long long)submission->len);
	lane_put(&intake->events, submission);
	return 0;
}

void intake_stop(struct intake *intake)
{
	atomic_store(&intake->stop, true);
	lane_stop(&intake->events);
	lane_stop(&intake->ai_tasks);
	if (intake->undecided_started)
		pthread_join(intake->undecided, NULL);
	intake->undecided_started = false;
}

void intake_free(struct intake *intake)
{
	if (!intake)
		return;
	lane_done(&intake->events);
	lane_done(&intake->ai_tasks);
	free(intake);
}
