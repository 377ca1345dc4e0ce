#pragma once

/*
 * Looks every second for what is in trouble, says in the log what came and what is over, and keeps
 * what GET /ready answers: an event loop may not ask the disk.
 */

#include "pipeline/parts.h"
#include "pipeline/pipeline.h"

struct watch *watch_new(struct pipeline *pipeline, struct err *err);
int watch_start(struct watch *watch, struct err *err);
void watch_stop(struct watch *watch);
void watch_free(struct watch *watch); /* accepts NULL */

/* pipeline_on_trouble() */
void watch_ask(struct watch *watch, pipeline_trouble_fn *ask, void *ctx);
/* pipeline_troubles() */
json_t *watch_troubles(struct watch *watch);

/* Whether anything turned /ready when it was last looked at.  Never blocks. */
bool watch_unfit(struct watch *watch);
