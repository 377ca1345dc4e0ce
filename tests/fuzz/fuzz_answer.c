/*
 * What OpenPR, or whoever answers in its place, sends back: judged as REST and as MCP, and looked
 * through for a comment, in pieces.  The look reads JSON by itself, so it is held to jansson's
 * reading wherever that takes the text.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "callback/comments.h"
#include "callback/judge.h"

#define MARK "run 1"
#define ID "7"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_space(char c)
{
	return strchr(" \t\r\v\f", c) != NULL; /* and the final NUL, which only ends a line */
}

static bool has_line(const char *text, size_t len)
{
	for (size_t start = 0; start <= len;) {
		const char *end = memchr(text + start, '\n', len - start);
		const size_t next = end ? (size_t)(end - text) : len;
		size_t from = start, to = next;
		while (from < to && text[from] && is_space(text[from]))
			from++;
		while (to > from && text[to - 1] && is_space(text[to - 1]))
			to--;
		if (to - from == strlen(MARK) && memcmp(text + from, MARK, to - from) == 0)
			return true;
		start = next + 1;
	}
	return false;
}

/* Any string under the key "body", at any depth. */
static bool has_body(const json_t *value, int64_t *bodies)
{
	bool found = false;
	const char *key;
	size_t i;
	json_t *item;

	json_array_foreach(value, i, item) found |= has_body(item, bodies);
	json_object_foreach((json_t *)value, key, item)
	{
		found |= has_body(item, bodies);
		if (!json_is_string(item) || strcmp(key, "body") != 0)
			continue;
		(*bodies)++;
		found |= has_line(json_string_value(item), json_string_length(item));
	}
	return found;
}

static void judge(const char *text, size_t len, long status)
{
	json_t *data = NULL;
	struct err err;

	if (judge_rest(status, text, len, &data, &err) == OPENPR_OK && !data)
		abort();
	json_decref(data);
	data = NULL;
	if (judge_mcp(status, text, len, ID, &data, &err) == OPENPR_OK && !data)
		abort();
	json_decref(data);
}

static openpr_result look(const char *text, size_t len, size_t step, const char *id,
			  struct comments *comments)
{
	struct err err;

	comments_start(comments, MARK, "6f9d", id);
	for (size_t at = 0; at < len; at += step)
		comments_feed(comments, text + at, len - at < step ? len - at : step);
	return comments_judge(comments, 200, &err);
}

static void compare(const char *text, size_t len, const struct comments *comments)
{
	struct err err;
	json_t *value = json_parse(text, len, &err);
	int64_t bodies = 0;

	if (!value)
		return;
	if (!json_is_integer(json_object_get(value, "code")) ||
	    json_integer_value(json_object_get(value, "code")) != 0 ||
	    !json_is_array(json_at(value, "data.items")))
		abort();
	if (has_body(value, &bodies) != comments->found || bodies != comments->bodies)
		abort();
	json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct comments whole, pieces;

	if (size < 1)
		return 0;
	const size_t step = 1 + data[0] % 32;
	const char *text = (const char *)data + 1;
	const size_t len = size - 1;

	judge(text, len, data[0] & 1 ? 200 : 404);

	const openpr_result result = look(text, len, len + 1, NULL, &whole);
	if (look(text, len, step, NULL, &pieces) != result || pieces.found != whole.found)
		abort();
	if (result == OPENPR_OK)
		compare(text, len, &whole);

	const openpr_result mcp = look(text, len, len + 1, ID, &whole);
	if (look(text, len, step, ID, &pieces) != mcp || pieces.found != whole.found)
		abort();
	return 0;
}
