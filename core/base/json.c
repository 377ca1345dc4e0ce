#include "base/json.h"

#include <stdbool.h>
#include <string.h>

/* Where the scan is within the text: enough to tell structure from strings. */
struct scan {
	bool in_string, escaped;
	size_t depth, values;
};

static void scan_string(struct scan *scan, char c)
{
	if (scan->escaped)
		scan->escaped = false;
	else if (c == '\\')
		scan->escaped = true;
	else if (c == '"')
		scan->in_string = false;
}

static void scan_structure(struct scan *scan, char c)
{
	switch (c) {
	case '"':
		scan->in_string = true;
		break;
	case '[':
	case '{':
		scan->depth++;
		scan->values++;
		break;
	case ']':
	case '}':
		if (scan->depth > 0)
			scan->depth--;
		break;
	case ',':
	case ':':
		scan->values++;
		break;
	default:
		break;
	}
}

/*
 * What a text would cost is known before any of it is built: jansson takes some 250 bytes for the
 * three of `{},`, and recurses for each level.
 */
static int check_bounds(const char *text, size_t len, struct err *err)
{
	struct scan scan = { .values = 1 };

	for (size_t i = 0; i < len; i++) {
		if (scan.in_string)
			scan_string(&scan, text[i]);
		else
			scan_structure(&scan, text[i]);
		if (scan.depth > JSON_MAX_DEPTH)
			return err_set(err, ERR_INVALID, "JSON is nested deeper than %d",
				       JSON_MAX_DEPTH);
		if (scan.values > JSON_MAX_VALUES)
			return err_set(err, ERR_INVALID, "JSON has more than %d values",
				       JSON_MAX_VALUES);
	}
	return 0;
}

static void set_error(const json_error_t *error, struct err *err)
{
	/* jansson quotes the text it stopped at, which is none of a log's business. */
	const char *near = strstr(error->text, " near ");
	const int len = near ? (int)(near - error->text) : (int)strlen(error->text);

	if (json_error_code(error) == json_error_out_of_memory)
		err_set(err, ERR_NOMEM, "out of memory");
	else
		err_set(err, ERR_INVALID, "not JSON: %.*s, line %d column %d", len, error->text,
			error->line, error->column);
}

json_t *json_parse(const char *text, size_t len, struct err *err)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
	json_error_t error;

	if (check_bounds(text, len, err) < 0)
		return NULL;
	json_t *value = json_loadb(text, len, flags, &error);

	if (!value && json_error_code(&error) == json_error_numeric_overflow)
		value = json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL, &error);
	if (!value)
		set_error(&error, err);
	return value;
}

char *json_text(const json_t *value)
{
	return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

json_t *json_at(const json_t *value, const char *path)
{
	while (value) {
		const size_t len = strcspn(path, ".");
		json_t *next = json_object_getn(value, path, len);

		if (path[len] == '\0')
			return next;
		path += len + 1;
		value = next;
	}
	return NULL;
}

const char *json_str(const json_t *value, const char *path)
{
	const json_t *at = json_at(value, path);
	const char *text = json_string_value(at);

	return text && strlen(text) == json_string_length(at) ? text : NULL;
}

int64_t json_int(const json_t *value, const char *path, int64_t otherwise)
{
	const json_t *at = json_at(value, path);

	if (json_is_integer(at))
		return json_integer_value(at);
	/* Beside one integer that does not fit, json_parse() makes all of them reals. */
	const double real = json_real_value(at);

	if (json_is_real(at) && real >= -9007199254740992.0 && real <= 9007199254740992.0 &&
	    real == (double)(int64_t)real)
		return (int64_t)real;
	return otherwise;
}
