#include "server/webhook.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/conn.h"
#include "server/loop.h"
#include "server/reply.h"

/* A verified request on its way to its answer.  Owned by whoever has to do with it next. */
struct ticket {
	struct message super;
	struct mailbox *mailbox; /* a reference */
	struct conn *conn;	 /* the loop's; NULL once the client is gone */
	struct pipeline_answer answer;
};

static void ticket_free(struct ticket *ticket)
{
	free(ticket->answer.body);
	mailbox_unref(ticket->mailbox);
	free(ticket);
}

/* On the loop's thread; loop NULL: it has ended without waiting any longer. */
static void answered(struct loop *loop, struct message *message)
{
	struct ticket *ticket = (struct ticket *)message;
	const struct pipeline_answer *answer = &ticket->answer;

	if (loop)
		loop->pending--;
	if (loop && ticket->conn) {
		const char *body = answer->body ? answer->body : "{}";

		reply_send(ticket->conn, &(struct reply){
					     .status = answer->status,
					     .body = body,
					     .len = strlen(body),
					     .retry_after = answer->retry_after,
					 });
	}
	ticket_free(ticket);
}

/* On any thread. */
static void on_answer(void *ctx, struct pipeline_answer *answer)
{
	struct ticket *ticket = ctx;
	struct mailbox *mailbox = mailbox_ref(ticket->mailbox);

	ticket->answer = *answer;
	mailbox_post(mailbox, &ticket->super); /* the ticket may be gone now */
	mailbox_unref(mailbox);
}

/* libh2o leaves spaces behind a value (RFC 9112 5: not part of it). */
static struct signature_value trimmed(h2o_iovec_t value)
{
	while (value.len > 0 &&
	       (value.base[value.len - 1] == ' ' || value.base[value.len - 1] == '\t'))
		value.len--;
	return (struct signature_value){ value.base, value.len };
}

/* All values of both headers, at most one more than are looked at. */
static size_t collect(const h2o_req_t *req,
		      struct signature_value values[static SIGNATURE_VALUES + 1])
{
	static const h2o_iovec_t names[] = {
		{ H2O_STRLIT("x-webhook-signature") },
		{ H2O_STRLIT("x-openpr-signature") },
	};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ssize_t at = -1;

		while (count <= SIGNATURE_VALUES &&
		       (at = h2o_find_header_by_str(&req->headers, names[i].base, names[i].len,
						    at)) != -1) {
			values[count++] = trimmed(req->headers.entries[at].value);
		}
	}
	return count;
}

static void submit(struct loop *loop, struct conn *conn, const h2o_req_t *req,
		   struct pipeline *pipeline)
{
	struct ticket *ticket = h2o_mem_alloc(sizeof(*ticket));

	*ticket = (struct ticket){
		.super.run = answered,
		.mailbox = mailbox_ref(loop->mailbox),
	};
	conn_verified(conn);
	tally_verified(loop->site->tally);
	conn_await(conn, &ticket->conn);
	loop->pending++;
	pipeline_submit(pipeline, req->entity.base ? req->entity.base : "", req->entity.len,
			on_answer, ticket);
}

void webhook_serve(struct loop *loop, struct conn *conn, h2o_req_t *req, struct pipeline *pipeline)
{
	struct signature_value values[SIGNATURE_VALUES + 1];
	const size_t count = collect(req, values);
	const void *body = req->entity.base ? req->entity.base : "";
	const enum signature_verdict verdict =
	    signature_verify(loop->local, body, req->entity.len, values, count);

	if (verdict == SIGNATURE_GOOD) {
		submit(loop, conn, req, pipeline);
		return;
	}
	conn_count(conn,
		   verdict == SIGNATURE_MISSING ? REFUSED_NO_SIGNATURE : REFUSED_BAD_SIGNATURE);
	reply_error(conn, 401, signature_text(verdict));
}

/* ---- other secrets ---- */

struct swap {
	struct message super;
	struct signature *signature;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
};

static void swap(struct loop *loop, struct message *message)
{
	struct swap *order = (struct swap *)message;

	if (loop) {
		struct signature *old = loop->local;
		loop->local = order->signature;
		order->signature = old;
	}
	pthread_mutex_lock(&order->lock);
	order->done = true;
	pthread_cond_signal(&order->changed);
	pthread_mutex_unlock(&order->lock);
}

void webhook_secrets(struct loop *loop, struct signature *signature)
{
	struct swap order = {
		.super.run = swap,
		.signature = signature,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};

	mailbox_post(loop->mailbox, &order.super);
	pthread_mutex_lock(&order.lock);
	while (!order.done)
		pthread_cond_wait(&order.changed, &order.lock);
	pthread_mutex_unlock(&order.lock);
	pthread_cond_destroy(&order.changed);
	pthread_mutex_destroy(&order.lock);
	signature_free(order.signature);
}
