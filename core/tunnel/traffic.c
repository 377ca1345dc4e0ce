#include "tunnel/traffic.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/dispatch.h"
#include "tunnel/progress.h"

#define REFUSALS 64	   /* errors that wait to be sent; older ones are dropped */
#define TICK 1000	   /* ms */
#define REFRESH_PAUSE 500  /* ms between two looks at how far the dispatches are */
#define DETAIL_LIMIT "200" /* bytes of an error's words */

struct traffic {
	struct pipeline *pipeline;
	struct store *store;
	atomic_bool owed, moved; /* there may be an ack or a result; a state may have changed */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t stopped;
	struct link *link;
	json_t *refusals; /* array of payloads of `error` */
	bool stop;
	pthread_t ticker;
	bool ticking;

	/* Of the link's thread. */
	int64_t handed; /* the last seq that was handed out on this connection */
	struct progress *progress;
	int64_t refresh_at; /* monotonic ms */
};

static void wake(struct traffic *traffic)
{
	pthread_mutex_lock(&traffic->lock);
	if (traffic->link)
		link_wake(traffic->link);
	pthread_mutex_unlock(&traffic->lock);
}

/* On the store's writer thread. */
static void work_came(void *ctx)
{
	struct traffic *traffic = ctx;

	atomic_store(&traffic->owed, true);
	atomic_store(&traffic->moved, true);
	wake(traffic);
}

/* ---- in ---- */

static const char *reason_of(const struct err *err, const char *invalid)
{
	switch (err->code) {
	case ERR_INVALID:
		return invalid;
	case ERR_FULL:
	case ERR_NOMEM:
		return "busy";
	default:
		return "unavailable";
	}
}

/* Without an ack the control plane knows that it may come again. */
static void refuse(struct traffic *traffic, const char *reason, const char *run_id,
		   const struct err *err)
{
	char detail[256];

	snprintf(detail, sizeof(detail), "%." DETAIL_LIMIT "s", err->text);
	log_event(LOG_LEVEL_WARN, "dispatch refused", "reason", reason, "run", run_id, "why",
		  detail, NULL);
	json_t *payload =
	    json_pack("{s:s, s:s*, s:s}", "reason", reason, "run_id", run_id, "detail", detail);
	pthread_mutex_lock(&traffic->lock);
	if (json_array_size(traffic->refusals) >= REFUSALS)
		json_array_remove(traffic->refusals, 0);
	if (payload)
		json_array_append_new(traffic->refusals, payload);
	pthread_mutex_unlock(&traffic->lock);
	wake(traffic);
}

/* On a thread of the pipeline's or the store's. */
static void dispatched(void *ctx, const char *run_id, const struct err *err)
{
	if (err)
		refuse(ctx, reason_of(err, "unavailable"), run_id, err);
	else
		work_came(ctx);
}

/* A run_id that can be told back. */
static const char *run_id_of(const json_t *payload)
{
	const char *run_id = json_str(payload, "run_id");

	return run_id && run_id[0] && strlen(run_id) <= STORE_DISPATCH_ID ? run_id : NULL;
}

static void cancel(struct traffic *traffic, const json_t *payload)
{
	const char *run_id = run_id_of(payload);
	struct err err;

	err_set(&err, ERR_INVALID, "a run_id has 1 to %d bytes", STORE_DISPATCH_ID);
	if (!run_id || store_cancel_dispatch(traffic->store, run_id, &err) < 0) {
		refuse(traffic, reason_of(&err, "invalid_cancel"), run_id, &err);
		return;
	}
	log_event(LOG_LEVEL_INFO, "cancelled by the control plane", "run", run_id, NULL);
}

static void received(void *ctx, const char *type, const json_t *payload)
{
	struct traffic *traffic = ctx;
	struct err err;

	if (strcmp(type, "task.cancel") == 0)
		cancel(traffic, payload);
	else if (strcmp(type, "task.dispatch") == 0 &&
		 pipeline_dispatch(traffic->pipeline, payload, dispatched, traffic, &err) < 0)
		refuse(traffic, reason_of(&err, "invalid_dispatch"), run_id_of(payload), &err);
}

/* ---- out ---- */

static bool give(struct link_message *message, const char *type, json_t *payload)
{
	memset(message, 0, sizeof(*message));
	snprintf(message->type, sizeof(message->type), "%s", type);
	message->payload = payload;
	return true;
}

static bool next_refusal(struct traffic *traffic, struct link_message *message)
{
	pthread_mutex_lock(&traffic->lock);
	json_t *payload = json_incref(json_array_get(traffic->refusals, 0));
	if (payload)
		json_array_remove(traffic->refusals, 0);
	pthread_mutex_unlock(&traffic->lock);
	return payload && give(message, "error", payload);
}

