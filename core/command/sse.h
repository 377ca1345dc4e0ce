#pragma once

/* Server-sent events as they arrive: fields `event` and `data` of each, the rest is passed over. */

#include "base/buf.h"

#define SSE_LONGEST (4u << 20) /* bytes of an event; of a longer one nothing is told */

/* Zero-initialise; sse_done() frees. */
struct sse {
	struct buf line, event, data;
	int skip; /* the rest of an event that is too long */
};

/* Both texts are NUL-terminated and borrowed; `kind` is "message" where none was given. */
typedef void sse_fn(void *ctx, const char *kind, const char *data);

/* 0; -1: no memory. */
int sse_take(struct sse *sse, const char *bytes, size_t len, sse_fn *tell, void *ctx);
void sse_done(struct sse *sse);
