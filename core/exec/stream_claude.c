#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/stream_parts.h"

/*
 * claude -p --output-format stream-json.  Fields come in no fixed order, and one process may print
 * several results: the last one counts.  API errors say subtype "success" with is_error true.
 */

static void on_retry(struct stream *stream, const json_t *line)
{
	const char *error = json_str(line, "error");

	stream_say(stream->trouble, "api retry %d of %d%s%.200s (api error %d)",
		   (int)json_int(line, "attempt", 0), (int)json_int(line, "max_retries", 0),
		   error ? ": " : "", error ? error : "", (int)json_int(line, "error_status", 0));
}

static void show_tool_use(struct stream *stream, const json_t *block)
{
	const json_t *command = json_at(block, "input.command");

	stream_show(stream, json_is_string(command) ? "$ " : "> ",
		    json_is_string(command) ? command : json_at(block, "name"));
}

/* A tool's answer is a text or a list of parts. */
static void show_tool_result(struct stream *stream, const json_t *block)
{
	const json_t *content = json_at(block, "content");

	stream_show(stream, "", content);
	for (size_t i = 0; i < json_array_size(content); i++)
		stream_show(stream, "", json_at(json_array_get(content, i), "text"));
}

static void on_message(struct stream *stream, const json_t *line)
{
	const json_t *content = json_at(line, "message.content");

	for (size_t i = 0; i < json_array_size(content); i++) {
		const json_t *block = json_array_get(content, i);
		const char *type = json_str(block, "type");
		if (!type)
			continue;
		if (strcmp(type, "text") == 0)
			stream_show(stream, "", json_at(block, "text"));
		else if (strcmp(type, "tool_use") == 0)
			show_tool_use(stream, block);
		else if (strcmp(type, "tool_result") == 0)
			show_tool_result(stream, block);
	}
}

static void on_system(struct stream *stream, const json_t *line)
{
	const char *subtype = json_str(line, "subtype");

	if (subtype && strcmp(subtype, "api_retry") == 0)
		on_retry(stream, line);
}

/* "Bash, Write", each once. */
static void keep_denied(struct stream *stream, const json_t *denials)
{
	char names[CAUSE_SIZE] = "";
	size_t at = 0;

	for (size_t i = 0; i < json_array_size(denials); i++) {
		const char *name = json_str(json_array_get(denials, i), "tool_name");
		if (!name || strlen(name) > 60 || at + 64 > sizeof(names) || strstr(names, name))
			continue;
		at +=
		    (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at ? ", " : "", name);
	}
	stream_say(stream->denied, "%s", names);
}

static void keep_usage(struct stream *stream, const json_t *line)
{
	static const char *const inputs[] = { "usage.input_tokens",
					      "usage.cache_creation_input_tokens",
					      "usage.cache_read_input_tokens" };
	const json_t *cost = json_at(line, "total_cost_usd");

	stream->input_tokens = -1;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		stream_count(&stream->input_tokens, json_int(line, inputs[i], -1));
	stream->output_tokens = json_int(line, "usage.output_tokens", -1);
	stream->cost_usd = -1;
	if (json_is_number(cost))
		stream_cost(stream, json_number_value(cost));
}

/* The result's own words for what went wrong: its text, else its list of errors. */
static void keep_failure(struct stream *stream, const json_t *line)
{
	const char *words = json_str(line, "result");
	const json_t *first = json_array_get(json_at(line, "errors"), 0);
	const int64_t status = json_int(line, "api_error_status", 0);

	if (!words || !words[0])
		words = json_is_string(first) ? json_string_value(first) : NULL;
	if (!words || !words[0])
		words = json_str(line, "terminal_reason");
	if (status > 0)
		stream_say(stream->failure, "%.900s (api error %d)", words ? words : "it failed",
			   (int)status);
	else
		stream_say(stream->failure, "%.1000s", words ? words : "it failed");
}

static void on_result(struct stream *stream, const json_t *line)
{
	stream->ended = true;
	stream->is_error = !json_is_false(json_at(line, "is_error"));
	stream->turns = json_int(line, "num_turns", 0);
	free(stream->reason);
	stream->reason = NULL;
	free(stream->final_text);
	stream->final_text = NULL;
	stream_keep(&stream->reason, json_at(line, "subtype"));
	stream_keep(&stream->final_text, json_at(line, "result"));
	keep_denied(stream, json_at(line, "permission_denials"));
	keep_usage(stream, line);
	keep_failure(stream, line);
}

static void on_other(struct stream *stream, const json_t *line)
{
	(void)stream;
	(void)line;
}

bool stream_claude_line(struct stream *stream, const json_t *line)
{
	static const struct {
		const char *type;
		void (*on)(struct stream *, const json_t *);
	} types[] = {
		{ "system", on_system },      { "assistant", on_message },
		{ "user", on_message },	      { "result", on_result },
		{ "stream_event", on_other }, { "rate_limit_event", on_other },
	};
	const char *type = json_str(line, "type");

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(type, types[i].type) != 0)
			continue;
		types[i].on(stream, line);
		stream_keep_session(stream, json_str(line, "session_id"));
		return true;
	}
	return false;
}

static bool said_success(const struct stream *stream)
{
	return stream->ended && !stream->is_error && stream->reason &&
	       strcmp(stream->reason, "success") == 0;
}

/* Adds what makes a failure understandable and returns it. */
static const char *with_details(struct stream *stream, const char *words)
{
	char text[CAUSE_SIZE];
	const bool odd = stream->reason && strcmp(stream->reason, "success") != 0;

	snprintf(text, sizeof(text), "%.700s%s%.60s%s%s%.150s", words, odd ? " (" : "",
		 odd ? stream->reason : "", odd ? ")" : "",
		 stream->denied[0] ? "; it was not allowed: " : "", stream->denied);
	stream_say(stream->failure, "%s", text);
	return stream->failure;
}

const char *stream_claude_judge(struct stream *stream, int exit_code)
{
	if (!stream->ended)
		return exit_code == 0 ? "it ended without a result" : "";
	if (!said_success(stream))
		return with_details(stream, stream->failure);
	if (stream->turns <= 0)
		return "it answered without asking the model (0 turns)";
	if (exit_code > 0 && stream->denied[0]) {
		char words[32];
		snprintf(words, sizeof(words), "exit code %d", exit_code);
		return with_details(stream, words);
	}
	return exit_code == 0 ? NULL : "";
}
