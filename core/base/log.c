#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/redact.h"
#include "base/utf8.h"

#define LONGEST_VALUE 1024

static _Atomic int least_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

void log_set_level(enum log_level least)
{
	atomic_store(&least_level, (int)least);
}

/* A byte that would end the line or drive a terminal; C1 controls are two bytes in UTF-8. */
static bool is_control(const char *at)
{
	const unsigned char first = (unsigned char)at[0];

	return first < 0x20 || first == 0x7f || (first == 0xc2 && (unsigned char)at[1] < 0xa0);
}

static bool needs_quotes(const char *text)
{
	if (*text == '\0')
		return true;
	for (; *text; text++)
		if (strchr(" \"=\\", *text) || is_control(text))
			return true;
	return false;
}

static int append_escaped(struct buf *line, const char *at, size_t step)
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
	const char *special = strchr(from, *at);

	if (special)
		return buf_appendf(line, "\\%c", to[special - from]);
	if (is_control(at))
		return buf_appendf(line, "\\u%04x", (unsigned)(unsigned char)at[step - 1]);
	return buf_append(line, at, step);
}

static int append_value(struct buf *line, const char *text, size_t len)
{
	if (!needs_quotes(text))
		return buf_append(line, text, len);
	int rc = buf_append(line, "\"", 1);

	for (size_t at = 0, step; at < len && rc == 0; at += step) {
		step = utf8_step(text + at, len - at);
		rc = append_escaped(line, text + at, step);
	}
	return rc < 0 ? rc : buf_append(line, "\"", 1);
}

/* Redacted before it is cut: half a secret would not be recognised. */
static int append_pair(struct buf *line, const char *key, const char *value)
{
	size_t len;
	_cleanup_free_ char *safe = redact(value, strlen(value), &len);
	_cleanup_free_ char *text = safe ? utf8_repair(safe, len, &len) : NULL;

	if (!text || buf_appendf(line, " %s=", key) < 0)
		return -1;
	if (len > LONGEST_VALUE) {
		len = utf8_clip(text, len, LONGEST_VALUE);
		text[len] = '\0';
		return append_value(line, text, len) < 0 ? -1 : buf_append(line, "...", 3);
	}
	return append_value(line, text, len);
}

/* One write a line, so that lines of several threads do not mix; what a full pipe refuses is lost.
 */
static void write_line(const struct buf *line)
{
	size_t at = 0;

	while (at < line->len) {
		const ssize_t sent = write(STDERR_FILENO, line->bytes + at, line->len - at);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return;
		at += (size_t)sent;
	}
}

static int append_pairs(struct buf *line, va_list args)
{
	const char *key;

	while ((key = va_arg(args, const char *)) != NULL) {
		const char *value = va_arg(args, const char *);

		if (value && append_pair(line, key, value) < 0)
			return -1;
	}
	return 0;
}

void log_event(enum log_level level, const char *message, ...)
{
	if ((int)level < atomic_load(&least_level))
		return;
	const int saved = errno;
	char at[CLOCK_TEXT_SIZE];
	struct buf line = { 0 };
	va_list args;

	clock_format(clock_wall(), at);
	va_start(args, message);
	if (buf_appendf(&line, "ts=%s level=%s", at, level_names[level]) == 0 &&
	    append_pair(&line, "msg", message) == 0 && append_pairs(&line, args) == 0 &&
	    buf_append(&line, "\n", 1) == 0)
		write_line(&line);
	va_end(args);
	buf_done(&line);
	errno = saved;
}
