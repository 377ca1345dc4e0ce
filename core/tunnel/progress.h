#pragma once

/*
 * What the control plane is told while work goes on: each change of a dispatch's state, and the end
 * of its run's output.  In memory only, and bounded: who missed it learns the next state, and the
 * result.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "store/store.h"

struct progress;

struct progress *progress_new(void); /* NULL: no memory */
void progress_free(struct progress *progress);

/* Looks at the dispatches in the queue and finds out what is new since it was told.  now: monotonic
 * ms. */
void progress_refresh(struct progress *progress, struct store *store, int64_t now);

/* The next payload of task.progress, which the caller owns; NULL: nothing new. */
json_t *progress_take(struct progress *progress);

/* Its result was told. */
void progress_over(struct progress *progress, const char *run_id);
/* Everything is told again: the peer is a new one. */
void progress_forget(struct progress *progress);

/* Whether output may come at any time. */
bool progress_is_running(const struct progress *progress);

/*
 * The last whole lines of a file, at most PROGRESS_OUTPUT bytes of them, secrets replaced, valid
 * UTF-8; the caller frees.  NULL: there is none.
 */
#define PROGRESS_OUTPUT 2048
char *progress_tail(const char *path);
