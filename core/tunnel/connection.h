#pragma once

/*
 * One connection that stands, from the handshake to its end: envelopes in and out, heartbeat,
 * pings, bounds.  Runs on the link's thread.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "http/wire.h"
#include "tunnel/envelope.h"
#include "tunnel/link.h"

struct connection_options {
	const struct config *config;
	const struct link_traffic *traffic;
	const struct envelope_rules *rules;
	const atomic_bool *leave; /* once true: say goodbye and end */
	int wake;		  /* an eventfd: something to send, or to leave */
};

struct connection;

/* Takes the wire over, on failure too.  rest: what came behind the handshake. */
struct connection *connection_new(const struct connection_options *options, struct wire *wire,
				  const struct buf *rest, struct err *err);
/* Returns when the connection is over: err says why (ERR_CONFLICT: we were to leave). */
void connection_run(struct connection *connection, struct err *err);
void connection_free(struct connection *connection); /* accepts NULL */
