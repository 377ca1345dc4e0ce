#include "exec/stream.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "exec/stream_parts.h"

#define SESSION_MOST 200
#define PLAIN_MOST (STREAM_TEXT_MOST + STREAM_TEXT_SLACK)

struct format {
	const char *program;
	bool (*line)(struct stream *stream, const json_t *line);
	const char *(*judge)(struct stream *stream, int exit_code);
};

static const struct format formats[] = {
	[STREAM_CODEX] = { "codex", stream_codex_line, stream_codex_judge },
	[STREAM_CLAUDE] = { "claude", stream_claude_line, stream_claude_judge },
	[STREAM_OPENCODE] = { "opencode", stream_opencode_line, stream_opencode_judge },
	[STREAM_PLAIN] = { "the program", NULL, NULL },
};

struct stream *stream_new(enum stream_kind kind)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->kind = kind;
	stream->input_tokens = stream->output_tokens = -1;
	stream->cost_usd = -1;
	return stream;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	buf_done(&stream->line);
	buf_done(&stream->plain);
	buf_done(&stream->step);
	free(stream->session);
	free(stream->final_text);
	free(stream->reason);
	free(stream);
}

/* ---- helpers of the formats ---- */

static void squeeze(char text[CAUSE_SIZE], const char *from, size_t len)
{
	size_t at = 0;
	bool blank = true; /* at the start too */

	for (size_t i = 0; i < len && at < CAUSE_SIZE - 2; i++) {
		const unsigned char c = (unsigned char)from[i];
		if (c == '\033') { /* a colour: ESC [ ... letter */
			i += i + 1 < len && from[i + 1] == '[';
			while (i + 1 < len && !isalpha((unsigned char)from[i + 1]))
				i++;
			i++;
		} else if (c > ' ' && c != 0x7f) {
			text[at++] = (char)c;
			blank = false;
		} else if (!blank) {
			text[at++] = ' ';
			blank = true;
		}
	}
	at = utf8_clip(text, at, at);
	while (at > 0 && text[at - 1] == ' ')
		at--;
	text[at] = '\0';
}

void stream_say(char text[CAUSE_SIZE], const char *fmt, ...)
{
	char raw[2 * CAUSE_SIZE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(raw, sizeof(raw), fmt, args);
	va_end(args);
	squeeze(text, raw, strlen(raw));
}

static void show(struct stream *stream, const char *mark, const char *bytes, size_t len)
{
	while (len > 0 && isspace((unsigned char)bytes[len - 1]))
		len--;
	if (len == 0)
		return;
	tail_add(&stream->shown, mark, strlen(mark));
	if (len > SHOWN_MOST) {
		tail_add(&stream->shown, "... ", 4);
		bytes += len - SHOWN_MOST;
		len = SHOWN_MOST;
	}
	tail_add(&stream->shown, bytes, len);
	tail_add(&stream->shown, "\n", 1);
}

void stream_show(struct stream *stream, const char *mark, const json_t *value)
{
	show(stream, mark, json_string_value(value), json_string_length(value));
}

void stream_keep(char **text, const json_t *value)
{
	if (!json_is_string(value))
		return;
	const char *bytes = json_string_value(value);
	const size_t len = json_string_length(value);
	char *copy = utf8_repair(bytes, utf8_clip(bytes, len, PLAIN_MOST), NULL);

	if (!copy)
		return;
	free(*text);
	*text = copy;
}

void stream_keep_session(struct stream *stream, const char *id)
{
	const size_t len = id ? strlen(id) : 0;

	if (stream->session || len == 0 || len > SESSION_MOST)
		return;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)id[i]))
			return;
	stream->session = strdup(id);
}

void stream_count(int64_t *sum, int64_t more)
{
	if (more < 0)
		return;
	if (*sum < 0)
		*sum = 0;
	*sum = *sum > INT64_MAX - more ? INT64_MAX : *sum + more;
}

void stream_cost(struct stream *stream, double more)
{
	const double sum = (stream->cost_usd < 0 ? 0 : stream->cost_usd) + more;

	if (more >= 0 && isfinite(sum))
		stream->cost_usd = sum;
}

/* ---- reading ---- */

static void keep_plain(struct stream *stream, const char *bytes, size_t len)
{
	if (stream->recognised)
		return;
	if (len > PLAIN_MOST) {
		bytes += len - PLAIN_MOST;
		len = PLAIN_MOST;
	}
	if (buf_append(&stream->plain, bytes, len) < 0 || stream->plain.len <= 2 * PLAIN_MOST)
		return;
	memmove(stream->plain.bytes, stream->plain.bytes + stream->plain.len - PLAIN_MOST,
		PLAIN_MOST);
	stream->plain.len = PLAIN_MOST;
}

