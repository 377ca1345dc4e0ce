#include "pipeline/reporter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/outbox.h"

#define REPORTERS 4
#define SHORTEST_PAUSE 1000 /* ms */
#define LONGEST_PAUSE 30000 /* ms between two looks when nothing is due */
#define PAUSED_LIMIT 256

struct reporter {
	struct pipeline *pipeline;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t news;
	uint64_t wakes;
	char *paused[PAUSED_LIMIT]; /* ids of bots whose token was refused */
	size_t paused_count;
	pthread_t threads[REPORTERS];
	int started;
};

void reporter_wake(struct reporter *reporter)
{
	pthread_mutex_lock(&reporter->lock);
	reporter->wakes++;
	pthread_cond_broadcast(&reporter->news);
	pthread_mutex_unlock(&reporter->lock);
}

void reporter_resume(struct reporter *reporter)
{
	pthread_mutex_lock(&reporter->lock);
	while (reporter->paused_count > 0)
		free(reporter->paused[--reporter->paused_count]);
	pthread_mutex_unlock(&reporter->lock);
	reporter_wake(reporter);
}

size_t reporter_paused(struct reporter *reporter)
{
	pthread_mutex_lock(&reporter->lock);
	const size_t count = reporter->paused_count;
	pthread_mutex_unlock(&reporter->lock);
	return count;
}

static void pause_bot(struct reporter *reporter, const char *bot_id)
{
	const char *bot = bot_id ? bot_id : "";
	bool known = false;

	pthread_mutex_lock(&reporter->lock);
	for (size_t i = 0; i < reporter->paused_count; i++)
		known = known || strcmp(reporter->paused[i], bot) == 0;
	char *copy = !known && reporter->paused_count < PAUSED_LIMIT ? strdup(bot) : NULL;
	if (copy)
		reporter->paused[reporter->paused_count++] = copy;
	pthread_mutex_unlock(&reporter->lock);
}

static int take(struct reporter *reporter, struct store_report **report)
{
	char *paused[PAUSED_LIMIT];
	size_t count;
	struct err err;

	pthread_mutex_lock(&reporter->lock);
	for (count = 0; count < reporter->paused_count; count++)
		paused[count] = strdup(reporter->paused[count]);
	pthread_mutex_unlock(&reporter->lock);

	size_t whole = 0;
	while (whole < count && paused[whole])
		whole++;
	const int rc = store_take_report(reporter->pipeline->store, clock_wall(),
					 (const char *const *)paused, whole, report, &err);
	for (size_t i = 0; i < count; i++)
		free(paused[i]);
	if (rc < 0)
		log_event(LOG_LEVEL_ERROR, "cannot take a report", "why", err.text, NULL);
	return rc;
}

static const char *kind_name(const struct store_report *report)
{
	static const char *const names[] = {
		[REPORT_FORMAT] = "format",	   [REPORT_COMMENT] = "comment",
		[REPORT_STATE] = "state",	   [REPORT_AI_COMPLETE] = "ai_task_complete",
		[REPORT_AI_FAIL] = "ai_task_fail",
	};

	return names[report->kind];
}

static void log_report(const struct store_report *report, enum log_level level, const char *message,
		       const char *why)
{
	log_event(level, message, "what", kind_name(report), "run", report->run_id, "issue",
		  report->issue_id, "state", report->kind == REPORT_STATE ? report->text : NULL,
		  "ai_task", report->ai_task_id, "why", why, NULL);
}

static int send_again(struct reporter *reporter, const struct store_report *report,
		      struct outbox_end *end, struct err *err)
{
	struct pipeline *pipeline = reporter->pipeline;
	const int64_t now = clock_wall();

	if (end->fate == OUTBOX_PAUSED) {
		pause_bot(reporter, report->bot_id);
		log_report(report, LOG_LEVEL_ERROR, "report paused until reload", end->why.text);
		return store_report_failed(pipeline->store, report->id, now, true, end->why.text,
					   err);
	}
	if (outbox_is_overdue(report, now)) {
		counters_add(&pipeline->counters, COUNT_DEAD);
		log_report(report, LOG_LEVEL_ERROR, "report given up after 24 h", end->why.text);
		return store_report_dead(pipeline->store, report->id, end->why.text, err);
	}
	counters_add(&pipeline->counters, COUNT_RETRIED);
	log_report(report, LOG_LEVEL_WARN, "report failed, sent again later", end->why.text);
	return store_report_failed(pipeline->store, report->id,
				   now + outbox_back_off(report->attempts), end->outcome_known,
				   end->why.text, err);
}

static void tell(struct reporter *reporter, const struct store_report *report, const char *result)
{
	news_add(reporter->pipeline->news, "report",
		 json_pack("{s:s, s:s?, s:s, s:s}", "run_id", report->run_id, "issue_id",
			   report->issue_id, "what", kind_name(report), "result", result));
}

static int settle(struct reporter *reporter, const struct store_report *report,
		  struct outbox_end *end, struct err *err)
{
	struct pipeline *pipeline = reporter->pipeline;

