#include "server/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/conn.h"
#include "server/listener.h"
#include "server/reply.h"

/* libh2o copies header names to the stack, up to its own limit of 408 KiB. */
#define STACK_SIZE (2 << 20)
#define IDLE_WAIT 5000		 /* ms between two turns with nothing to do */
#define STOP_WAIT 20		 /* ms between two turns while stopping */
#define FRESH_PATIENCE 500	 /* ms that a connection without a request gets when stopping */
#define LIBRARY_TIMEOUT 86400000 /* ms: not before any of ours */
#define DRAIN_TURNS 1000
#define PIPELINE_ROUNDS 16 /* pipelined requests of one connection in one turn */

static int on_request(h2o_handler_t *handler, h2o_req_t *req)
{
	struct loop *loop = H2O_STRUCT_FROM_MEMBER(struct loop, context, req->conn->ctx);
	struct conn *conn = conn_of(req);

	(void)handler;
	conn_working(conn, req);
	if (req->entity.len > loop->site->max_body) { /* chunked, in one piece */
		tally_received(loop->site->tally);
		conn_count(conn, REFUSED_TOO_LARGE);
		req->http1_is_persistent = 0;
		reply_error(conn, 413, "the body is too large");
		return 0;
	}
	loop->site->serve(loop, conn, req);
	return 0;
}

