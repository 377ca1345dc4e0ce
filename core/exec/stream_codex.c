#include <string.h>

#include "base/cleanup.h"
#include "exec/stream_parts.h"

/*
 * codex exec --json.  The run is good when the last turn event is turn.completed; an "error" line
 * is a trouble that it still tries to overcome ("Reconnecting... 1/5").
 */

/* Messages often are the endpoint's answer, a JSON text of its own. */
static void say_message(char text[CAUSE_SIZE], const char *message)
{
	struct err err;
	json_t *inner = message[0] == '{' ? json_parse(message, strlen(message), &err) : NULL;
	const char *words = inner ? json_str(inner, "error.message") : NULL;
	const int64_t status = inner ? json_int(inner, "status", 0) : 0;

	if (words && status > 0)
		stream_say(text, "%.900s (api error %d)", words, (int)status);
	else
		stream_say(text, "%.1000s", words ? words : message);
	json_decref(inner);
}

static void on_thread(struct stream *stream, const json_t *line)
{
	stream_keep_session(stream, json_str(line, "thread_id"));
}

static void on_item(struct stream *stream, const json_t *line)
{
	const char *type = json_str(line, "item.type");

	if (!type)
		return;
	if (strcmp(type, "agent_message") == 0) {
		stream_keep(&stream->final_text, json_at(line, "item.text"));
		stream_show(stream, "", json_at(line, "item.text"));
	} else if (strcmp(type, "command_execution") == 0) {
		stream_show(stream, "$ ", json_at(line, "item.command"));
		stream_show(stream, "", json_at(line, "item.aggregated_output"));
	}
}

static void on_error(struct stream *stream, const json_t *line)
{
	const char *message = json_str(line, "message");

	if (message)
		say_message(stream->trouble, message);
	stream_show(stream, "error: ", json_at(line, "message"));
}

/* usage is cumulative over the thread: the last one stands. */
static void on_completed(struct stream *stream, const json_t *line)
{
	stream->ended = true;
	stream->failure[0] = '\0';
	stream->input_tokens = json_int(line, "usage.input_tokens", stream->input_tokens);
	stream->output_tokens = json_int(line, "usage.output_tokens", stream->output_tokens);
}

static void on_failed(struct stream *stream, const json_t *line)
{
	const char *message = json_str(line, "error.message");

	stream->ended = false;
	say_message(stream->failure, message ? message : "the turn failed");
}

static void on_turn(struct stream *stream, const json_t *line)
{
	(void)line;
	stream->ended = false;
}

static void on_other(struct stream *stream, const json_t *line)
{
	(void)stream;
	(void)line;
}

bool stream_codex_line(struct stream *stream, const json_t *line)
{
	static const struct {
		const char *type;
		void (*on)(struct stream *, const json_t *);
	} types[] = {
		{ "thread.started", on_thread },    { "turn.started", on_turn },
		{ "turn.completed", on_completed }, { "turn.failed", on_failed },
		{ "item.started", on_other },	    { "item.updated", on_other },
		{ "item.completed", on_item },	    { "error", on_error },
	};
	const char *type = json_str(line, "type");

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(type, types[i].type) == 0) {
			types[i].on(stream, line);
			return true;
		}
	}
	return false;
}

const char *stream_codex_judge(struct stream *stream, int exit_code)
{
	if (stream->failure[0])
		return stream->failure;
	if (stream->ended)
		return exit_code == 0 ? NULL : "";
	/* It gave up while it was in trouble and had no time to say so. */
	if (exit_code != 0 && stream->trouble[0])
		return stream->trouble;
	return exit_code == 0 ? "it ended without turn.completed" : "";
}
