#pragma once

/* What the files of explain share; private to them. */

#include "pipeline/decide.h"
#include "pipeline/event.h"
#include "pipeline/parts.h"

struct explaining {
	struct pipeline pipeline; /* only config, pool and identity: nothing of it runs */
	const struct config *config;
	struct event *event;
	const struct store_event *stored;
	int64_t now;
	struct decided decided;
	json_t *warnings;
};

__attribute__((format(printf, 2, 3))) void explain_warn(struct explaining *on, const char *fmt,
							...);

/* What each agent that the policies named would run and report: an array; NULL: no memory. */
json_t *explain_runs(struct explaining *on);
