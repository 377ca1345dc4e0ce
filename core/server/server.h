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

/*
 * Raises RLIMIT_NOFILE, binds, starts the loops and serves.  `loops` 0: one for each core, at most
 * 4.  The pipeline is borrowed until server_free(), what config says is copied.  NULL: ERR_CONFIG
 * (the address, or too few descriptors for webhook.max_connections), ERR_IO (the port is taken).
 */
struct server *server_start(const struct config *config, struct pipeline *pipeline, int loops,
			    struct err *err);

/* The port in use (for a listen address with port 0). */
uint16_t server_port(const struct server *server);

/* New secrets, in force on every loop when this returns 0; the listener itself stays.  On -1 the
 * old ones stay. */
int server_reload(struct server *server, const struct config *config, struct err *err);

/*
 * Closes the listeners, answers what has begun, joins the loops.  What has no answer after 10 s
 * (`patience` ms) is closed without one; its answer may still come and goes nowhere.
 */
void server_stop(struct server *server);
void server_stop_within(struct server *server, int64_t patience);
void server_free(struct server *server); /* accepts NULL; stops it first */

/* A source of pipeline_on_trouble(), whose ctx is the server: secrets that do not fit. */
void server_trouble(void *ctx, json_t *list);

/*
 * {"connections":n,"requests":n,"received":n,"verified":n,"slow_readers":n,"rejected":{"bad_head":n,"too_large":n,"no_signature":n,
 * "bad_signature":n,"bad_method":n,"not_found":n,"timeout":n,"too_many_connections":n,
 * "unverified_bytes":n}} since start; json_decref().
 */
json_t *server_counters(const struct server *server);
