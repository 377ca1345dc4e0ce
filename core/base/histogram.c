#include "base/histogram.h"

#define MS 1000
#define S 1000000

const int64_t histogram_bounds[HISTOGRAM_BOUNDS] = {
	500,	  1 * MS, 2500,	 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS,	250 * MS,
	500 * MS, 1 * S,  5 * S, 15 * S, 60 * S,  300 * S, 900 * S, 3600LL * S,
};

void histogram_add(struct histogram *histogram, int64_t micros)
{
	const int64_t value = micros > 0 ? micros : 0;
	int at = 0;

	while (at < HISTOGRAM_BOUNDS && value > histogram_bounds[at])
		at++;
	atomic_fetch_add_explicit(&histogram->counts[at], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&histogram->micros, (uint_fast64_t)value, memory_order_relaxed);
}
