#pragma once

/*
 * What goes between the daemon and a worker: frames over a stream socket, each a head of five bytes
 * (length of the rest in this machine's order, kind) and its bytes.  The daemon asks with one
 * frame; the worker sends any LOG, NOTE and LINES frames and then exactly one of ANSWER, LAST,
 * FAILED.
 *
 * A worker runs what strangers wrote, so the daemon takes its frames for outside bytes.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum frame_kind {
	FRAME_LOAD, /* asked: the bundle that the worker was started with */
	FRAME_DECIDE,
	FRAME_RENDER,
	FRAME_CALLBACK,
	FRAME_RULES,
	FRAME_ANSWER,  /* JSON */
	FRAME_LAST,    /* JSON, and the worker ends now */
	FRAME_FAILED,  /* a byte (enum err_code), a text; after ERR_NOMEM, ERR_TIMEOUT, ERR_IO it
			  ends */
	FRAME_LOG,     /* a byte (enum log_level), a text */
	FRAME_NOTE,    /* a text: which file is being run now; none for the first of DECIDE,
			  RENDER and CALLBACK */
	FRAME_EXPLAIN, /* asked: FRAME_DECIDE, told step by step */
	FRAME_HANDLE,  /* asked: what the handler of a custom agent wants done */
	FRAME_LINES,   /* sent: a byte (enum policy_hook), a set of lines as struct lines holds it:
			  what ran;   only of a bundle that is on trial */
};

#define PROTOCOL_HEAD 5
#define PROTOCOL_MOST (32u << 20) /* bytes of one frame, both ways */

/*
 * ms of CPU time that a worker may take for a question, when one policy may take time_limit; it is
 * stopped by the Lua hook.  decide runs two policies; loading compiles and runs all of them.
 */
int64_t protocol_time(enum frame_kind kind, int64_t time_limit);

/* ... until the worker's own timer kills it, because a function in C went on for too long. */
int64_t protocol_kill_time(enum frame_kind kind, int64_t time_limit);

/* ... of the wall clock, until the daemon has it killed. */
int64_t protocol_wall_time(enum frame_kind kind, int64_t time_limit);

/* The head of a frame of len bytes. */
void protocol_head(char head[PROTOCOL_HEAD], enum frame_kind kind, size_t len);

struct frame {
	enum frame_kind kind;
	const char *bytes; /* borrowed from what was scanned */
	size_t len;
};

/*
 * The first frame of what a worker has sent so far.  1: frame and *used (bytes of it) are set.  0:
 * it is not whole yet.  -1: no worker of ours sends this.
 */
int protocol_scan(const char *bytes, size_t len, struct frame *frame, size_t *used);

/* The worker's side: blocking, whole frames.  -1: the daemon is gone. */
int protocol_read(int fd, enum frame_kind *kind, struct buf *bytes);
int protocol_write(int fd, enum frame_kind kind, const void *bytes, size_t len);