static void read_line(struct stream *stream, const char *bytes, size_t len)
{
	struct err err;
	size_t blank = 0;

	while (blank < len && isspace((unsigned char)bytes[blank]))
		blank++;
	if (blank == len || bytes[blank] != '{') {
		show(stream, "", bytes, len);
		return;
	}
	json_t *line = json_parse(bytes, len, &err);
	if (line && formats[stream->kind].line(stream, line) && !stream->recognised) {
		stream->recognised = true;
		buf_done(&stream->plain);
	}
	json_decref(line);
}

/* Bytes of a line without its end. */
static void add_to_line(struct stream *stream, const char *bytes, size_t len)
{
	if (stream->skipping)
		return;
	if (stream->line.len + len > STREAM_LINE_MOST ||
	    buf_append(&stream->line, bytes, len) < 0) {
		stream->skipping = true;
		buf_clear(&stream->line);
	}
}

static void end_line(struct stream *stream)
{
	if (!stream->skipping && stream->line.len > 0)
		read_line(stream, stream->line.bytes, stream->line.len);
	stream->skipping = false;
	buf_clear(&stream->line);
}

void stream_feed(struct stream *stream, const char *bytes, size_t len)
{
	keep_plain(stream, bytes, len);
	if (!formats[stream->kind].line)
		return;
	while (len > 0) {
		const char *end = memchr(bytes, '\n', len);
		const size_t piece = end ? (size_t)(end - bytes) : len;
		add_to_line(stream, bytes, piece);
		if (!end)
			return;
		end_line(stream);
		bytes += piece + 1;
		len -= piece + 1;
	}
}

const char *stream_session(const struct stream *stream)
{
	return stream->session;
}

const char *stream_trouble(const struct stream *stream)
{
	return stream->trouble[0] ? stream->trouble : NULL;
}

void stream_hint(struct stream *stream, const char *text, size_t len)
{
	squeeze(stream->hint, text, len);
}

/* ---- judging ---- */

/* What was printed, without blanks around it, into final_text. */
static void take_plain(struct stream *stream)
{
	const char *bytes = stream->plain.bytes;
	size_t len = stream->plain.len;

	if (len > PLAIN_MOST) {
		bytes += len - PLAIN_MOST;
		len = PLAIN_MOST;
	}
	while (len > 0 && isspace((unsigned char)bytes[len - 1]))
		len--;
	while (len > 0 && isspace((unsigned char)*bytes)) {
		bytes++;
		len--;
	}
	if (len == 0)
		return;
	free(stream->final_text);
	stream->final_text = utf8_repair(bytes, len, NULL);
}

/* The failure's words, or NULL for success. */
static const char *find_failure(struct stream *stream, int exit_code, int signal)
{
	const struct format *format = &formats[stream->kind];
	const char *words = NULL;

	if (stream->recognised)
		words = format->judge(stream, exit_code);
	if (words && words[0])
		return words;
	if (signal > 0)
		stream_say(stream->failure, "killed by signal %d (%s)", signal, strsignal(signal));
	else if (exit_code != 0)
		stream_say(stream->failure, "exit code %d%s%.800s", exit_code,
			   stream->hint[0] ? ": " : "", stream->hint);
	else
		return words;
	return stream->failure;
}

void stream_judge(struct stream *stream, int exit_code, int signal, struct stream_verdict *verdict)
{
	end_line(stream); /* the last may lack its newline */
	const char *failure = find_failure(stream, exit_code, signal);

	if (!stream->recognised)
		take_plain(stream);
	if (failure)
		snprintf(stream->cause, sizeof(stream->cause), "%s: %s",
			 formats[stream->kind].program, failure);
	*verdict = (struct stream_verdict){
		.success = !failure,
		.recognised = stream->recognised,
		.cause = failure ? stream->cause : NULL,
		.final_text =
		    stream->final_text && stream->final_text[0] ? stream->final_text : NULL,
		.session_id = stream->session,
		.input_tokens = stream->input_tokens,
		.output_tokens = stream->output_tokens,
		.cost_usd = stream->cost_usd,
		.shown = stream->recognised ? stream->shown.bytes : NULL,
		.shown_len = stream->recognised ? stream->shown.len : 0,
	};
}
