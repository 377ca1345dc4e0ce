#pragma once

/* Counts since start, of events by what they were answered and of runs by how they ended. */

#include <stdatomic.h>
#include <stdint.h>

#include "base/json.h"
#include "base/outcome.h"
#include "store/store.h"

enum counter {
	COUNT_RECEIVED,
	COUNT_FROM_TUNNEL, /* of these */
	COUNT_INVALID,	   /* 400: not JSON, no valid timestamp */
	COUNT_STALE,	   /* 401: outside of webhook.tolerance */
	COUNT_UNAVAILABLE, /* 503: could not be stored */
	COUNT_DISPATCHED,
	COUNT_JOINED,
	COUNT_HELD,
	COUNT_IGNORED,
	COUNT_DUPLICATE,
	COUNT_OBSERVED,
	COUNT_NO_AGENT,
	COUNT_DISABLED,
	COUNT_STARTED,
	COUNT_SUCCESS,
	COUNT_FAILURE,
	COUNT_TIMEOUT,
	COUNT_CANCELLED,
	COUNT_INTERRUPTED,
	COUNT_DELIVERED,
	COUNT_RETRIED,
	COUNT_DROPPED,
	COUNT_DEAD,
	COUNTERS,
};

struct counters {
	atomic_uint_fast64_t value[COUNTERS];
};

void counters_add(struct counters *counters, enum counter which);
void counters_status(struct counters *counters, enum store_status status);
void counters_outcome(struct counters *counters, enum outcome outcome);
json_t *counters_json(struct counters *counters); /* json_decref() */