void site_init(struct site *site)
{
	h2o_hostconf_t *host;

	h2o_config_init(&site->config);
	site->config.server_name = h2o_iovec_init(NULL, 0);
	/* Not even h2c: HTTP/2 in libh2o 2.2.5 is open to rapid reset (CVE-2023-44487). */
	site->config.http1.upgrade_to_http2 = 0;
	/* Its timers follow the wall clock, which steps; conn_expire() has deadlines of its own. */
	site->config.http1.req_timeout = LIBRARY_TIMEOUT;
	/* Ours is checked first; what passes that in one read is caught by this or on_request(). */
	site->config.max_request_entity_size = site->max_body * 2 + (1 << 20);
	host =
	    h2o_config_register_host(&site->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
	h2o_create_handler(&host->fallback_path, sizeof(h2o_handler_t))->on_req = on_request;
	reply_register(&host->fallback_path);
}

void site_done(struct site *site)
{
	h2o_config_dispose(&site->config);
}

struct loop *loop_new(struct site *site, int index, int listen_fd)
{
	struct loop *loop = h2o_mem_alloc(sizeof(*loop));

	memset(loop, 0, sizeof(*loop));
	loop->site = site;
	loop->index = index;
	loop->listen_fd = listen_fd;
	loop->mailbox = mailbox_new(loop);
	sem_init(&loop->ready, 0, 0);
	return loop;
}

/*
 * On the loop's own thread: a libh2o socket takes its buffers from a pool of the thread that made
 * it, wherever it is used (TSan found two loops in one pool).
 */
static void begin(struct loop *loop)
{
	h2o_context_init(&loop->context, h2o_evloop_create(), &loop->site->config);
	loop->accept.ctx = &loop->context;
	loop->accept.hosts = loop->site->config.hosts;
	mailbox_open(loop->mailbox, loop->context.queue);
	listener_start(loop, loop->listen_fd);
	loop->listen_fd = -1;
	sem_post(&loop->ready);
}

/* ---- turning ---- */

static int64_t sweep_every(const struct loop *loop)
{
	const int64_t step = loop->site->head_timeout / 10;

	return step < 5 ? 5 : step > 250 ? 250 : step;
}

static int32_t wait_for(const struct loop *loop)
{
	int64_t wait = loop->conns ? sweep_every(loop) : IDLE_WAIT;

	if (loop->starved)
		return 0;
	if (loop->stop_at && wait > STOP_WAIT)
		wait = STOP_WAIT;
	if (loop->paused_until) {
		const int64_t left = loop->paused_until - clock_mono();
		wait = left < 0 ? 0 : left < wait ? left : wait;
	}
	return (int32_t)wait;
}

static void sweep(struct loop *loop, int64_t now)
{
	struct conn *next;

	if (now < loop->next_sweep)
		return;
	loop->next_sweep = now + sweep_every(loop);
	for (struct conn *conn = loop->conns; conn; conn = next) {
		next = conn->next;
		conn_expire(conn, now);
	}
	if (loop->site->tick)
		loop->site->tick(loop);
	if (loop->index == 0)
		tally_flush(loop->site->tally, now);
}

/*
 * Runs the callbacks of writes that have ended.  Outside of h2o_evloop_run() nobody else does: it
 * would poll first, for as long as it may wait, and before that free a socket that was closed with
 * its callback still due.
 */
static void run_pending(struct loop *loop)
{
	h2o_timeout__do_post_callback(loop->context.loop);
}

static void settle(struct loop *loop)
{
	int rounds = 0;

	do {
		run_pending(loop);
	} while (conn_settle(loop, rounds++ < PIPELINE_ROUNDS));
	conn_bury(loop);
}

static void turn(struct loop *loop)
{
	const int64_t now = clock_mono();

	if (atomic_exchange(&loop->visited, false)) {
		conn_reap(loop);
		if (loop->paused_until)
			listener_resume(loop);
	}
	if (loop->paused_until && now >= loop->paused_until)
		listener_resume(loop);
	sweep(loop, now);
	settle(loop);
}

static bool ended(const struct loop *loop)
{
	if (!loop->stop_at)
		return false;
	return (!loop->conns && loop->pending == 0) || clock_mono() >= loop->stop_at;
}

/* Nothing of it is reachable afterwards but its mailbox, which is closed. */
static void finish(struct loop *loop)
{
	listener_close(loop);
	while (loop->conns)
		conn_kill(loop->conns);
	/* Not before: once it is closed, what a connection waits for may be freed at any time. */
	mailbox_close(loop->mailbox);
	for (int i = 0; i < DRAIN_TURNS && !mailbox_empty(loop->mailbox); i++) {
		h2o_evloop_run(loop->context.loop, 0);
		turn(loop);
	}
	settle(loop);
	mailbox_detach(loop->mailbox);
	h2o_evloop_t *evloop = loop->context.loop;
	h2o_multithread_queue_t *queue = loop->context.queue;
	h2o_context_dispose(&loop->context);
	free(queue); /* libh2o 2.2.5 closes it and leaves this to nobody */
	h2o_evloop_destroy(evloop);
}

static void *run(void *data)
{
	struct loop *loop = data;

	begin(loop);
	while (!ended(loop)) {
		h2o_evloop_run(loop->context.loop, wait_for(loop));
		turn(loop);
	}
	finish(loop);
	return NULL;
}

/* ---- from outside ---- */

int loop_start(struct loop *loop, struct err *err)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
	pthread_attr_t attributes;
	sigset_t all, before;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	/* No signal may interrupt epoll_wait(), and SIGPIPE has to stay blocked for writev().
	 * Faults stay open: a blocked one ends the process past every handler. */
	sigfillset(&all);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int rc = pthread_create(&loop->thread, &attributes, run, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (rc != 0)
		return err_set(err, ERR_IO, "cannot start a thread: %s", strerror(rc));
	while (sem_wait(&loop->ready) < 0)
		; /* EINTR */
	loop->started = true;
	return 0;
}

struct stop_message {
	struct message super;
	int64_t patience;
};

static void stop(struct loop *loop, struct message *message)
{
	const int64_t patience = ((struct stop_message *)message)->patience;
	struct conn *next;

	free(message);
	if (!loop || loop->stop_at)
		return;
	const int64_t now = clock_mono();
	loop->stop_at = now + patience;
	listener_close(loop);
	/* h2o_context_request_shutdown() would also arm a timer of HTTP/2 that outlives the
	 * context. */
	loop->context.shutdown_requested = 1;
	for (struct conn *conn = loop->conns; conn; conn = next) {
		next = conn->next;
		if (conn->state != CONN_READING || conn->begun)
			continue;
		if (conn->served)
			conn_kill(conn);
		else if (conn->deadline > now + FRESH_PATIENCE)
			conn->deadline = now + FRESH_PATIENCE;
	}
}

void loop_ask_stop(struct loop *loop, int64_t patience)
{
	struct stop_message *message = h2o_mem_alloc(sizeof(*message));

	*message = (struct stop_message){ .super.run = stop, .patience = patience };
	mailbox_post(loop->mailbox, &message->super);
}

void loop_visit(struct loop *loop)
{
	atomic_store(&loop->visited, true);
	mailbox_wake(loop->mailbox);
}

void loop_join(struct loop *loop)
{
	if (loop->started)
		pthread_join(loop->thread, NULL);
	loop->started = false;
}

void loop_free(struct loop *loop)
{
	if (loop->listen_fd >= 0)
		close(loop->listen_fd);
	sem_destroy(&loop->ready);
	mailbox_unref(loop->mailbox);
	free(loop);
}
