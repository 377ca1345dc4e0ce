#include <sys/socket.h>

#include "base/clock.h"
#include "server/conn.h"
#include "server/loop.h"
#include "server/reply.h"

#define LINGER_TIME 1000      /* ms a refused client gets for reading its answer */
#define LINGER_MAX (16 << 20) /* bytes it may still send meanwhile */

static void on_linger(h2o_socket_t *sock, const char *err)
{
	struct conn *conn = sock->on_close.data;

	conn->lingered += sock->input->size;
	h2o_buffer_consume(&sock->input, sock->input->size);
	if (err || conn->lingered > LINGER_MAX)
		conn_kill(conn);
}

static void on_refused(h2o_socket_t *sock, const char *err)
{
	struct conn *conn = sock->on_close.data;

	if (err || shutdown(h2o_socket_get_fd(sock), SHUT_WR) < 0) {
		conn_kill(conn);
		return;
	}
	conn->state = CONN_LINGERING;
	conn->deadline = clock_mono() + LINGER_TIME;
	h2o_socket_read_start(sock, on_linger);
}

void conn_refuse(struct conn *conn, enum tally_refusal why, int status, const char *error)
{
	h2o_socket_t *sock = conn->sock;
	h2o_iovec_t answer;

	conn_count(conn, why);
	tally_request(conn->loop->site->tally);
	if (h2o_socket_is_writing(sock)) { /* one write at a time */
		conn_kill(conn);
		return;
	}
	h2o_socket_read_stop(sock);
	h2o_buffer_consume(&sock->input, sock->input->size);
	conn->state = CONN_REFUSING;
	conn->deadline = clock_mono() + conn->loop->site->head_timeout;
	conn_measure(conn);
	conn->last = reply_raw(status, error, &answer.len);
	answer.base = conn->last;
	h2o_socket_write(sock, &answer, 1, on_refused);
}
