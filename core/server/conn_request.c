#include <string.h>

#include "base/clock.h"
#include "server/conn.h"
#include "server/loop.h"

struct conn *conn_of(h2o_req_t *req)
{
	return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

/* Part of the request's pool: libh2o disposes of it with the request. */
struct guard {
	struct conn *conn;
};

static void on_dispose(void *data)
{
	struct conn *conn = ((struct guard *)data)->conn;

	conn->req = NULL;
	if (conn->awaited)
		*conn->awaited = NULL;
	conn->awaited = NULL;
	conn->served = true;
	conn_reading(conn);
	conn_unsettle(conn);
}

/* What lies behind the request goes aside, so that libh2o never parses a head that we have not. */
static void set_aside(struct conn *conn, const h2o_req_t *req)
{
	h2o_buffer_t *input = conn->sock->input;
	const size_t end = req->entity.base
			       ? (size_t)(req->entity.base + req->entity.len - input->bytes)
			       : conn->head.len;

	if (input->size <= end)
		return;
	conn->stash_len = input->size - end;
	conn->stash = h2o_mem_alloc(conn->stash_len);
	memcpy(conn->stash, input->bytes + end, conn->stash_len);
	input->size = end;
}

void conn_working(struct conn *conn, h2o_req_t *req)
{
	struct guard *guard = h2o_mem_alloc_shared(&req->pool, sizeof(*guard), on_dispose);

	guard->conn = conn;
	conn->req = req;
	conn->state = CONN_WORKING;
	conn->deadline = INT64_MAX;
	atomic_store(&conn->member.since, CROWD_BUSY);
	set_aside(conn, req);
	tally_request(conn->loop->site->tally);
}

void conn_verified(struct conn *conn)
{
	conn->verified = true;
	conn_measure(conn);
}

void conn_await(struct conn *conn, struct conn **slot)
{
	conn->awaited = slot;
	if (slot)
		*slot = conn;
}

void conn_answering(struct conn *conn)
{
	conn_await(conn, NULL);
	conn->state = CONN_ANSWERING;
	conn->deadline = clock_mono() + conn->loop->site->head_timeout;
}
