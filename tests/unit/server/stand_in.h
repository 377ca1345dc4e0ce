#pragma once

/*
 * Stands in for the pipeline and the store, which are not what these tests are about.  Answers come
 * from a thread of its own, as from the real one.
 */

#include <stdbool.h>
#include <stddef.h>

#include "pipeline/pipeline.h"

struct pipeline *stand_in_new(void);
void stand_in_free(struct pipeline *pipeline); /* answers what it holds first */

/* While held, nothing is answered; letting go answers all. */
void stand_in_hold(struct pipeline *pipeline, bool hold);
/* What the next ones are answered; the default is 202 {"status":"dispatched"}. */
void stand_in_answer(struct pipeline *pipeline, int status, const char *body, int retry_after);
/* While blocked, pipeline_unready() does not return: a loop that is asked GET /ready stands still.
 */
void stand_in_block(struct pipeline *pipeline, bool block);
void stand_in_unready(struct pipeline *pipeline, const char *why);

/* How many bodies were submitted; waits until there are at least `least`. */
size_t stand_in_submitted(struct pipeline *pipeline, size_t least);
/* The last body; the caller frees. */
char *stand_in_body(struct pipeline *pipeline, size_t *len);
bool stand_in_drained(struct pipeline *pipeline);

/* What store_* and pipeline_release() were called with, as "cancel <id>"; and what they say next:
 * code 0: success. */
extern char stand_in_last[256];
extern struct err stand_in_fails;

/* What store_brief() tells of every run. */
extern struct stand_in_run {
	const char *state, *outcome, *log_path;
} stand_in_run;
