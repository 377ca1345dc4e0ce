#include "server/head.h"

#include <string.h>
#include <strings.h>

struct span {
	const char *at;
	size_t len;
};

static int refuse(struct head *head, int status, const char *error)
{
	head->state = HEAD_REFUSED;
	head->status = status;
	head->error = error;
	return -1;
}

/* RFC 9110 5.6.2. */
static bool token_char(unsigned char c)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr(marks, c));
}

static size_t token_len(struct span text)
{
	size_t n = 0;

	while (n < text.len && token_char((unsigned char)text.at[n]))
		n++;
	return n;
}

static bool is(struct span text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

/* METHOD SP TARGET SP HTTP/1.x, with one space each. */
static int request_line(struct head *head, struct span line)
{
	const size_t method = token_len(line);
	size_t end = method + 1;

	if (method == 0 || method >= line.len || line.at[method] != ' ')
		return refuse(head, 400, "malformed request line");
	while (end < line.len && line.at[end] > ' ' && line.at[end] < 0x7f)
		end++;
	const struct span version = { line.at + end, line.len - end };
	if (end == method + 1)
		return refuse(head, 400, "malformed request target");
	head->http10 = version.len == 9 && memcmp(version.at, " HTTP/1.0", 9) == 0;
	if (!head->http10 && !(version.len == 9 && memcmp(version.at, " HTTP/1.1", 9) == 0))
		return refuse(head, 400, "not HTTP/1.1");
	return 0;
}

static int field_host(struct head *head, struct span value)
{
	if (++head->hosts > 1)
		return refuse(head, 400, "more than one Host");
	for (size_t i = 0; i < value.len; i++) {
		const unsigned char c = (unsigned char)value.at[i];
		if (c <= ' ' || c >= 0x7f || strchr("\"#,/<>?@\\^`{|}", c))
			return refuse(head, 400, "malformed Host");
	}
	return 0;
}

static int field_length(struct head *head, struct span value)
{
	uint64_t length = 0;

	if (++head->lengths > 1)
		return refuse(head, 400, "more than one Content-Length");
	if (value.len == 0 || value.len > 18) /* 18 digits fit */
		return refuse(head, 400, "malformed Content-Length");
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return refuse(head, 400, "malformed Content-Length");
		length = length * 10 + (uint64_t)(value.at[i] - '0');
	}
	head->has_length = true;
	head->content_length = length;
	return 0;
}

static int field_encoding(struct head *head, struct span value)
{
	if (++head->encodings > 1)
		return refuse(head, 400, "more than one Transfer-Encoding");
	if (!is(value, "chunked"))
		return refuse(head, 400, "Transfer-Encoding other than chunked");
	head->chunked = true;
	return 0;
}

static int field_expect(struct head *head, struct span value)
{
	if (++head->expects > 1 || !is(value, "100-continue"))
		return refuse(head, 417, "Expect other than 100-continue");
	return 0;
}

static const struct {
	const char *name;
	int (*check)(struct head *, struct span);
} checks[] = {
	{ "host", field_host },
	{ "content-length", field_length },
	{ "transfer-encoding", field_encoding },
	{ "expect", field_expect },
};

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static int field_value(struct head *head, struct span *value)
{
	while (value->len > 0 && blank(value->at[0])) {
		value->at++;
		value->len--;
	}
	while (value->len > 0 && blank(value->at[value->len - 1]))
		value->len--;
	for (size_t i = 0; i < value->len; i++) {
		const unsigned char c = (unsigned char)value->at[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return refuse(head, 400, "control character in a header");
	}
	return 0;
}

static int field(struct head *head, struct span line)
{
	const struct span name = { line.at, token_len(line) };

	if (blank(line.at[0]))
		return refuse(head, 400, "folded header line");
	if (name.len == 0 || name.len == line.len || line.at[name.len] != ':')
		return refuse(head, 400, "malformed header name");
	if (++head->fields > HEAD_FIELDS)
		return refuse(head, 431, "too many headers");
	struct span value = { line.at + name.len + 1, line.len - name.len - 1 };
	if (field_value(head, &value) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (is(name, checks[i].name))
			return checks[i].check(head, value);
	return 0;
}

static int head_end(struct head *head)
{
	if (head->hosts == 0 && !head->http10)
		return refuse(head, 400, "no Host");
	if (head->chunked && head->has_length)
		return refuse(head, 400, "Content-Length beside Transfer-Encoding");
	if (head->chunked && head->http10)
		return refuse(head, 400, "Transfer-Encoding in HTTP/1.0");
	head->len = head->line;
	head->state = HEAD_COMPLETE;
	return 0;
}

/* One line without its CRLF; head->line is already behind it. */
static int one_line(struct head *head, struct span line)
{
	if (!head->started && line.len == 0)
		/* RFC 9112 2.2: an empty line in front is ignored; one, not any number. */
		return head->line == 2 ? 0 : refuse(head, 400, "malformed request line");
	if (!head->started) {
		head->started = true;
		return request_line(head, line);
	}
	return line.len == 0 ? head_end(head) : field(head, line);
}

enum head_state head_check(struct head *head, const char *bytes, size_t len)
{
	while (head->state == HEAD_INCOMPLETE) {
		const char *lf = memchr(bytes + head->seen, '\n', len - head->seen);
		const size_t end = lf ? (size_t)(lf - bytes) : len;

		if (end >= HEAD_MAX) {
			refuse(head, 431, "head larger than 16 KiB");
			break;
		}
		head->seen = end;
		if (!lf)
			break;
		if (end == head->line || bytes[end - 1] != '\r') {
			refuse(head, 400, "line ended by a bare LF");
			break;
		}
		const struct span line = { bytes + head->line, end - 1 - head->line };
		head->seen = head->line = end + 1;
		one_line(head, line);
	}
	return head->state;
}