static bool next_telling(struct traffic *traffic, struct link_message *message)
{
	struct store_telling telling;
	struct err err;

	if (!atomic_exchange(&traffic->owed, false))
		return false;
	const int rc = store_next_telling(traffic->store, traffic->handed, &telling, &err);
	if (rc < 0) {
		log_event(LOG_LEVEL_ERROR, "cannot read what the tunnel is owed", "why", err.text,
			  NULL);
		return false;
	}
	if (rc == 0)
		return false;
	atomic_store(&traffic->owed, true);
	traffic->handed = telling.seq;
	if (!telling.ack)
		progress_over(traffic->progress, json_str(telling.payload, "run_id"));
	give(message, telling.ack ? "task.ack" : "task.result", telling.payload);
	snprintf(message->key, sizeof(message->key), "%" PRId64, telling.seq);
	return true;
}

static bool next_progress(struct traffic *traffic, struct link_message *message)
{
	const int64_t now = clock_mono();
	json_t *payload = progress_take(traffic->progress);

	if (!payload && now >= traffic->refresh_at &&
	    (atomic_exchange(&traffic->moved, false) || progress_is_running(traffic->progress))) {
		traffic->refresh_at = now + REFRESH_PAUSE;
		progress_refresh(traffic->progress, traffic->store, now);
		payload = progress_take(traffic->progress);
	}
	return payload && give(message, "task.progress", payload);
}

static bool next(void *ctx, struct link_message *message)
{
	struct traffic *traffic = ctx;

	return next_refusal(traffic, message) || next_telling(traffic, message) ||
	       next_progress(traffic, message);
}

static void confirmed(void *ctx, const char *key)
{
	struct traffic *traffic = ctx;

	if (key[0])
		store_told_soon(traffic->store, strtoll(key, NULL, 10));
}

static void changed(void *ctx, bool up, const char *why)
{
	struct traffic *traffic = ctx;

	(void)why;
	if (!up)
		return;
	traffic->handed = 0;
	traffic->refresh_at = 0;
	progress_forget(traffic->progress);
	atomic_store(&traffic->owed, true);
	atomic_store(&traffic->moved, true);
}

/* ---- the whole ---- */

/* Output comes without a COMMIT; somebody has to look. */
static void *run_ticker(void *arg)
{
	struct traffic *traffic = arg;
	struct timespec until;

	pthread_mutex_lock(&traffic->lock);
	while (!traffic->stop) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += TICK / 1000;
		if (pthread_cond_timedwait(&traffic->stopped, &traffic->lock, &until) ==
			ETIMEDOUT &&
		    traffic->link)
			link_wake(traffic->link);
	}
	pthread_mutex_unlock(&traffic->lock);
	return NULL;
}

struct traffic *traffic_new(struct pipeline *pipeline, struct store *store, struct err *err)
{
	struct traffic *traffic = calloc(1, sizeof(*traffic));

	if (!traffic) {
		err_set(err, ERR_NOMEM, "no memory for the tunnel");
		return NULL;
	}
	pthread_mutex_init(&traffic->lock, NULL);
	pthread_cond_init(&traffic->stopped, NULL);
	traffic->pipeline = pipeline;
	traffic->store = store;
	traffic->refusals = json_array();
	traffic->progress = progress_new();
	traffic->ticking = traffic->refusals && traffic->progress &&
			   pthread_create(&traffic->ticker, NULL, run_ticker, traffic) == 0;
	if (traffic->ticking)
		return traffic;
	err_set(err, ERR_NOMEM, "no memory for the tunnel");
	traffic_free(traffic);
	return NULL;
}

struct link_traffic traffic_callbacks(struct traffic *traffic)
{
	return (struct link_traffic){
		.received = received,
		.next = next,
		.confirmed = confirmed,
		.changed = changed,
		.ctx = traffic,
	};
}

void traffic_attach(struct traffic *traffic, struct link *link)
{
	pthread_mutex_lock(&traffic->lock);
	traffic->link = link;
	pthread_mutex_unlock(&traffic->lock);
	pipeline_on_work(traffic->pipeline, link ? work_came : NULL, traffic);
	if (link)
		link_wake(link);
}

void traffic_free(struct traffic *traffic)
{
	if (!traffic)
		return;
	pthread_mutex_lock(&traffic->lock);
	traffic->stop = true;
	pthread_cond_signal(&traffic->stopped);
	pthread_mutex_unlock(&traffic->lock);
	if (traffic->ticking)
		pthread_join(traffic->ticker, NULL);
	json_decref(traffic->refusals);
	progress_free(traffic->progress);
	pthread_mutex_destroy(&traffic->lock);
	pthread_cond_destroy(&traffic->stopped);
	free(traffic);
}
