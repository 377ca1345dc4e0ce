#pragma once

/* A set of line numbers of one text file.  Zero-initialise, free with lines_done(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define LINES_MOST (1 << 20) /* greater numbers are left out */

struct lines {
	struct buf bits; /* line n is bit n % 8 of byte n / 8 */
};

/* 0, or -1 when memory is short.  Numbers below 1 and above LINES_MOST change nothing. */
int lines_add(struct lines *lines, long line);

/* Adds all of a set as lines.bits holds it. */
int lines_merge(struct lines *lines, const char *bits, size_t len);

bool lines_has(const struct lines *lines, long line);

/* The lowest line of the set that is greater than `line`, or 0. */
long lines_next(const struct lines *lines, long line);

void lines_done(struct lines *lines);
