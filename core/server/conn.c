#include "server/conn.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/loop.h"

/* ---- life ---- */

static void on_read(h2o_socket_t *sock, const char *err);

void conn_unsettle(struct conn *conn)
{
	if (conn->unsettled)
		return;
	conn->unsettled = true;
	conn->unsettled_next = conn->loop->unsettled;
	conn->loop->unsettled = conn;
}

void conn_reading(struct conn *conn)
{
	const int64_t now = clock_mono();

	conn->state = CONN_READING;
	conn->begun = false;
	conn->verified = false;
	conn->head = (struct head){ 0 };
	conn->deadline = now + conn->loop->site->head_timeout;
	atomic_store(&conn->member.since, now);
}

/* libh2o has closed the socket; the connection itself stays until the end of the turn. */
static void on_close(void *data)
{
	struct conn *conn = data;
	struct loop *loop = conn->loop;

	conn->sock = NULL;
	crowd_leave(loop->site->crowd, &conn->member);
	if (conn->next)
		conn->next->prev = conn->prev;
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		loop->conns = conn->next;
	conn->next = loop->dead;
	loop->dead = conn;
}

void conn_open(struct loop *loop, h2o_socket_t *sock)
{
	struct conn *conn = h2o_mem_alloc(sizeof(*conn));

	memset(conn, 0, sizeof(*conn));
	conn->loop = loop;
	conn->sock = sock;
	conn->next = loop->conns;
	if (conn->next)
		conn->next->prev = conn;
	loop->conns = conn;
	crowd_enter(loop->site->crowd, &conn->member, loop->index, clock_mono());
	tally_connection(loop->site->tally);
	conn_reading(conn);
	sock->on_close.cb = on_close;
	sock->on_close.data = conn;
	h2o_accept(&loop->accept, sock);
	conn->library_read = sock->_cb.read;
	sock->_cb.read = on_read;
}

void conn_kill(struct conn *conn)
{
	if (conn->sock)
		conn->library_read(conn->sock, "closed by the server");
}

void conn_bury(struct loop *loop)
{
	struct conn *conn = loop->dead;

	loop->dead = NULL;
	while (conn) {
		struct conn *next = conn->next;
		if (conn->unsettled) { /* closed while the list was walked: next turn */
			conn->next = loop->dead;
			loop->dead = conn;
		} else {
			free(conn->stash);
			free(conn->last);
			free(conn);
		}
		conn = next;
	}
}

/* ---- reading ---- */

/* libh2o has seen all that came and waits for more. */
static void waits(struct conn *conn)
{
	const size_t size = conn->sock->input->size;

	conn_measure(conn);
	/* Only a chunked body can get here: a length was checked with the head. */
	if (size > conn->head.len && size - conn->head.len > conn->loop->site->max_body)
		conn_refuse(conn, REFUSED_TOO_LARGE, 413, "the body is too large");
	else if (conn->sock->_cb.read != on_read)
		conn_unsettle(conn);
}

static void received(struct conn *conn)
{
	const struct site *site = conn->loop->site;
	h2o_socket_t *sock = conn->sock;

	if (!conn->begun && sock->input->size > 0) {
		conn->begun = true;
		conn->deadline = clock_mono() + site->head_timeout;
	}
	conn_measure(conn);
	conn_shed(conn->loop);
	if (!conn->sock)
		return;
	const enum head_state state =
	    head_check(&conn->head, sock->input->bytes, sock->input->size);
	if (state == HEAD_INCOMPLETE)
		return;
	if (state == HEAD_REFUSED) {
		conn_refuse(conn, REFUSED_BAD_HEAD, conn->head.status, conn->head.error);
		return;
	}
	if (conn->head.has_length && conn->head.content_length > site->max_body) {
		conn_refuse(conn, REFUSED_TOO_LARGE, 413, "the body is too large");
		return;
	}
	conn->library_read(sock, NULL);
	if (conn->sock && conn->state == CONN_READING)
		waits(conn);
}

static void on_read(h2o_socket_t *sock, const char *err)
{
	struct conn *conn = sock->on_close.data;

	if (err)
		conn->library_read(sock, err);
	else
		received(conn);
}

/* The next request has come already, behind the last one. */
static void feed_stash(struct conn *conn)
{
	const h2o_iovec_t room = h2o_buffer_reserve(&conn->sock->input, conn->stash_len);

	memcpy(room.base, conn->stash, conn->stash_len);
	conn->sock->input->size += conn->stash_len;
	free(conn->stash);
	conn->stash = NULL;
	conn->stash_len = 0;
	received(conn);
}

static bool settle(struct conn *conn, bool feed)
{
	h2o_socket_t *sock = conn->sock;

	if (!sock || conn->state != CONN_READING)
		return false;
	if (!sock->_cb.read && !conn->starved) { /* "100 Continue" is still being written */
		conn_unsettle(conn);
		return false;
	}
	if (conn->stash_len > 0 && !feed) { /* what comes now must not overtake it */
		h2o_socket_read_stop(sock);
		conn->starved = conn->loop->starved = true;
		conn_unsettle(conn);
		return false;
	}
	if (conn->starved)
		h2o_socket_read_start(sock, on_read);
	else
		sock->_cb.read = on_read;
	conn->starved = false;
	if (conn->stash_len > 0)
		feed_stash(conn);
	else
		conn_measure(conn);
	return true;
}

bool conn_settle(struct loop *loop, bool feed)
{
	struct conn *conn = loop->unsettled;
	bool done = false;

	loop->unsettled = NULL;
	loop->starved = false;
	while (conn) {
		struct conn *next = conn->unsettled_next;
		conn->unsettled = false;
		done |= settle(conn, feed);
		conn = next;
	}
	return done;
}