	switch (end->fate) {
	case OUTBOX_EXPANDED:
		return 0;
	case OUTBOX_DELIVERED:
		counters_add(&pipeline->counters, COUNT_DELIVERED);
		tell(reporter, report, "delivered");
		meters_took(&pipeline->meters, METER_REPORT,
			    (clock_wall() - report->created_at) * 1000);
		log_report(report, LOG_LEVEL_INFO, "reported", NULL);
		return store_report_delivered(pipeline->store, report->id, err);
	case OUTBOX_DROPPED:
		counters_add(&pipeline->counters, COUNT_DROPPED);
		tell(reporter, report, "dropped");
		log_report(report, LOG_LEVEL_WARN, "report dropped", end->why.text);
		return store_report_dropped(pipeline->store, report->id, end->why.text, err);
	case OUTBOX_DEAD:
		counters_add(&pipeline->counters, COUNT_DEAD);
		tell(reporter, report, "dead");
		log_report(report, LOG_LEVEL_ERROR, "report given up", end->why.text);
		return store_report_dead(pipeline->store, report->id, end->why.text, err);
	case OUTBOX_AGAIN:
	case OUTBOX_PAUSED:
		return send_again(reporter, report, end, err);
	}
	return 0;
}

static void deliver(struct reporter *reporter, struct openpr *openpr,
		    const struct store_report *report)
{
	struct config *config = pipeline_config(reporter->pipeline);
	struct outbox_end end = outbox_send(reporter->pipeline, config, openpr, report);
	struct err err;

	/* A row whose fate cannot be written now is looked at again at the next start, as "outcome
	 * unknown". */
	while (settle(reporter, report, &end, &err) < 0) {
		log_report(report, LOG_LEVEL_ERROR, "not stored", err.text);
		if (atomic_load(&reporter->pipeline->stop))
			break;
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	}
	config_unref(config);
}

static bool may_send(struct reporter *reporter)
{
	struct config *config = pipeline_config(reporter->pipeline);
	const bool may = config->openpr.api_url && !config->executor.safe_mode;

	config_unref(config);
	return may;
}

static void wait_for_news(struct reporter *reporter, uint64_t seen)
{
	int64_t pause = store_next_report_due(reporter->pipeline->store) - clock_wall();
	struct timespec until;

	if (pause > LONGEST_PAUSE || !may_send(reporter))
		pause = LONGEST_PAUSE;
	if (pause < SHORTEST_PAUSE)
		pause = SHORTEST_PAUSE;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += pause / 1000 + 1;

	pthread_mutex_lock(&reporter->lock);
	while (reporter->wakes == seen && !atomic_load(&reporter->pipeline->stop))
		if (pthread_cond_timedwait(&reporter->news, &reporter->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&reporter->lock);
}

static void *run_reporter(void *arg)
{
	struct reporter *reporter = arg;
	struct pipeline *pipeline = reporter->pipeline;
	struct err err;
	struct openpr *openpr = openpr_new(&pipeline->stop, &err);
	struct config *config = pipeline_config(pipeline);

	if (openpr)
		pipeline_identify(pipeline, openpr, config); /* the filter wants to know it early */
	config_unref(config);
	while (openpr && !atomic_load(&pipeline->stop)) {
		struct store_report *report = NULL;
		pthread_mutex_lock(&reporter->lock);
		const uint64_t seen = reporter->wakes;
		pthread_mutex_unlock(&reporter->lock);

		if (may_send(reporter) && take(reporter, &report) == 0 && report)
			deliver(reporter, openpr, report);
		else
			wait_for_news(reporter, seen);
		store_report_free(report);
	}
	openpr_free(openpr);
	return NULL;
}

struct reporter *reporter_new(struct pipeline *pipeline, struct err *err)
{
	struct reporter *reporter = calloc(1, sizeof(*reporter));

	if (!reporter) {
		err_set(err, ERR_NOMEM, "no memory for the reporter");
		return NULL;
	}
	reporter->pipeline = pipeline;
	pthread_mutex_init(&reporter->lock, NULL);
	pthread_cond_init(&reporter->news, NULL);
	return reporter;
}

int reporter_start(struct reporter *reporter, struct err *err)
{
	for (; reporter->started < REPORTERS; reporter->started++)
		if (pthread_create(&reporter->threads[reporter->started], NULL, run_reporter,
				   reporter) != 0)
			return err_set(err, ERR_IO, "cannot start a reporter thread");
	return 0;
}

void reporter_stop(struct reporter *reporter)
{
	reporter_wake(reporter);
	for (; reporter->started > 0; reporter->started--)
		pthread_join(reporter->threads[reporter->started - 1], NULL);
}

void reporter_free(struct reporter *reporter)
{
	if (!reporter)
		return;
	while (reporter->paused_count > 0)
		free(reporter->paused[--reporter->paused_count]);
	pthread_mutex_destroy(&reporter->lock);
	pthread_cond_destroy(&reporter->news);
	free(reporter);
}
