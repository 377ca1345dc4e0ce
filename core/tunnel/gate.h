#pragma once

/*
 * Watches the frames that come in, before wslay takes them apart: what no server may send, and more
 * than any server needs to.  Why beside wslay: it bounds one message's bytes, but not fragments or
 * control frames, and closes without a code where a header is wrong.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATE_MAX_FRAGMENTS 1024	  /* of a message */
#define GATE_MAX_CONTROLS 100	  /* pings, pongs and closes within a window */
#define GATE_CONTROLS_WINDOW 1000 /* ms */

struct gate {
	uint64_t max_message; /* bytes; set by the caller, the rest begins as zeros */
	unsigned char head[10];
	size_t head_len;
	uint64_t left, message; /* bytes: of this frame's payload to come, of this message so far */
	int fragments;
	bool within; /* a message that is not at its end */
	int controls;
	int64_t controls_since; /* ms */
	int code;		/* 0, or what the connection has to be closed with */
	const char *why;
};

/*
 * How many of the bytes may go on; fewer than `len` once gate->code is set, and then none any more.
 * now: ms, monotonic.
 */
size_t gate_pass(struct gate *gate, const unsigned char *bytes, size_t len, int64_t now);
