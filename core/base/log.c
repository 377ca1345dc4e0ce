#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/redact.h"
#include "base/utf8.h"

#define LONGEST_VALUE 1024

static _Atomic int least_level = LOG_LEVEL_INFO;
static atomic_bool as_json, to_journal;
static _Thread_local const struct log_ids *about;

static const struct {
	const char *name;
	int priority; /* syslog(3) */
} levels[] = {
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_WARN] = { "warn", 4 },
	[LOG_LEVEL_ERROR] = { "error", 3 },
};

void log_set_level(enum log_level least)
{
	atomic_store(&least_level, (int)least);
}

void log_set_json(bool json)
{
	atomic_store(&as_json, json);
}

bool log_parse_level(const char *word, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(levels[i].name, word) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

void log_find_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat st;

	atomic_store(&to_journal, stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
				      fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
				      st.st_ino == inode);
}

void log_about(const struct log_ids *ids)
{
	about = ids;
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

struct line {
	struct buf text;
	bool json, begun; /* begun: it has a pair */
};

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

static int append_quoted(struct buf *line, const char *text, size_t len, bool cut)
{
	int rc = buf_append(line, "\"", 1);

	for (size_t at = 0, step; at < len && rc == 0; at += step) {
		step = utf8_step(text + at, len - at);
		rc = append_escaped(line, text + at, step);
	}
	return rc < 0 ? rc : buf_appendf(line, "%s\"", cut ? "..." : "");
}

static int append_value(struct line *line, const char *text, size_t len, bool cut)
{
	if (line->json || needs_quotes(text))
		return append_quoted(&line->text, text, len, cut);
	return buf_appendf(&line->text, "%s%s", text, cut ? "..." : "");
}

static int append_key(struct line *line, const char *key)
{
	const bool first = !line->begun;

	line->begun = true;
	if (line->json)
		return buf_appendf(&line->text, "%s\"%s\":", first ? "" : ",", key);
	return buf_appendf(&line->text, "%s%s=", first ? "" : " ", key);
}

/* Redacted before it is cut: half a secret would not be recognised. */
static int append_pair(struct line *line, const char *key, const char *value)
{
	size_t len;
	_cleanup_free_ char *safe = redact(value, strlen(value), &len);
	_cleanup_free_ char *text = safe ? utf8_repair(safe, len, &len) : NULL;

	if (!text || append_key(line, key) < 0)
		return -1;
	const bool cut = len > LONGEST_VALUE;
	if (cut) {
		len = utf8_clip(text, len, LONGEST_VALUE);
		text[len] = '\0';
	}
	return append_value(line, text, len, cut);
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

/* What the line says itself, and what this thread is about. */
static int append_pairs(struct line *line, va_list args)
{
	static const struct log_ids nothing;
	const struct log_ids *ids = about ? about : &nothing;
	struct {
		const char *key, *value;
	} more[] = { { "event", ids->event },
		     { "run", ids->run },
		     { "issue", ids->issue },
		     { "delivery", ids->delivery } };
	const char *key;

	while ((key = va_arg(args, const char *)) != NULL) {
		const char *value = va_arg(args, const char *);

		if (value && append_pair(line, key, value) < 0)
			return -1;
		for (size_t i = 0; value && i < sizeof(more) / sizeof(more[0]); i++)
			if (strcmp(more[i].key, key) == 0)
				more[i].value = NULL;
	}
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		if (more[i].value && append_pair(line, more[i].key, more[i].value) < 0)
			return -1;
	return 0;
}

/* `ts` and `level`, or what the journal wants instead of them. */
static int begin(struct line *line, enum log_level level)
{
	const bool journal = atomic_load(&to_journal);
	char at[CLOCK_TEXT_SIZE];

	if (journal && buf_appendf(&line->text, "<%d>", levels[level].priority) < 0)
		return -1;
	if (line->json && buf_append(&line->text, "{", 1) < 0)
		return -1;
	if (journal)
		return 0;
	clock_format(clock_wall(), at);
	return append_pair(line, "ts", at) < 0 ? -1
					       : append_pair(line, "level", levels[level].name);
}

void log_event(enum log_level level, const char *message, ...)
{
	if ((int)level < atomic_load(&least_level))
		return;
	const int saved = errno;
	struct line line = { .json = atomic_load(&as_json) };
	va_list args;

	va_start(args, message);
	if (begin(&line, level) == 0 && append_pair(&line, "msg", message) == 0 &&
	    append_pairs(&line, args) == 0 &&
	    buf_appendf(&line.text, "%s\n", line.json ? "}" : "") == 0)
		write_line(&line.text);
	va_end(args);
	buf_done(&line.text);
	errno = saved;
}
