#include "pipeline/counters.h"

static const char *const names[COUNTERS] = {
	[COUNT_RECEIVED] = "received",
	[COUNT_FROM_TUNNEL] = "from_tunnel",
	[COUNT_INVALID] = "invalid",
	[COUNT_STALE] = "stale",
	[COUNT_UNAVAILABLE] = "unavailable",
	[COUNT_DISPATCHED] = "dispatched",
	[COUNT_JOINED] = "joined",
	[COUNT_HELD] = "held",
	[COUNT_IGNORED] = "ignored",
	[COUNT_DUPLICATE] = "duplicate",
	[COUNT_OBSERVED] = "observed",
	[COUNT_NO_AGENT] = "no_agent",
	[COUNT_DISABLED] = "disabled",
	[COUNT_STARTED] = "runs_started",
	[COUNT_SUCCESS] = "runs_success",
	[COUNT_FAILURE] = "runs_failure",
	[COUNT_TIMEOUT] = "runs_timeout",
	[COUNT_CANCELLED] = "runs_cancelled",
	[COUNT_INTERRUPTED] = "runs_interrupted",
	[COUNT_DELIVERED] = "reports_delivered",
	[COUNT_RETRIED] = "reports_retried",
	[COUNT_DROPPED] = "reports_dropped",
	[COUNT_DEAD] = "reports_dead",
};

void counters_add(struct counters *counters, enum counter which)
{
	atomic_fetch_add_explicit(&counters->value[which], 1, memory_order_relaxed);
}

void counters_status(struct counters *counters, enum store_status status)
{
	static const enum counter of[] = {
		[STATUS_DISPATCHED] = COUNT_DISPATCHED,
		[STATUS_JOINED] = COUNT_JOINED,
		[STATUS_HELD] = COUNT_HELD,
		[STATUS_IGNORED] = COUNT_IGNORED,
		[STATUS_DUPLICATE] = COUNT_DUPLICATE,
		[STATUS_OBSERVED] = COUNT_OBSERVED,
		[STATUS_NO_AGENT] = COUNT_NO_AGENT,
		[STATUS_DISABLED] = COUNT_DISABLED,
	};

	counters_add(counters, of[status]);
}

void counters_outcome(struct counters *counters, enum outcome outcome)
{
	static const enum counter of[] = {
		[OUTCOME_SUCCESS] = COUNT_SUCCESS,	   [OUTCOME_FAILURE] = COUNT_FAILURE,
		[OUTCOME_TIMEOUT] = COUNT_TIMEOUT,	   [OUTCOME_CANCELLED] = COUNT_CANCELLED,
		[OUTCOME_INTERRUPTED] = COUNT_INTERRUPTED,
	};

	if (outcome != OUTCOME_NONE)
		counters_add(counters, of[outcome]);
}

json_t *counters_json(struct counters *counters)
{
	json_t *all = json_object();

	for (int i = 0; i < COUNTERS; i++)
		json_object_set_new(all, names[i],
				    json_integer((json_int_t)atomic_load(&counters->value[i])));
	return all;
}
