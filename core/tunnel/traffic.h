#pragma once

/*
 * What goes over the link (docs/tunnel.md): dispatches and cancels into the pipeline, acks and
 * results out of the queue, progress out of both.  Acks and results are rows: they are handed out
 * in order on each new connection until the peer has certainly read them.
 */

#include "base/err.h"
#include "pipeline/pipeline.h"
#include "store/store.h"
#include "tunnel/link.h"

struct traffic;

/* Both are borrowed. */
struct traffic *traffic_new(struct pipeline *pipeline, struct store *store, struct err *err);

/* What link_start() is given; good until traffic_free(). */
struct link_traffic traffic_callbacks(struct traffic *traffic);

/* From now on the link is woken when there is something to say; NULL, before link_stop(): not any
 * more. */
void traffic_attach(struct traffic *traffic, struct link *link);

/* After pipeline_stop(): what was dispatched answers until then.  Accepts NULL. */
void traffic_free(struct traffic *traffic);
