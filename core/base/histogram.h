#pragma once

/* How long things took: counts by upper bound, from half a millisecond to an hour. Zero-initialise;
 * any thread may add. */

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 17

struct histogram {
	atomic_uint_fast64_t counts[HISTOGRAM_BOUNDS + 1]; /* not cumulative; last: above all */
	atomic_uint_fast64_t micros;			   /* sum */
};

/* The bounds, in microseconds, ascending. */
extern const int64_t histogram_bounds[HISTOGRAM_BOUNDS];

void histogram_add(struct histogram *histogram, int64_t micros); /* below 0 counts as 0 */
