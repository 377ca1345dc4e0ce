#pragma once

/*
 * What daemon and runner say to each other on descriptor 3 of the runner: first one message that
 * carries the spec's file, then frames, each a JSON object behind its length (4 bytes, host order).
 *
 *   daemon  {"stop": "cancel" | "interrupt"}
 *   runner  {"session": ID}    {"end": {...}}
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define CONTROL_FD 3
#define CONTROL_MOST (2u << 20) /* bytes of one frame */

/* Both ends close-on-exec.  0 or -1. */
int control_pair(int ends[2], struct err *err);

/* Hands over a descriptor; the receiver owns its own copy.  -1 also when the peer is gone. */
int control_send_file(int fd, int file, struct err *err);
int control_receive_file(int fd, struct err *err); /* blocks; the descriptor or -1 */

/* Blocks while the socket is full, unless `wait` is false; -1 when it was not sent whole. */
int control_send(int fd, const json_t *frame, bool wait);

struct control_reader { /* zero-initialise; control_done() */
	struct buf bytes;
	size_t used;
	bool over;   /* the peer is gone and everything it said was taken */
	bool broken; /* it said something that is no frame */
};

/* Takes in what is there, never blocks, and returns the next frame, which the caller owns; NULL
 * when there is none yet, or over or broken is set. */
json_t *control_read(struct control_reader *reader, int fd);
void control_done(struct control_reader *reader);
