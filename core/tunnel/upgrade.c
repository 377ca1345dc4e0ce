#include "tunnel/upgrade.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/random.h"
#include "base/sha1.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */
#define KEY_BYTES 16

/* ---- the request ---- */

int upgrade_make_key(char key[UPGRADE_KEY_SIZE], struct err *err)
{
	unsigned char bytes[KEY_BYTES];

	random_fill(bytes, sizeof(bytes));
	_cleanup_free_ char *text = base64_encode(bytes, sizeof(bytes));
	if (!text)
		return err_set(err, ERR_NOMEM, "out of memory");
	memcpy(key, text, UPGRADE_KEY_SIZE);
	return 0;
}

int upgrade_request(const char *host, const char *target, const char *token, const char *key,
		    struct buf *out, struct err *err)
{
	/* A line end inside would be a header of its own, a space another target. */
	if (strpbrk(host, "\r\n ") || strpbrk(target, "\r\n ") || strpbrk(token, "\r\n"))
		return err_set(err, ERR_CONFIG, "address or token cannot be sent as they are");
	if (buf_appendf(out,
			"GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
			"Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
			"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer %s\r\n"
			"User-Agent: openpr-webhook/%s\r\n\r\n",
			target, host, key, token, OPW_VERSION) < 0)
		return err_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

/* ---- the answer ---- */

ssize_t upgrade_end(const char *bytes, size_t len, struct err *err)
{
	const size_t look = len < UPGRADE_MAX_HEAD ? len : UPGRADE_MAX_HEAD;
	const char *end = memmem(bytes, look, "\r\n\r\n", 4);

	if (end)
		return end - bytes + 4;
	if (len >= UPGRADE_MAX_HEAD)
		return err_set(err, ERR_INVALID, "the answer's head is longer than %d bytes",
			       UPGRADE_MAX_HEAD);
	return 0;
}

/* What the headers say that matter here. */
struct answer {
	int upgrades, accepts;
	bool websocket, connection, accept, extras;
};

struct span {
	const char *at;
	size_t len;
};

static bool equals(struct span span, const char *text)
{
	return span.len == strlen(text) && strncasecmp(span.at, text, span.len) == 0;
}

static struct span trim(struct span span)
{
	while (span.len > 0 && (span.at[0] == ' ' || span.at[0] == '\t'))
		span.at++, span.len--;
	while (span.len > 0 && (span.at[span.len - 1] == ' ' || span.at[span.len - 1] == '\t'))
		span.len--;
	return span;
}

/* Whether a list with commas holds the word. */
static bool lists(struct span list, const char *word)
{
	while (list.len > 0) {
		const char *comma = memchr(list.at, ',', list.len);
		const size_t len = comma ? (size_t)(comma - list.at) : list.len;

		if (equals(trim((struct span){ list.at, len }), word))
			return true;
		list.at += len + (comma != NULL);
		list.len -= len + (comma != NULL);
	}
	return false;
}

/* What the server has to make of our key; the caller frees.  NULL with err filled. */
static char *expected_accept(const char *key, struct err *err)
{
	unsigned char sum[SHA1_SIZE];
	char text[UPGRADE_KEY_SIZE + sizeof(GUID)];

	strcpy(text, key);
	strcat(text, GUID);
	if (sha1(text, strlen(text), sum, err) < 0)
		return NULL;
	char *accept = base64_encode(sum, sizeof(sum));
	if (!accept)
		err_set(err, ERR_NOMEM, "out of memory");
	return accept;
}

static void take_header(struct answer *answer, struct span name, struct span value,
			const char *accept)
{
	if (equals(name, "Upgrade")) {
		answer->upgrades++;
		answer->websocket = equals(value, "websocket");
	} else if (equals(name, "Connection")) {
		answer->connection |= lists(value, "Upgrade");
	} else if (equals(name, "Sec-WebSocket-Accept")) {
		answer->accepts++;
		answer->accept =
		    value.len == strlen(accept) && memcmp(value.at, accept, value.len) == 0;
	} else if (equals(name, "Sec-WebSocket-Extensions") ||
		   equals(name, "Sec-WebSocket-Protocol")) {
		answer->extras = true; /* we asked for none */
	}
}

static bool is_token(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.at[i]) &&
		    (name.at[i] == '\0' || !strchr("!#$%&'*+-.^_`|~", name.at[i])))
			return false;
	return name.len > 0;
}

