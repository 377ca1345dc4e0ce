#pragma once

/*
 * One event loop on one thread: a libh2o context, its listener, its connections and its mailbox.
 * Several loops make one site (a listener's address with its limits).
 */

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <h2o.h>

#include "base/err.h"
#include "server/crowd.h"
#include "server/mailbox.h"
#include "server/tally.h"

struct conn;
struct loop;

/* The same for all loops of a listener; outlives them. */
struct site {
	h2o_globalconf_t config;
	struct crowd *crowd;
	struct tally *tally;
	size_t max_body;
	int64_t head_timeout; /* ms for head and body, and for a client to take its answer */
	/* A complete request whose head has been checked; answers now or later (server/reply.h). */
	void (*serve)(struct loop *loop, struct conn *conn, h2o_req_t *req);
	/* May be NULL; every moment while there are connections, at most a quarter of a second. */
	void (*tick)(struct loop *loop);
	void *ctx; /* for serve and tick */
};

struct loop {
	struct site *site;
	int index;
	h2o_context_t context;
	h2o_accept_ctx_t accept;
	struct mailbox *mailbox;
	pthread_t thread;
	bool started;
	sem_t ready;   /* posted once it can be posted to */
	int listen_fd; /* until the thread has it; then -1 */
	void *local;   /* the site's own, for this loop */

	/* on the loop's thread only */
	h2o_socket_t *listener;
	int64_t paused_until; /* the listener is not read until then; 0: it is read */
	int64_t quiet_until;  /* nothing is said about failing accepts until then */
	int64_t next_sweep;
	struct conn *conns;	/* all that are open */
	bool starved;		/* some of them wait only for the next turn */
	struct conn *unsettled; /* to be looked at before the next poll */
	struct conn *dead;	/* closed in this turn */
	size_t pending;		/* answers that will come through the mailbox */
	int64_t stop_at;	/* 0: serving; else when it ends whatever is pending */
	atomic_bool visited;	/* crowd_wake_fn was called */
};

/* Fills site->config: HTTP/1.1 alone, no Server header, one handler for every path. */
void site_init(struct site *site);
void site_done(struct site *site);

/* Takes the listening socket over. */
struct loop *loop_new(struct site *site, int index, int listen_fd);
/* Serves as soon as this returns. */
int loop_start(struct loop *loop, struct err *err);

/* Asks it to stop: closes the listener, lets what has begun end, at most `patience` ms. */
void loop_ask_stop(struct loop *loop, int64_t patience);
/* Waits until it has ended; may be called twice, and for a loop that was never started. */
void loop_join(struct loop *loop);
void loop_free(struct loop *loop); /* after loop_join() */

/* Any thread: its crowd has something for it. */
void loop_visit(struct loop *loop);
