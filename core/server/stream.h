#pragma once

/*
 * Answers without an end that is known: chunked, made piece by piece on the loop's thread.  A
 * client that takes no piece within the site's time is dropped like any slow reader; one that has
 * gone is noticed at the next piece, so sources say something now and then.
 */

#include "base/buf.h"
#include "server/conn.h"

#define STREAMS_MAX 16	  /* of one loop */
#define STREAM_BEAT 15000 /* ms without a piece after which `beat` is sent */

struct streams; /* of one loop; its thread alone uses it */

struct streams *streams_new(void);	    /* NULL: no memory */
void streams_free(struct streams *streams); /* accepts NULL; after the loop has ended */

enum stream_state { STREAM_MORE, STREAM_ENDS };

struct stream_source {
	/* Appends what there is now, perhaps nothing; asked again a moment later, and at once when
	 * the client has taken the piece.  STREAM_ENDS: that was all. */
	enum stream_state (*next)(void *ctx, struct buf *out);
	void (*free)(void *ctx); /* once, whatever happens */
	void *ctx;
	const char *type; /* Content-Type */
	const char *beat; /* NULL: none */
};

/* Answers 200; or 503 when there are too many, and frees the source. */
void stream_start(struct streams *streams, struct conn *conn, const struct stream_source *source);

/* Asks all that wait; while the loop is stopping, ends them. */
void streams_tick(struct streams *streams);
