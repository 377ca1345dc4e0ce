#pragma once

/* Two clocks, both in milliseconds.  Deadlines use the monotonic one, records the wall clock. */

#include <stdint.h>

int64_t clock_wall(void);   /* since 1970-01-01 UTC */
int64_t clock_mono(void);   /* CLOCK_MONOTONIC, never steps */
int64_t clock_micros(void); /* the same in microseconds, for measuring */

/*
 * RFC 3339 with any offset and up to 9 fractional digits ("2026-09-30T08:20:01.123456789+00:00")
 * to wall milliseconds.  Returns -1 and leaves *ms alone when it is not one.
 */
int clock_parse(const char *text, int64_t *ms);

#define CLOCK_TEXT_SIZE 32
/* Wall milliseconds as "2026-09-30T08:20:01.123Z". */
void clock_format(int64_t ms, char out[CLOCK_TEXT_SIZE]);
