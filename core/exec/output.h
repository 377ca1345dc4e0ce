#pragma once

/*
 * What an agent prints, kept within bounds: a log file with the head and the tail of everything,
 * and the last bytes in memory.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct output;

/*
 * Makes the file, 0600, of at most `most` bytes and one line that says how much was cut.  The first
 * half is written as it comes; the last bytes are kept in a nameless file beside it and appended
 * by output_close(), so that following the file shows only what is final.
 */
struct output *output_open(const char *path, size_t most, struct err *err);
void output_write(struct output *output, const char *bytes, size_t len);
/* Completes the file and frees.  True when it lacks something: cut, or the disk refused. */
bool output_close(struct output *output);

/* The last bytes of a stream. */
#define TAIL_SIZE (12u * 1024)
struct tail { /* zero-initialise */
	char bytes[TAIL_SIZE];
	size_t len;
};
void tail_add(struct tail *tail, const char *bytes, size_t len);
