#pragma once

/* How long things took, and how often each rule decided, since start.  Any thread may call. */

#include <pthread.h>

#include "base/exposition.h"
#include "base/histogram.h"
#include "store/store.h"

enum meter {
	METER_ANSWER,	/* from a verified body to its answer */
	METER_DECIDE,	/* filter and route, with the wait for a worker */
	METER_RENDER,	/* of a prompt, without what is asked of OpenPR */
	METER_CALLBACK, /* of the text of a report */
	METER_WAIT,	/* from a run that was queued to its start */
	METER_RUN,	/* from its start to its end */
	METER_REPORT,	/* from a report that was owed to its delivery */
	METERS,
};

/* Rules are the operator's, few, and may still have generated names: more are counted together. */
#define METERS_RULES 200

struct meters {
	struct histogram took[METERS];
	pthread_mutex_t lock; /* guards what follows */
	struct meters_rule {
		enum store_status status;
		char rule[128];
		uint64_t count;
	} * rules; /* room for METERS_RULES, made when needed */
	size_t rule_count;
	uint64_t other[STATUS_DISABLED + 1];
};

void meters_init(struct meters *meters);
void meters_done(struct meters *meters);

void meters_took(struct meters *meters, enum meter which, int64_t micros);
void meters_ruled(struct meters *meters, enum store_status status, const char *rule);
void meters_expose(struct meters *meters, struct exposition *out);
