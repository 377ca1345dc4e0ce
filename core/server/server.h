#pragma once

/*
 * The webhook listener: libh2o event loops, HTTP/1.1 only, HMAC before anything is parsed.  libh2o
 * is named nowhere outside core/server/.
 */

#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "pipeline/pipeline.h"

struct server;

/* Binds, starts the loops and serves.  `loops` 0: one for each core, at most 4. */
struct server *server_start(const struct config *config, struct pipeline *pipeline, int loops,
			    struct err *err);

/* The port in use (for a listen address with port 0). */
uint16_t server_port(const struct server *server);

/* New secrets and tolerance for the next request; the listener itself stays. */
int server_reload(struct server *server, const struct config *config, struct err *err);

/* Closes the listeners, answers what is in flight, joins the loops. */
void server_stop(struct server *server);
void server_free(struct server *server); /* accepts NULL */

/* Requests refused before they reached the pipeline, by reason; json_decref(). */
json_t *server_counters(const struct server *server);
