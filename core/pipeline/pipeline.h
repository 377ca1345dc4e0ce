#pragma once

/*
 * From a verified body to a delivered report: intake (decide, store), dispatcher (claim, render,
 * run), reporter (format, deliver). This is all that server/, the tunnel and main see of it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/exposition.h"
#include "base/json.h"
#include "config/config.h"
#include "pipeline/news.h"
#include "policy/policy.h"
#include "store/store.h"

struct pipeline;

/* All borrowed but config, which is shared. */
struct pipeline *pipeline_new(struct config *config, struct store *store, struct policy_pool *pool,
			      struct err *err);

/* Recovers what a dead daemon left, then takes, decides and stores events. */
int pipeline_start(struct pipeline *pipeline, struct err *err);
/* Runs and reports from now on: when all else has started, so that a daemon that cannot start
 * begins nothing. */
int pipeline_run(struct pipeline *pipeline, struct err *err);

/* HTTP status and JSON text of an answer. */
struct pipeline_answer {
	int status;
	char *body;	 /* owned by the receiver of the answer */
	int retry_after; /* s; 0: no such header */
};
typedef void pipeline_answer_fn(void *ctx, struct pipeline_answer *answer);

/*
 * A verified body.  Never blocks; the answer comes once, from another thread.  The body is copied.
 */
void pipeline_submit(struct pipeline *pipeline, const void *body, size_t len,
		     pipeline_answer_fn *answer, void *ctx);

/*
 * The payload of a task.dispatch (docs/tunnel.md), which goes the way of a webhook from here on.
 * Never blocks; the payload is copied.  0: `done` comes once, from another thread: without err the
 * dispatch is on disk with the ack that it is owed.  -1, and `done` never comes: ERR_INVALID, what
 * is wrong with it; ERR_FULL, too many are on their way: it may come again.  Not after
 * pipeline_stop().
 */
typedef void pipeline_dispatched_fn(void *ctx, const char *run_id, const struct err *err);
int pipeline_dispatch(struct pipeline *pipeline, const json_t *payload,
		      pipeline_dispatched_fn *done, void *ctx, struct err *err);

/* Somebody else who wants to know when the store has work (store_on_work()); NULL: nobody any more,
 * and nobody is inside.  `wake` must not block. */
void pipeline_on_work(struct pipeline *pipeline, store_wake_fn *wake, void *ctx);

/* A new configuration is in force (its policies are already in the pool). */
void pipeline_reload(struct pipeline *pipeline, struct config *config);

/* Decides a releasable event anew; the answer as the webhook would have got it.  Blocks;
 * ERR_NOTFOUND, ERR_CONFLICT. */
int pipeline_release(struct pipeline *pipeline, const char *event_id, json_t **answer,
		     struct err *err);

/*
 * Runs an ended task again, as store_retry() does; ERR_CONFLICT also when the gate of its agent is
 * off, which the text names.
 */
int pipeline_retry(struct pipeline *pipeline, const char *run_id, char new_run_id[ID_SIZE],
		   struct err *err);

/* Starts nothing new; receiving and storing go on. */
void pipeline_drain(struct pipeline *pipeline);
bool pipeline_draining(struct pipeline *pipeline);
/* How many runs are alive. */
size_t pipeline_running(struct pipeline *pipeline);
/* Interrupts what still runs and returns when no process of any run is left; receiving and storing
 * go on. */
void pipeline_interrupt(struct pipeline *pipeline);
/* Answers what was submitted, stops every thread.  Nothing may be submitted any more. */
void pipeline_stop(struct pipeline *pipeline);
void pipeline_free(struct pipeline *pipeline); /* accepts NULL */

/* NULL when fit to do its work, else why not (static text).  Never blocks for long: for loops. */
const char *pipeline_unready(struct pipeline *pipeline);

/*
 * All that is in trouble now, as pipeline/trouble.h describes it; an array, json_decref().  May
 * wait for the disk.
 */
json_t *pipeline_troubles(struct pipeline *pipeline);

/*
 * Somebody else who may be in trouble: adds to the list by trouble_add(), each second, on any
 * thread, without blocking, until pipeline_stop() has returned.  At most eight of them.
 */
typedef void pipeline_trouble_fn(void *ctx, json_t *list);
void pipeline_on_trouble(struct pipeline *pipeline, pipeline_trouble_fn *ask, void *ctx);

/* What happens, for GET /api/stream; borrowed. */
struct news *pipeline_news(struct pipeline *pipeline);
/* Something happened to a run: adds how it is now.  Asks the store, so not on its writer's thread.
 */
void pipeline_tell_run(struct pipeline *pipeline, const char *run_id);

/* Counters since start, for the log and the admin API: received, rejected, dispatched, joined, ...
 * ; json_decref(). */
json_t *pipeline_counters(struct pipeline *pipeline);

/* Latencies, rules and policy workers for GET /metrics. */
void pipeline_expose(struct pipeline *pipeline, struct exposition *out);