static bool is_value(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.at[i] < 0x20 ? value.at[i] != '\t' : value.at[i] == 0x7f)
			return false;
	return true;
}

/* One line without its end. */
static int read_header(struct answer *answer, struct span line, const char *accept, struct err *err)
{
	const char *colon = memchr(line.at, ':', line.len);
	const struct span name = { line.at, colon ? (size_t)(colon - line.at) : 0 };

	if (!is_token(name))
		return err_set(err, ERR_INVALID, "the answer to the handshake has a bad header");
	const struct span value =
	    trim((struct span){ colon + 1, line.len - (size_t)(colon + 1 - line.at) });
	if (!is_value(value))
		return err_set(err, ERR_INVALID, "the answer to the handshake has a bad header");
	take_header(answer, name, value, accept);
	return 0;
}

static int judge_answer(const struct answer *answer, struct err *err)
{
	if (answer->upgrades != 1 || !answer->websocket || !answer->connection)
		return err_set(err, ERR_INVALID,
			       "the server switches to something else than "
			       "WebSocket");
	if (answer->accepts != 1 || !answer->accept)
		return err_set(err, ERR_INVALID,
			       "the server's Sec-WebSocket-Accept is not that of our key");
	if (answer->extras)
		return err_set(err, ERR_INVALID,
			       "the server wants extensions or a sub-protocol "
			       "that were not offered");
	return 0;
}

static int explain(int status, struct err *err)
{
	switch (status) {
	case 401:
		return err_set(err, ERR_CONFIG,
			       "the control plane does not know tunnel.token (401)");
	case 403:
		return err_set(err, ERR_CONFIG,
			       "the control plane does not let tunnel.token in (403)");
	case 404:
		return err_set(err, ERR_CONFIG,
			       "there is no tunnel at the path of tunnel.url (404)");
	default:
		return err_set(err, status >= 500 ? ERR_IO : ERR_CONFIG,
			       "the server answers the handshake with %d%s", status,
			       status >= 300 && status < 400 ? ", and redirects are not followed"
							     : "");
	}
}

/* The status, or -1.  "HTTP/1.1 101 Switching Protocols" */
static int read_status(struct span line)
{
	static const char version[] = "HTTP/1.1 ";
	const size_t len = sizeof(version) - 1;
	int status = 0;

	if (line.len < len + 3 || memcmp(line.at, version, len) != 0 ||
	    (line.len > len + 3 && line.at[len + 3] != ' ') || !is_value(line))
		return -1;
	for (size_t i = len; i < len + 3; i++) {
		if (!isdigit((unsigned char)line.at[i]))
			return -1;
		status = status * 10 + (line.at[i] - '0');
	}
	return status;
}

static struct span take_line(struct span *head)
{
	const char *end = memmem(head->at, head->len, "\r\n", 2);
	const struct span line = { head->at, end ? (size_t)(end - head->at) : head->len };
	const size_t step = line.len + (end ? 2 : 0);

	head->at += step;
	head->len -= step;
	return line;
}

int upgrade_judge(const char *head, size_t len, const char *key, struct err *err)
{
	struct span rest = { head, len };
	const int status = read_status(take_line(&rest));
	struct answer answer = { 0 };

	if (status < 0)
		return err_set(err, ERR_INVALID, "the server does not answer in HTTP/1.1");
	if (status != 101)
		return explain(status, err);
	_cleanup_free_ char *accept = expected_accept(key, err);
	if (!accept)
		return -1;
	for (;;) {
		const struct span line = take_line(&rest);

		if (line.len == 0)
			return judge_answer(&answer, err);
		if (read_header(&answer, line, accept, err) < 0)
			return -1;
	}
}
