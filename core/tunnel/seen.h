#pragma once

/*
 * Which envelopes have been here: memory that does not grow.  When it is full, the oldest half is
 * forgotten, and from then on whatever is not newer than what was forgotten counts as too old: no
 * envelope passes twice, however many come.
 */

#include <stdint.h>

#include "base/err.h"

#define SEEN_MOST 32768 /* ids that are surely remembered: half of it at least */

struct seen;

struct seen *seen_new(struct err *err);
void seen_free(struct seen *seen); /* accepts NULL */

enum seen_answer { SEEN_NEW, SEEN_BEFORE, SEEN_TOO_OLD, SEEN_FAILED };

/* Remembers a new one.  ts: its own time, s.  SEEN_FAILED: err says why. */
enum seen_answer seen_add(struct seen *seen, const char *id, int64_t ts, struct err *err);
