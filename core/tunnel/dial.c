#include "tunnel/dial.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tunnel/upgrade.h"

#define STOP_LOOK 200 /* ms between two looks at *stop */

struct shake { /* the handshake under way */
	struct wire *wire;
	const atomic_bool *stop;
	int64_t until; /* ms */
	struct err *err;
};

/* ws:// and wss:// as libcurl knows them; the caller frees. */
static char *plain_url(const char *url)
{
	const char *rest = strstr(url, "://");
	char *plain = NULL;

	if (!rest || asprintf(&plain, "%s%s", url[2] == 's' ? "https" : "http", rest) < 0)
		return NULL;
	return plain;
}

static struct wire *connect_to(const struct config *config, const char *url,
			       const atomic_bool *stop, struct err *err)
{
	const bool encrypted = strncmp(config->tunnel.url, "wss:", 4) == 0;
	const struct wire_target target = {
		.url = url,
		.ca_file = config->tunnel.ca_file,
		.client_cert = config->tunnel.client_cert,
		.client_key = config->tunnel.client_key,
		.proxy = config->tunnel.proxy,
		.loopback = !encrypted && !config->tunnel.allow_insecure,
		.timeout = DIAL_TIMEOUT / 2,
		.stop = stop,
	};

	return wire_open(&target, err);
}

/* ---- the handshake ---- */

static int wait_for(struct shake *shake, short events)
{
	struct pollfd fd = { .fd = wire_fd(shake->wire), .events = events };
	const int64_t left = shake->until - clock_mono();

	if (left <= 0)
		return err_set(shake->err, ERR_TIMEOUT, "the server does not answer the handshake");
	if (atomic_load(shake->stop))
		return err_set(shake->err, ERR_CONFLICT, "stopped");
	if (poll(&fd, 1, left < STOP_LOOK ? (int)left : STOP_LOOK) < 0 && errno != EINTR)
		return err_set(shake->err, ERR_IO, "poll: %s", strerror(errno));
	return 0;
}

static int send_all(struct shake *shake, const struct buf *request)
{
	size_t at = 0;

	while (at < request->len || wire_waiting(shake->wire)) {
		const ssize_t sent =
		    wire_write(shake->wire, request->bytes + at, request->len - at, shake->err);

		if (sent < 0 || (wire_waiting(shake->wire) && wait_for(shake, POLLOUT) < 0))
			return -1;
		at += (size_t)sent;
	}
	return 0;
}

/* Into `answer`, at least the whole head; its length, or -1. */
static ssize_t read_head(struct shake *shake, struct buf *answer)
{
	char bytes[4096];

	for (;;) {
		const ssize_t end =
		    upgrade_end(answer->bytes ? answer->bytes : "", answer->len, shake->err);
		if (end != 0)
			return end;
		const ssize_t got = wire_read(shake->wire, bytes, sizeof(bytes), shake->err);
		if (got < 0)
			return -1;
		if (got == 0 && wait_for(shake, POLLIN) < 0)
			return -1;
		if (buf_append(answer, bytes, (size_t)got) < 0)
			return err_set(shake->err, ERR_NOMEM, "out of memory");
	}
}

static int shake_hands(struct shake *shake, const struct config *config, struct buf *rest)
{
	_cleanup_free_ char *host = NULL, *target = NULL;
	struct buf request = { 0 }, answer = { 0 };
	char key[UPGRADE_KEY_SIZE];
	int rc = -1;

	if (upgrade_make_key(key, shake->err) < 0 ||
	    wire_split_url(config->tunnel.url, &host, &target, shake->err) < 0 ||
	    upgrade_request(host, target, config->tunnel.token, key, &request, shake->err) < 0 ||
	    send_all(shake, &request) < 0)
		goto out;
	const ssize_t head = read_head(shake, &answer);
	if (head < 0 || upgrade_judge(answer.bytes, (size_t)head, key, shake->err) < 0)
		goto out;
	rc = buf_append(rest, answer.bytes + head, answer.len - (size_t)head);
	if (rc < 0)
		err_set(shake->err, ERR_NOMEM, "out of memory");
out:
	if (request.bytes)
		explicit_bzero(request.bytes, request.len);
	buf_done(&request);
	buf_done(&answer);
	return rc;
}

struct wire *dial(const struct config *config, const atomic_bool *stop, struct buf *rest,
		  struct err *err)
{
	_cleanup_free_ char *url = plain_url(config->tunnel.url);
	struct shake shake = { .stop = stop, .err = err };

	if (!url) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	shake.wire = connect_to(config, url, stop, err);
	if (!shake.wire)
		return NULL;
	shake.until = clock_mono() + DIAL_TIMEOUT / 2;
	if (shake_hands(&shake, config, rest) == 0)
		return shake.wire;
	wire_free(shake.wire);
	return NULL;
}
