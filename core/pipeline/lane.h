#pragma once

/* Submissions on their way to a decision: a queue and the threads that work on it. */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pipeline/event.h"
#include "pipeline/pipeline.h"

struct intake;

/* One verified body, or one dispatch, on its way to its answer. */
struct submission {
	struct submission *next;
	struct intake *intake;
	struct event *event;
	void *body; /* until it is parsed */
	size_t len;
	int64_t received_at, since; /* wall and monotonic ms */
	int64_t began;		    /* monotonic microseconds */
	pipeline_answer_fn *answer; /* of a webhook */
	pipeline_dispatched_fn *dispatched;
	void *ctx;
};
void submission_free(struct submission *submission);

#define LANE_THREADS 2

struct lane {
	struct intake *intake;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct submission *first, **last;
	bool stop;
	pthread_t threads[LANE_THREADS];
	int started;
};

void lane_init(struct lane *lane, struct intake *intake);
void lane_done(struct lane *lane);
int lane_start(struct lane *lane, void *(*run)(void *), struct err *err);
/* The threads end when nothing is queued any more. */
void lane_stop(struct lane *lane);

void lane_put(struct lane *lane, struct submission *submission);
/* Waits; NULL when the lane was stopped and is empty. */
struct submission *lane_take(struct lane *lane);
