#include <arpa/inet.h>
#include <stdio.h>

#include "base/clock.h"
#include "server/conn.h"
#include "server/loop.h"

#define SMALL_BUFFER (16 << 10) /* bytes of room that every connection may have */
#define PEER_SIZE 64

/*
 * Counts the larger of the bytes held and half of the room taken for them.  libh2o doubles its
 * buffers and shrinks what it has decoded in place, so that a chunked body of nothing but chunk
 * extensions leaves megabytes of room with no byte in it.
 */
void conn_measure(struct conn *conn)
{
	const h2o_buffer_t *input = conn->sock->input;
	size_t held = conn->stash_len;

	if (!conn->verified) {
		const size_t room = input->capacity > SMALL_BUFFER ? input->capacity / 2 : 0;
		held += input->size > room ? input->size : room;
	}
	crowd_hold(conn->loop->site->crowd, &conn->member, held);
}

/* Closes those that hold most until all together hold little enough; conn may be among them. */
void conn_shed(struct loop *loop)
{
	struct crowd *crowd = loop->site->crowd;

	while (crowd_over(crowd)) {
		const int victim = crowd_doom_heaviest(crowd, loop->index);
		if (victim < 0)
			break;
		if (victim == loop->index)
			conn_reap(loop);
	}
}

static void peer_text(h2o_socket_t *sock, char text[PEER_SIZE])
{
	struct sockaddr_storage address = { 0 };
	char host[INET6_ADDRSTRLEN] = "?";

	h2o_socket_getpeername(sock, (struct sockaddr *)&address);
	if (address.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)&address;
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, PEER_SIZE, "%s:%d", host, ntohs(in->sin_port));
	} else if (address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)&address;
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(text, PEER_SIZE, "[%s]:%d", host, ntohs(in6->sin6_port));
	} else {
		snprintf(text, PEER_SIZE, "local");
	}
}

void conn_count(struct conn *conn, enum tally_refusal why)
{
	char peer[PEER_SIZE];

	peer_text(conn->sock, peer);
	if (!conn->req) /* not whole: nobody has counted it yet */
		tally_received(conn->loop->site->tally);
	tally_refusal(conn->loop->site->tally, why, peer, clock_mono());
}

void conn_expire(struct conn *conn, int64_t now)
{
	if (now < conn->deadline)
		return;
	if (conn->state == CONN_READING && conn->begun) {
		conn_refuse(conn, REFUSED_TIMEOUT, 408, "the request did not come in time");
		return;
	}
	if (conn->state == CONN_ANSWERING)
		conn_count(conn, REFUSED_SLOW_READER);
	conn_kill(conn);
}

/* A victim that another loop chose just before its request was complete or verified is spared. */
static void execute(struct conn *conn, enum crowd_doom doom)
{
	const bool spare =
	    doom == CROWD_OLDEST ? atomic_load(&conn->member.since) == CROWD_BUSY : conn->verified;

	if (spare) {
		atomic_store(&conn->member.doom, CROWD_SPARED);
		conn_measure(conn);
		return;
	}
	conn_count(conn, doom == CROWD_OLDEST ? REFUSED_CONNECTIONS : REFUSED_UNVERIFIED);
	conn_kill(conn);
}

void conn_reap(struct loop *loop)
{
	struct conn *next;

	for (struct conn *conn = loop->conns; conn; conn = next) {
		const enum crowd_doom doom = atomic_load(&conn->member.doom);

		next = conn->next;
		if (doom != CROWD_SPARED)
			execute(conn, doom);
	}
}
