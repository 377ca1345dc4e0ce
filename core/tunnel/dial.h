#pragma once

/* From tunnel.* of the configuration to a wire that speaks WebSocket: connecting, verifying, the
 * handshake. */

#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "http/wire.h"

/*
 * Blocks, for DIAL_TIMEOUT at most; ends early with ERR_CONFLICT when *stop becomes true (within
 * a second).  The token goes out only when the peer
 * is verified, or is this machine, or allow_insecure.  *rest gets what came behind the handshake;
 * buf_done() in both cases.
 */
#define DIAL_TIMEOUT 20000 /* ms */
struct wire *dial(const struct config *config, const atomic_bool *stop, struct buf *rest,
		  struct err *err);
