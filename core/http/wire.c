#include "http/wire.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "http/global.h"

/* Also what one TLS record holds at most. */
#define WAITING_SIZE 16384

struct wire {
	CURL *easy;
	const atomic_bool *stop;
	curl_socket_t fd;
	/* OpenSSL wants a write that had to wait to be tried again with the same bytes at the same
	 * address. */
	char waiting[WAITING_SIZE];
	size_t waiting_at, waiting_len;
	char reason[CURL_ERROR_SIZE]; /* written by libcurl */
};

/* ---- opening ---- */

static int on_progress(void *arg, curl_off_t to_get, curl_off_t got, curl_off_t to_send,
		       curl_off_t sent)
{
	const struct wire *wire = arg;

	(void)to_get, (void)got, (void)to_send, (void)sent;
	return wire->stop && atomic_load(wire->stop);
}

static void set_verification(CURL *easy, const struct wire_target *target)
{
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (target->ca_file) {
		/* The folder of the system's store would be looked into as well. */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(easy, CURLOPT_CAINFO, target->ca_file);
	}
	if (target->client_cert) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, target->client_cert);
		curl_easy_setopt(easy, CURLOPT_SSLKEY,
				 target->client_key ? target->client_key : target->client_cert);
	}
}

static void set_way(CURL *easy, const struct wire_target *target)
{
	curl_easy_setopt(easy, CURLOPT_URL, target->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	/* TLS would offer HTTP/2 otherwise. */
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	if (target->loopback)
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	else if (target->proxy)
		curl_easy_setopt(easy, CURLOPT_PROXY, target->proxy);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)target->timeout);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)target->timeout);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A name that does not resolve must not hold up whoever stops us. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

static bool is_loopback(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} peer = { 0 };
	socklen_t len = sizeof(peer);

	if (getpeername(fd, &peer.any, &len) < 0)
		return false;
	if (peer.any.sa_family == AF_INET)
		return ntohl(peer.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return peer.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&peer.v6.sin6_addr);
}

static int explain(const struct wire *wire, CURLcode code, struct err *err)
{
	const char *reason = wire->reason[0] ? wire->reason : curl_easy_strerror(code);

	switch (code) {
	case CURLE_ABORTED_BY_CALLBACK:
		return err_set(err, ERR_CONFLICT, "stopped");
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(err, ERR_TIMEOUT, "%s", reason);
	case CURLE_OUT_OF_MEMORY:
		return err_set(err, ERR_NOMEM, "out of memory");
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(err, ERR_CONFIG, "%s", reason);
	default:
		return err_set(err, ERR_IO, "%s", reason);
	}
}

static int connect_now(struct wire *wire, const struct wire_target *target, struct err *err)
{
	const CURLcode code = curl_easy_perform(wire->easy);

	if (code != CURLE_OK)
		return explain(wire, code, err);
	if (curl_easy_getinfo(wire->easy, CURLINFO_ACTIVESOCKET, &wire->fd) != CURLE_OK ||
	    wire->fd < 0)
		return err_set(err, ERR_IO, "the connection was lost at once");
	if (target->loopback && !is_loopback(wire->fd))
		return err_set(err, ERR_CONFIG,
			       "the host's address is not this machine's: nothing was sent");
	return 0;
}

struct wire *wire_open(const struct wire_target *target, struct err *err)
{
	struct wire *wire = calloc(1, sizeof(*wire));

	if (wire)
		wire->easy = global_handle();
	if (!wire || !wire->easy) {
		free(wire);
		err_set(err, ERR_NOMEM, "cannot set up libcurl");
		return NULL;
	}
	wire->fd = -1;
	wire->stop = target->stop;
	curl_easy_setopt(wire->easy, CURLOPT_ERRORBUFFER, wire->reason);
	curl_easy_setopt(wire->easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(wire->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(wire->easy, CURLOPT_XFERINFODATA, wire);
	set_way(wire->easy, target);
	set_verification(wire->easy, target);
	if (connect_now(wire, target, err) == 0)
		return wire;
	wire_free(wire);
	return NULL;
}

void wire_free(struct wire *wire)
{
	if (!wire)
		return;
	curl_easy_cleanup(wire->easy);
	free(wire);
}

/* ---- bytes ---- */

int wire_fd(const struct wire *wire)
{
	return wire->fd;
}

ssize_t wire_read(struct wire *wire, void *bytes, size_t size, struct err *err)
{
	size_t got = 0;

	wire->reason[0] = '\0';
	const CURLcode code = curl_easy_recv(wire->easy, bytes, size, &got);
	if (code == CURLE_AGAIN)
		return 0;
	if (code != CURLE_OK)
		return explain(wire, code, err);
	if (got == 0)
		return err_set(err, ERR_NOTFOUND, "the peer closed the connection");
	return (ssize_t)got;
}

int wire_flush(struct wire *wire, struct err *err)
{
	while (wire_waiting(wire)) {
		size_t sent = 0;

		wire->reason[0] = '\0';
		const CURLcode code = curl_easy_send(wire->easy, wire->waiting + wire->waiting_at,
						     wire->waiting_len - wire->waiting_at, &sent);
		if (code == CURLE_AGAIN)
			return 0;
		if (code != CURLE_OK)
			return explain(wire, code, err);
		wire->waiting_at += sent;
	}
	return 0;
}

ssize_t wire_write(struct wire *wire, const void *bytes, size_t len, struct err *err)
{
	if (wire_flush(wire, err) < 0)
		return -1;
	if (wire_waiting(wire))
		return 0;
	wire->waiting_at = 0;
	wire->waiting_len = len < WAITING_SIZE ? len : WAITING_SIZE;
	memcpy(wire->waiting, bytes, wire->waiting_len);
	return wire_flush(wire, err) < 0 ? -1 : (ssize_t)wire->waiting_len;
}

bool wire_waiting(const struct wire *wire)
{
	return wire->waiting_at < wire->waiting_len;
}

/* ---- addresses ---- */

static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
	char *text = NULL;

	return curl_url_get(url, part, &text, flags) == CURLUE_OK ? text : NULL;
}

static int format_host(CURLU *url, char **out)
{
	char *host = url_part(url, CURLUPART_HOST, 0), *port = url_part(url, CURLUPART_PORT, 0);
	const int rc = host ? asprintf(out, "%s%s%s", host, port ? ":" : "", port ? port : "") : -1;

	curl_free(host);
	curl_free(port);
	return rc < 0 ? -1 : 0;
}

static int format_target(CURLU *url, char **out)
{
	char *path = url_part(url, CURLUPART_PATH, 0), *query = url_part(url, CURLUPART_QUERY, 0);
	const int rc =
	    path ? asprintf(out, "%s%s%s", path, query ? "?" : "", query ? query : "") : -1;

	curl_free(path);
	curl_free(query);
	return rc < 0 ? -1 : 0;
}

int wire_split_url(const char *text, char **host, char **target, struct err *err)
{
	_cleanup_free_ char *of_host = NULL, *of_target = NULL;
	CURLU *url = curl_url();
	int rc = -1;

	if (!url || curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		err_set(err, ERR_CONFIG, "not a URL");
	else if (format_host(url, &of_host) < 0 || format_target(url, &of_target) < 0)
		err_set(err, ERR_NOMEM, "out of memory");
	else {
		*host = TAKE_PTR(of_host);
		*target = TAKE_PTR(of_target);
		rc = 0;
	}
	curl_url_cleanup(url);
	return rc;
}
