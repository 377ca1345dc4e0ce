#pragma once

/*
 * One connection, from accept to close, around libh2o's own.
 *
 * libh2o reads a socket into sock->input and offers no hook before a whole request is there.  So
 * its read callback is replaced by ours, which counts what is buffered, checks the raw head, and
 * only then calls libh2o's.  libh2o installs its callback again for each request (and after a "100
 * Continue"), always within a turn of the loop and never between two: conn_settle() puts ours back
 * at the end of the turn, so no byte is read without it.
 *
 * Called with an error, libh2o's callback closes the connection, whatever state it is in: that is
 * how a victim is closed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <h2o.h>

#include "server/crowd.h"
#include "server/head.h"
#include "server/tally.h"

struct loop;

enum conn_state {
	CONN_READING,	/* idle, or a request is coming in */
	CONN_WORKING,	/* a complete request waits for its answer */
	CONN_ANSWERING, /* the answer is being written */
	CONN_REFUSING,	/* our own last answer is being written */
	CONN_LINGERING, /* it was written; what still comes is thrown away until the client has read
			   it */
};

struct conn {
	struct crowd_member member;
	struct loop *loop;
	h2o_socket_t *sock; /* NULL once closed */
	h2o_socket_cb library_read;
	enum conn_state state;
	bool served;	  /* an earlier request was answered */
	bool begun;	  /* bytes of the request have come */
	bool verified;	  /* its body is from a holder of a secret */
	bool unsettled;	  /* in loop->unsettled */
	bool starved;	  /* its stash waits for the next turn, and it is not read meanwhile */
	int64_t deadline; /* monotonic ms; INT64_MAX: none */
	struct head head;
	h2o_req_t *req;	       /* while working and answering */
	struct conn **awaited; /* conn_await() */
	char *stash; /* of the next request: kept from libh2o until this one is answered */
	size_t stash_len;
	char *last; /* our own last answer */
	size_t lingered;
	struct conn *next, *prev; /* of loop->conns, then of loop->dead */
	struct conn *unsettled_next;
};

/* Takes over an accepted socket; its place in the crowd is reserved already. */
void conn_open(struct loop *loop, h2o_socket_t *sock);

/* The connection that a request came on. */
struct conn *conn_of(h2o_req_t *req);

/* At the top of the handler: the request is complete. */
void conn_working(struct conn *conn, h2o_req_t *req);
/* Its body no longer counts as unverified. */
void conn_verified(struct conn *conn);
/* The answer comes later: *slot is conn until the request is gone, NULL afterwards.  Give NULL to
 * forget the slot. */
void conn_await(struct conn *conn, struct conn **slot);
/* Right before the answer goes to libh2o. */
void conn_answering(struct conn *conn);

/* Refuses with our own answer and closes, after giving the client the time to read it. */
void conn_refuse(struct conn *conn, enum tally_refusal why, int status, const char *error);
/* Closes at once. */
void conn_kill(struct conn *conn);
/* Counts a refusal under the peer's address. */
void conn_count(struct conn *conn, enum tally_refusal why);

/* Closes it when it is over its deadline. */
void conn_expire(struct conn *conn, int64_t now);
/* Closes those of the loop that the crowd has chosen. */
void conn_reap(struct loop *loop);
/*
 * At the end of each turn: ours back in place of libh2o's callback.  With `feed`, requests that
 * came behind an answered one go on; without, they wait (loop->starved).  True when anything was
 * done: then there may be more to settle.
 */
bool conn_settle(struct loop *loop, bool feed);
/* Frees what was closed in this turn; after conn_settle(). */
void conn_bury(struct loop *loop);

/* ---- between the conn*.c files ---- */

/* A new request may come. */
void conn_reading(struct conn *conn);
/* conn_settle() shall look at it. */
void conn_unsettle(struct conn *conn);
/* Tells the crowd what it holds. */
void conn_measure(struct conn *conn);
/* Closes those that hold most until all together hold little enough; any may be among them. */
void conn_shed(struct loop *loop);
