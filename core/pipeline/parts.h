#pragma once

/* What the parts of the pipeline share; private to core/pipeline/. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "callback/identity.h"
#include "callback/openpr.h"
#include "config/config.h"
#include "gateway/breaker.h"
#include "pipeline/counters.h"
#include "pipeline/meters.h"
#include "pipeline/news.h"
#include "pipeline/pipeline.h"
#include "policy/policy.h"
#include "store/store.h"

struct intake;
struct dispatcher;
struct reporter;
struct watch;

struct pipeline {
	pthread_mutex_t lock; /* guards config */
	struct config *config;
	struct store *store;
	struct policy_pool *pool;
	struct identity *identity;
	struct counters counters;
	struct meters meters;
	struct news *news;
	struct breakers *breakers; /* of the targets of agents behind HTTP */
	atomic_bool stop;	   /* ends conversations with OpenPR */
	pthread_mutex_t listening; /* guards the next two, held while they are called */
	store_wake_fn *wake;
	void *wake_ctx;
	struct intake *intake;
	struct dispatcher *dispatcher;
	struct reporter *reporter;
	struct watch *watch;
	atomic_uint policy_failures; /* of filter and route, in a row */
};

/* The configuration in force; config_unref() it.  Threads keep it for one piece of work, not
 * longer. */
struct config *pipeline_config(struct pipeline *pipeline);

/* Learns whose tokens these are where it is not known yet; asks nobody in safe mode. */
void pipeline_identify(struct pipeline *pipeline, struct openpr *openpr,
		       const struct config *config);
