#include "peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST 16

struct conn {
	int fd;
	char *bytes;
	size_t len;
};

struct peer {
	int listener, wake[2];
	char url[64];
	const struct peer_step *steps;
	size_t step_count;
	pthread_t thread;
	struct conn conns[MOST];
	char *requests[MOST];
	atomic_int request_count, connection_count;
};

static void close_conn(struct conn *conn)
{
	close(conn->fd);
	free(conn->bytes);
	*conn = (struct conn){ .fd = -1 };
}

/* The length of the first whole request, or 0. */
static size_t whole_request(const struct conn *conn)
{
	const char *end = conn->bytes ? strstr(conn->bytes, "\r\n\r\n") : NULL;
	const char *length = end ? strcasestr(conn->bytes, "\r\ncontent-length:") : NULL;
	const size_t head = end ? (size_t)(end - conn->bytes) + 4 : 0;
	const size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;

	return head > 0 && conn->len >= head + body ? head + body : 0;
}

static void send_all(int fd, const char *bytes)
{
	size_t len = strlen(bytes);

	while (len > 0) {
		const ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

static void answer(struct peer *peer, struct conn *conn, size_t len)
{
	const int n = atomic_load(&peer->request_count);
	const struct peer_step last = { .close = true };
	const struct peer_step *step = (size_t)n < peer->step_count ? &peer->steps[n] : &last;

	if (n == MOST)
		abort();
	peer->requests[n] = strndup(conn->bytes, len);
	atomic_store(&peer->request_count, n + 1);
	memmove(conn->bytes, conn->bytes + len, conn->len - len + 1);
	conn->len -= len;
	for (size_t i = 0; step->answer && i <= step->repeat; i++)
		send_all(conn->fd, step->answer);
	if (step->close)
		close_conn(conn);
}

static void read_conn(struct peer *peer, struct conn *conn)
{
	char bytes[65536];
	const ssize_t n = recv(conn->fd, bytes, sizeof(bytes), 0);

	if (n <= 0) {
		close_conn(conn);
		return;
	}
	conn->bytes = realloc(conn->bytes, conn->len + (size_t)n + 1);
	memcpy(conn->bytes + conn->len, bytes, (size_t)n);
	conn->len += (size_t)n;
	conn->bytes[conn->len] = '\0';
	const size_t len = whole_request(conn);
	if (len > 0)
		answer(peer, conn, len);
}

static void accept_conn(struct peer *peer)
{
	const int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	atomic_fetch_add(&peer->connection_count, 1);
	for (int i = 0; i < MOST; i++) {
		if (peer->conns[i].fd < 0) {
			peer->conns[i].fd = fd;
			return;
		}
	}
	close(fd);
}

static void *serve(void *arg)
{
	struct peer *peer = arg;

	for (;;) {
		struct pollfd fds[MOST + 2] = { { .fd = peer->listener, .events = POLLIN },
						{ .fd = peer->wake[0], .events = POLLIN } };
		for (int i = 0; i < MOST; i++)
			fds[i + 2] = (struct pollfd){ .fd = peer->conns[i].fd, .events = POLLIN };
		poll(fds, MOST + 2, -1);
		if (fds[1].revents)
			return NULL;
		for (int i = 0; i < MOST; i++)
			if (fds[i + 2].revents)
				read_conn(peer, &peer->conns[i]);
		if (fds[0].revents)
			accept_conn(peer);
	}
}

static void listen_tcp(struct peer *peer)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(peer->listener, (struct sockaddr *)&address, len) < 0 ||
	    getsockname(peer->listener, (struct sockaddr *)&address, &len) < 0)
		abort();
	snprintf(peer->url, sizeof(peer->url), "http://127.0.0.1:%d", ntohs(address.sin_port));
}

static void listen_unix(struct peer *peer, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(peer->listener, (struct sockaddr *)&address, sizeof(address)) < 0)
		abort();
	snprintf(peer->url, sizeof(peer->url), "http://localhost");
}

struct peer *peer_start(const char *unix_path, const struct peer_step *steps, size_t count)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	peer->steps = steps;
	peer->step_count = count;
	for (int i = 0; i < MOST; i++)
		peer->conns[i].fd = -1;
	if (unix_path)
		listen_unix(peer, unix_path);
	else
		listen_tcp(peer);
	if (listen(peer->listener, 16) < 0 || pipe2(peer->wake, O_CLOEXEC) < 0 ||
	    pthread_create(&peer->thread, NULL, serve, peer) != 0)
		abort();
	return peer;
}

void peer_stop(struct peer *peer)
{
	close(peer->wake[1]);
	pthread_join(peer->thread, NULL);
	close(peer->wake[0]);
	close(peer->listener);
	for (int i = 0; i < MOST; i++) {
		if (peer->conns[i].fd >= 0)
			close_conn(&peer->conns[i]);
		free(peer->requests[i]);
	}
	free(peer);
}

const char *peer_url(const struct peer *peer)
{
	return peer->url;
}

int peer_requests(struct peer *peer)
{
	return atomic_load(&peer->request_count);
}

const char *peer_request(struct peer *peer, int n)
{
	return peer->requests[n];
}

int peer_connections(struct peer *peer)
{
	return atomic_load(&peer->connection_count);
}
