#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hmac.h"

int client_connect(uint16_t port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

int client_connect_path(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

bool client_try(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		const ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
		if (sent < 0)
			return false;
		at += sent;
		len -= (size_t)sent;
	}
	return true;
}

void client_send(int fd, const void *bytes, size_t len)
{
	assert_true(client_try(fd, bytes, len));
}

void client_say(int fd, const char *text)
{
	client_send(fd, text, strlen(text));
}

/* -1: nothing came in time; 0: closed (or reset). */
static ssize_t take(int fd, void *bytes, size_t len, int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	if (poll(&poll_fd, 1, ms) != 1)
		return -1;
	const ssize_t got = recv(fd, bytes, len, 0);
	return got < 0 ? 0 : got;
}

void client_read(int fd, struct client_answer *answer)
{
	size_t len = 0;

	memset(answer, 0, sizeof(*answer));
	while (!strstr(answer->head, "\r\n\r\n")) {
		assert_true(len + 1 < sizeof(answer->head));
		const ssize_t got = take(fd, answer->head + len, 1, CLIENT_PATIENCE);
		assert_true(got >= 0);
		if (got == 0) {
			assert_int_equal(len, 0); /* half an answer */
			return;
		}
		len++;
	}
	assert_int_equal(sscanf(answer->head, "HTTP/1.1 %d ", &answer->status), 1);
	const char *length = client_header(answer, "content-length");
	const size_t want = length ? strtoul(length, NULL, 10) : 0;
	assert_true(want < sizeof(answer->body));
	while (answer->len < want) {
		const ssize_t got =
		    take(fd, answer->body + answer->len, want - answer->len, CLIENT_PATIENCE);
		assert_true(got > 0);
		answer->len += (size_t)got;
	}
}

const char *client_header(struct client_answer *answer, const char *name)
{
	const size_t len = strlen(name);

	for (const char *line = strstr(answer->head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		snprintf(answer->value, sizeof(answer->value), "%.*s",
			 (int)strcspn(line + len + 2, "\r"), line + len + 2);
		return answer->value;
	}
	return NULL;
}

bool client_closed(int fd)
{
	char bytes[4096];
	ssize_t got;

	while ((got = take(fd, bytes, sizeof(bytes), CLIENT_PATIENCE)) > 0)
		;
	return got == 0;
}

bool client_quiet(int fd, int ms)
{
	char byte;

	return take(fd, &byte, 1, ms) == -1;
}

int client_ask(uint16_t port, const char *request, struct client_answer *answer)
{
	const int fd = client_connect(port);

	client_say(fd, request);
	client_read(fd, answer);
	close(fd);
	return answer->status;
}

void client_sign(const char *secret, const void *body, size_t len, char out[72])
{
	unsigned char mac[HMAC_SIZE];
	struct err err;
	struct hmac *hmac = hmac_new(secret, strlen(secret), &err);

	assert_non_null(hmac);
	assert_int_equal(hmac_sign(hmac, body, len, mac, &err), 0);
	hmac_free(hmac);
	strcpy(out, "sha256=");
	for (int i = 0; i < HMAC_SIZE; i++)
		sprintf(out + 7 + 2 * i, "%02x", mac[i]);
}

char *client_webhook(const char *secret, const char *body, size_t body_len, const char *extra,
		     size_t *len)
{
	char signature[72], *request = malloc(body_len + 1024);

	assert_non_null(request);
	client_sign(secret, body, body_len, signature);
	const int head = sprintf(request,
				 "POST /webhook HTTP/1.1\r\nhost: h\r\nx-webhook-signature: %s\r\n"
				 "%scontent-length: %zu\r\n\r\n",
				 signature, extra, body_len);
	memcpy(request + head, body, body_len);
	request[(size_t)head + body_len] = '\0';
	*len = (size_t)head + body_len;
	return request;
}
