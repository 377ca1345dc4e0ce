#include "server/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/conn.h"
#include "server/loop.h"

#define BACKLOG 1024
#define ACCEPTS 32 /* at most, in one turn */
#define PAUSE 50   /* ms without accepting when there is no room */
#define RECEIVE_BUFFER (256 << 10)
#define COMPLAIN_EVERY 60000 /* ms */

int listener_descriptors(int max_connections, struct err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_set(err, ERR_IO, "getrlimit: %s", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_set(err, ERR_IO, "cannot raise RLIMIT_NOFILE to %ju: %s",
			       (uintmax_t)limit.rlim_max, strerror(errno));
	if (limit.rlim_cur < (rlim_t)max_connections + LISTENER_SPARE)
		return err_set(err, ERR_CONFIG,
			       "webhook.max_connections = %d needs %d descriptors, the limit "
			       "(RLIMIT_NOFILE) is %ju",
			       max_connections, max_connections + LISTENER_SPARE,
			       (uintmax_t)limit.rlim_cur);
	return 0;
}

/* ---- binding ---- */

static int resolve(const char *option, const char *address, struct addrinfo **found,
		   struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	const char *colon = strrchr(address, ':');
	char host[256];

	if (!colon)
		return err_set(err, ERR_CONFIG, "%s: \"%s\" is not host:port", option, address);
	size_t len = (size_t)(colon - address);
	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return err_set(err, ERR_CONFIG, "%s: the host is too long", option);
	memcpy(host, address, len);
	host[len] = '\0';
	const int rc = getaddrinfo(len ? host : NULL, colon + 1, &hints, found);
	if (rc != 0)
		return err_set(err, ERR_CONFIG, "%s: %s: %s", option, host, gai_strerror(rc));
	return 0;
}

/* A listening socket, or -1 with errno. */
static int bind_one(const struct sockaddr *address, socklen_t len, bool shared)
{
	const int on = 1, size = RECEIVE_BUFFER;
	const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Accepted sockets inherit it: libh2o reads until nothing is left, so this bounds what one
	 * connection can bring before it is looked at. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if ((shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
	    bind(fd, address, len) < 0 || listen(fd, BACKLOG) < 0) {
		const int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/*
 * SO_REUSEPORT would let a second daemon of the same user take half of the connections.  So the
 * port is first taken without it, which fails when anybody listens there.
 */
static int probe(const struct sockaddr *address, socklen_t len)
{
	const int fd = bind_one(address, len, false);

	return fd < 0 ? -1 : close(fd);
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
	return ntohs(address->ss_family == AF_INET6
			 ? ((const struct sockaddr_in6 *)address)->sin6_port
			 : ((const struct sockaddr_in *)address)->sin_port);
}

static int bind_all(const struct addrinfo *info, int count, int *fds, uint16_t *port)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = info->ai_addrlen;
	int bound = 0;

	memcpy(&address, info->ai_addr, len);
	if (port_of(&address) != 0 && probe(info->ai_addr, len) < 0)
		return -1;
	for (; bound < count; bound++) {
		fds[bound] = bind_one((struct sockaddr *)&address, len, true);
		if (fds[bound] < 0)
			break;
		len = sizeof(address);
		if (bound == 0 && getsockname(fds[0], (struct sockaddr *)&address, &len) < 0) {
			bound++;
			break;
		}
	}
	if (bound == count) {
		*port = port_of(&address);
		return 0;
	}
	const int error = errno;
	while (bound > 0)
		close(fds[--bound]);
	errno = error;
	return -1;
}

int listener_bind(const char *option, const char *address, int count, int *fds, uint16_t *port,
		  struct err *err)
{
	struct addrinfo *found = NULL;
	int rc = -1;

	if (resolve(option, address, &found, err) < 0)
		return -1;
	for (const struct addrinfo *info = found; info && rc < 0; info = info->ai_next)
		rc = bind_all(info, count, fds, port);
	if (rc < 0)
		err_set(err, ERR_IO, "%s: cannot listen on %s: %s", option, address,
			strerror(errno));
	freeaddrinfo(found);
	return rc;
}

/* ---- accepting ---- */

static void pause_accepting(struct loop *loop)
{
	h2o_socket_read_stop(loop->listener);
	loop->paused_until = clock_mono() + PAUSE;
}

static bool somebody_waits(const struct loop *loop)
{
	struct pollfd poll_fd = { .fd = h2o_socket_get_fd(loop->listener), .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

/*
 * A place for one more.  At the cap the connection that has been incomplete longest goes; when its
 * loop is another one, or when nobody is incomplete, accepting waits.
 */
static bool find_place(struct loop *loop)
{
	struct crowd *crowd = loop->site->crowd;

	while (!crowd_reserve(crowd)) {
		if (crowd_doom_oldest(crowd, loop->index) != loop->index) {
			pause_accepting(loop);
			return false;
		}
		conn_reap(loop);
	}
	return true;
}

static void complain(struct loop *loop, int error)
{
	const int64_t now = clock_mono();

	if (now < loop->quiet_until)
		return;
	loop->quiet_until = now + COMPLAIN_EVERY;
	log_event(LOG_LEVEL_ERROR, "cannot accept", "error", strerror(error), NULL);
}

static void accept_some(struct loop *loop, int most)
{
	for (int i = 0; i < most; i++) {
		/* A place that is reserved for nobody would make another loop close somebody. */
		if (!somebody_waits(loop) || !find_place(loop))
			return;
		h2o_socket_t *sock = h2o_evloop_socket_accept(loop->listener);
		if (!sock) {
			const int error = errno;
			crowd_release(loop->site->crowd);
			if (error == EMFILE || error == ENFILE || error == ENOBUFS ||
			    error == ENOMEM) {
				complain(loop, error);
				pause_accepting(loop);
			}
			return;
		}
		conn_open(loop, sock);
	}
}

static void on_accept(h2o_socket_t *listener, const char *err)
{
	if (!err)
		accept_some(listener->data, ACCEPTS);
}

void listener_start(struct loop *loop, int fd)
{
	loop->listener =
	    h2o_evloop_socket_create(loop->context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
	loop->listener->data = loop;
	listener_resume(loop);
}

void listener_resume(struct loop *loop)
{
	loop->paused_until = 0;
	if (loop->listener)
		h2o_socket_read_start(loop->listener, on_accept);
}

void listener_close(struct loop *loop)
{
	if (!loop->listener)
		return;
	accept_some(loop, BACKLOG);
	h2o_socket_close(loop->listener);
	loop->listener = NULL;
}
