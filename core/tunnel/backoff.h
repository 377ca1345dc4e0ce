#pragma once

/* How long to wait before connecting again: doubling to a minute, with jitter, so that the hosts of
 * one control plane do not all come back at once. */

#include <stdint.h>

#define BACKOFF_MOST 60000 /* ms */

struct backoff {
	int64_t first, next; /* ms */
};

void backoff_reset(struct backoff *backoff, int64_t first);

/* ms to wait now: the next step, 20 % more or less; never more than BACKOFF_MOST, or first when
 * that is longer. */
int64_t backoff_take(struct backoff *backoff);
