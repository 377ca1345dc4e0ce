#pragma once

/*
 * One outbound WebSocket connection to the control plane, kept up by a thread of its own:
 * connecting (base -> TLS -> Upgrade), envelopes signed and checked, liveness, reconnecting with
 * back-off.  It knows envelopes but not what they mean: that is the traffic's.  docs/tunnel.md is
 * the protocol.
 *
 * A link without a wish to be up (gate off, no tunnel in the configuration, safe mode) waits for
 * link_reload().
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "config/config.h"

struct link;

#define LINK_TYPE_SIZE 32
#define LINK_KEY_SIZE 64
#define LINK_WHY_SIZE 256

/* The longest payload as JSON text, in bytes; a longer message is dropped with a log line and never
 * confirmed, so whoever makes one cuts it first. */
#define LINK_MAX_PAYLOAD ((size_t)256 * 1024)

struct link_message {
	char type[LINK_TYPE_SIZE]; /* "task.ack" */
	json_t *payload;	   /* an owned reference, which the link takes */
	char key[LINK_KEY_SIZE];   /* names it for confirmed(); may be empty: nobody asks */
};

/*
 * All of these are called on the link's thread, one at a time, never after link_stop().  They must
 * not wait for the network; they may wait for the disk (nothing is read from the peer meanwhile,
 * and a wait longer than the heartbeat looks dead to it).
 */
struct link_traffic {
	/* An envelope that passed every check: task.dispatch, task.cancel, or what else the peer
	 * says; unknown types are to be ignored.  payload is any JSON value, borrowed. */
	void (*received)(void *ctx, const char *type, const json_t *payload);

	/* What to send next; asked while there is room, again after link_wake(), and after each
	 * confirmation.  false: nothing now.  What was given is not asked for again until the
	 * connection is a new one: the callee remembers what it has handed out. */
	bool (*next)(void *ctx, struct link_message *message);

	/* The peer has certainly read the message of that key: a pong came to a ping that was sent
	 * behind it.  At most once for each time that it was handed out. */
	void (*confirmed)(void *ctx, const char *key);

	/* up: a new connection stands; all that was handed out and not confirmed is to be handed
	 * out again.  why: for a log; "" when up. */
	void (*changed)(void *ctx, bool up, const char *why);

	void *ctx;
};

/* config is shared (config_ref()), traffic copied. */
struct link *link_start(struct config *config, const struct link_traffic *traffic, struct err *err);

/* A new configuration is in force.  What concerns the connection makes a new connection at once, or
 * ends it (gate, safe mode). */
void link_reload(struct link *link, struct config *config);

/* There is something to send.  Any thread; cheap; also while the link is down. */
void link_wake(struct link *link);

/* true when the link ought to be up and is not: `why` says why not, in one line without secrets.
 * Any thread. */
bool link_trouble(struct link *link, char why[LINK_WHY_SIZE]);

/* Says goodbye (close 1001, two seconds at most) and ends the thread. */
void link_stop(struct link *link);
void link_free(struct link *link); /* accepts NULL; stops it when it runs */
