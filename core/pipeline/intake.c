#include "pipeline/intake.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/answer.h"
#include "pipeline/decide.h"
#include "pipeline/event.h"

#define DECIDERS 2	    /* threads for events, one policy worker each */
#define AI_THREADS 2	    /* threads for AI tasks */
#define PATIENCE 2000	    /* ms an event may wait for its decision; OpenPR hangs up after 10 s */
#define UNDECIDED_PAUSE 500 /* ms between two looks for undecided events */
#define UNDECIDED_PATIENCE 10000

/* One verified body on its way to its answer. */
struct submission {
	struct submission *next;
	struct intake *intake;
	struct event *event;
	void *body; /* until it is parsed */
	size_t len;
	int64_t received_at, since; /* wall and monotonic ms */
	pipeline_answer_fn *answer;
	void *ctx;
};

struct lane {
	struct intake *intake;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct submission *first, **last;
	bool stop;
	pthread_t threads[DECIDERS > AI_THREADS ? DECIDERS : AI_THREADS];
	int started;
};

struct intake {
	struct pipeline *pipeline;
	struct lane events, ai_tasks;
	pthread_t undecided;
	bool undecided_started;
	atomic_bool stop;
};

static void submission_free(struct submission *submission)
{
	event_free(submission->event);
	free(submission->body);
	free(submission);
}

static void reply(struct submission *submission, struct pipeline_answer answer)
{
	submission->answer(submission->ctx, &answer);
	submission_free(submission);
}

/* ---- lanes ---- */

static void lane_put(struct lane *lane, struct submission *submission)
{
	pthread_mutex_lock(&lane->lock);
	submission->next = NULL;
	*lane->last = submission;
	lane->last = &submission->next;
	pthread_cond_signal(&lane->more);
	pthread_mutex_unlock(&lane->lock);
}

static struct submission *lane_take(struct lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	while (!lane->first && !lane->stop)
		pthread_cond_wait(&lane->more, &lane->lock);
	struct submission *submission = lane->first;
	if (submission) {
		lane->first = submission->next;
		if (!lane->first)
			lane->last = &lane->first;
	}
	pthread_mutex_unlock(&lane->lock);
	return submission;
}

static void lane_init(struct lane *lane, struct intake *intake)
{
	lane->intake = intake;
	lane->last = &lane->first;
	pthread_mutex_init(&lane->lock, NULL);
	pthread_cond_init(&lane->more, NULL);
}

static int lane_start(struct lane *lane, int threads, void *(*run)(void *), struct err *err)
{
	for (; lane->started < threads; lane->started++)
		if (pthread_create(&lane->threads[lane->started], NULL, run, lane) != 0)
			return err_set(err, ERR_IO, "cannot start an intake thread");
	return 0;
}

static void lane_stop(struct lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	lane->stop = true;
	pthread_cond_broadcast(&lane->more);
	pthread_mutex_unlock(&lane->lock);
	for (; lane->started > 0; lane->started--)
		pthread_join(lane->threads[lane->started - 1], NULL);
}

static void lane_done(struct lane *lane)
{
	pthread_mutex_destroy(&lane->lock);
	pthread_cond_destroy(&lane->more);
}

/* ---- one event ---- */

static void log_answer(const struct store_event *event, const struct store_answer *stored)
{
	const bool human = stored->status == STATUS_IGNORED && stored->cancelled == 0;

	log_event(human ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "decided", "status",
		  store_status_name(stored->status), "name", event->name, "event", stored->event_id,
		  "issue", event->issue_id, "bot", event->bot_name, "rule",
		  stored->rule[0] ? stored->rule : NULL, "agent",
		  stored->run_count ? stored->runs[0].agent : NULL, "run",
		  stored->run_count ? stored->runs[0].run_id : NULL, "gate",
		  stored->gate[0] ? stored->gate : NULL, "reason",
		  stored->reason[0] ? stored->reason : NULL, NULL);
}

/* On the writer thread, after COMMIT. */
static void answered(void *ctx, int rc, const struct store_answer *stored, const struct err *err)
{
	struct submission *submission = ctx;
	struct counters *counters = &submission->intake->pipeline->counters;
	const struct store_event *event = event_stored(submission->event);

	if (rc < 0) {
		counters_add(counters, COUNT_UNAVAILABLE);
		log_event(LOG_LEVEL_ERROR, "not stored", "name", event->name, "why", err->text,
			  NULL);
		reply(submission, answer_error(503, "the event could not be stored; try again"));
		return;
	}
	counters_status(counters, stored->status);
	log_answer(event, stored);
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
		if (!known &&
		    decide_complete(pipeline, config, openpr, submission->event, &err) < 0) {
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
	struct counters *counters = &submission->intake->pipeline->counters;
	struct err err;

	submission->event =
	    event_parse(submission->body, submission->len, submission->received_at, &err);
	if (!submission->event) {
		counters_add(counters, COUNT_INVALID);
		reply(submission, answer_error(err.code == ERR_NOMEM ? 503 : 400, err.text));
		return false;
	}
	free(submission->body);
	submission->body = NULL;

	switch (event_shape(submission->event)) {
	case EVENT_UNKNOWN:
		counters_add(counters, COUNT_IGNORED);
		reply(submission, answer_unknown());
		return false;
	case EVENT_AI_TASK:
		return true;
	case EVENT_WEBHOOK:
		if (!stale(config, submission))
			return true;
		counters_add(counters, COUNT_STALE);
		reply(submission,
		      answer_error(401, "the event's `timestamp` is outside of webhook.tolerance; "
					"check both clocks"));
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
			reply(submission, answer_error(503, err.text));
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

	struct event *event = event_parse(stored->event.body, stored->event.body_len,
					  stored->event.received_at, &err);
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
	if (done)
		log_answer(event_stored(event), &answer);
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
	if (lane_start(&intake->events, DECIDERS, run_events, err) < 0 ||
	    lane_start(&intake->ai_tasks, AI_THREADS, run_ai_tasks, err) < 0)
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
		.answer = answer,
		.ctx = ctx,
	};
	lane_put(&intake->events, submission);
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
