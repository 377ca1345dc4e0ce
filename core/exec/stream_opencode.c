#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "exec/stream_parts.h"

/*
 * opencode run --format json.  There is no end event: the run is good when the last step finished
 * with reason "stop" and there was a text.  A permission that was refused ends it with exit code 0
 * after "tool-calls".  Tokens and cost come per step.
 */

static void on_start(struct stream *stream, const json_t *line)
{
	(void)line;
	buf_clear(&stream->step);
	stream->ended = false;
}

/* The texts of one step belong together; the last step that has any is the answer. */
static void on_text(struct stream *stream, const json_t *line)
{
	const json_t *text = json_at(line, "part.text");
	const size_t most = STREAM_TEXT_MOST + STREAM_TEXT_SLACK;
	const size_t have = stream->step.len;

	stream_show(stream, "", text);
	if (!json_is_string(text) || json_string_length(text) == 0 || have >= most)
		return;
	const char *bytes = json_string_value(text);
	const size_t len = utf8_clip(bytes, json_string_length(text), most - have);
	if ((have > 0 && buf_append(&stream->step, "\n\n", 2) < 0) ||
	    buf_append(&stream->step, bytes, len) < 0)
		return;
	char *copy = utf8_repair(stream->step.bytes, stream->step.len, NULL);
	if (!copy)
		return;
	free(stream->final_text);
	stream->final_text = copy;
}

static void on_tool(struct stream *stream, const json_t *line)
{
	const json_t *command = json_at(line, "part.state.input.command");

	stream_show(stream, json_is_string(command) ? "$ " : "> ",
		    json_is_string(command) ? command : json_at(line, "part.tool"));
	stream_show(stream, "", json_at(line, "part.state.output"));
	stream_show(stream, "error: ", json_at(line, "part.state.error"));
}

static void on_finish(struct stream *stream, const json_t *line)
{
	static const char *const inputs[] = { "part.tokens.input", "part.tokens.cache.read",
					      "part.tokens.cache.write" };
	static const char *const outputs[] = { "part.tokens.output", "part.tokens.reasoning" };
	const json_t *cost = json_at(line, "part.cost");

	free(stream->reason);
	stream->reason = NULL;
	stream_keep(&stream->reason, json_at(line, "part.reason"));
	stream->ended = true;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		stream_count(&stream->input_tokens, json_int(line, inputs[i], -1));
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
		stream_count(&stream->output_tokens, json_int(line, outputs[i], -1));
	if (json_is_number(cost))
		stream_cost(stream, json_number_value(cost));
}

static void on_error(struct stream *stream, const json_t *line)
{
	const char *name = json_str(line, "error.name");
	const char *message = json_str(line, "error.data.message");
	const int64_t status = json_int(line, "error.data.statusCode", 0);

	stream_show(stream, "error: ", json_at(line, "error.data.message"));
	if (status > 0)
		stream_say(stream->failure, "%.100s: %.700s (api error %d)", name ? name : "error",
			   message ? message : "no message", (int)status);
	else
		stream_say(stream->failure, "%.100s: %.800s", name ? name : "error",
			   message ? message : "no message");
}

static void on_other(struct stream *stream, const json_t *line)
{
	(void)stream;
	(void)line;
}

bool stream_opencode_line(struct stream *stream, const json_t *line)
{
	static const struct {
		const char *type;
		void (*on)(struct stream *, const json_t *);
	} types[] = {
		{ "step_start", on_start },   { "text", on_text },	 { "tool_use", on_tool },
		{ "step_finish", on_finish }, { "reasoning", on_other }, { "error", on_error },
	};
	const char *type = json_str(line, "type");

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(type, types[i].type) != 0)
			continue;
		types[i].on(stream, line);
		stream_keep_session(stream, json_str(line, "sessionID"));
		return true;
	}
	return false;
}

static const char *incomplete(struct stream *stream)
{
	const char *reason = stream->ended && stream->reason ? stream->reason : "";

	if (strcmp(reason, "length") == 0)
		return "the model's output limit was reached";
	if (strcmp(reason, "tool-calls") == 0)
		stream_say(stream->failure,
			   "it stopped at a tool call; a permission was probably refused%s%.600s",
			   stream->hint[0] ? ": " : "", stream->hint);
	else if (reason[0])
		stream_say(stream->failure, "the last step ended with \"%.100s\"", reason);
	else
		return "it ended in the middle of a step";
	return stream->failure;
}

const char *stream_opencode_judge(struct stream *stream, int exit_code)
{
	const bool stopped = stream->ended && stream->reason && strcmp(stream->reason, "stop") == 0;

	if (exit_code != 0)
		return stream->failure; /* may be empty */
	if (!stopped)
		return stream->failure[0] ? stream->failure : incomplete(stream);
	return stream->final_text ? NULL : "it ended without an answer";
}
