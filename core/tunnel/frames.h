#pragma once

/*
 * The frames of RFC 6455, a client's side, over any stream of bytes: wslay behind the gate.  Text
 * messages and pongs come out; pings are answered, binary messages ignored, what is wrong closed
 * with its code.  Nothing here blocks or knows the time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Both: bytes moved, 0 when none can be now, -1. */
struct frames_io {
	ssize_t (*read)(void *ctx, void *bytes, size_t size, struct err *err);
	ssize_t (*write)(void *ctx, const void *bytes, size_t len, struct err *err);
	void *ctx;
};

struct frames_events {
	void (*text)(void *ctx, const char *text, size_t len); /* UTF-8, whole */
	void (*pong)(void *ctx, uint64_t number);	       /* of a ping with that number */
	void *ctx;
};

struct frames;

/* max_message: bytes of an incoming one. */
struct frames *frames_new(const struct frames_io *io, const struct frames_events *events,
			  size_t max_message, struct err *err);
void frames_free(struct frames *frames); /* accepts NULL */

/* Bytes that came before: what was glued to the handshake's answer.  At most FRAMES_TURN; before
 * the first frames_receive(). */
#define FRAMES_TURN 16384
void frames_preload(struct frames *frames, const void *bytes, size_t len);

/* Queue what is to be sent.  -1: memory is short, or the connection is closing. */
int frames_text(struct frames *frames, const char *text, size_t len, struct err *err);
int frames_ping(struct frames *frames, uint64_t number, struct err *err);
/* Starts closing; nothing is delivered any more.  why may be NULL; cut to fit. */
void frames_close(struct frames *frames, int code, const char *why);

/* Takes in one piece, FRAMES_TURN at most.  1: there may be more now, 0: not before poll() says so;
 * -1: the stream ended or failed (ERR_NOTFOUND, ERR_IO), or memory is short.  now: ms, monotonic.
 */
int frames_receive(struct frames *frames, int64_t now, struct err *err);
/* Sends what is queued as far as the stream takes it; -1 as above. */
int frames_send(struct frames *frames, struct err *err);

size_t frames_queued(const struct frames *frames); /* messages that are not wholly sent */
bool frames_wants_write(const struct frames *frames);
bool frames_closing(const struct frames *frames); /* either side has said goodbye */
bool frames_closed(const struct frames *frames);  /* both have */

/* Why it is closing, in words ("" while it is not). */
const char *frames_why(const struct frames *frames);
