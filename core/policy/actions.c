/* The answer of a handler: lua/openpr/actions.lua has checked it, a worker may have sent it. */

#include <string.h>

#include "base/utf8.h"
#include "policy/answer.h"

#define URL_MOST 2048
#define BODY_MOST (256u << 10)
#define PROMPT_MOST (512u << 10)
#define COMMENT_MOST (64u << 10)
#define VALUE_MOST (8u << 10)
#define NAME_MOST 128
#define ENTRIES_MOST 32
#define TIMEOUT_MOST ((json_int_t)7 * 24 * 3600 * 1000) /* ms */

enum shape { TEXT, OPTIONAL_TEXT, PAIRS, TEXTS, TIMEOUT };

struct field {
	const char *name;
	enum shape shape;
	size_t most; /* bytes of a text */
};

static const struct field http_fields[] = {
	{ "url", TEXT, URL_MOST },
	{ "method", TEXT, 8 },
	{ "headers", PAIRS, 0 },
	{ "body", OPTIONAL_TEXT, BODY_MOST },
	{ "bearer", OPTIONAL_TEXT, NAME_MOST },
	{ "timeout", TIMEOUT, 0 },
	{ NULL, TEXT, 0 },
};

static const struct field run_fields[] = {
	{ "executor", TEXT, NAME_MOST },
	{ "prompt", TEXT, PROMPT_MOST },
	{ "arguments", TEXTS, 0 },
	{ "environment", PAIRS, 0 },
	{ "model", OPTIONAL_TEXT, NAME_MOST },
	{ "timeout", TIMEOUT, 0 },
	{ NULL, TEXT, 0 },
};

static const struct field comment_fields[] = { { "text", TEXT, COMMENT_MOST }, { NULL, TEXT, 0 } };
static const struct field state_fields[] = { { "text", TEXT, 63 }, { NULL, TEXT, 0 } };

static const struct kind {
	const char *name;
	const struct field *fields;
	bool several; /* may come more than once */
	bool last;    /* nothing but its like stands behind it */
} kinds[] = {
	{ "http", http_fields, true, false },
	{ "run", run_fields, false, false },
	{ "comment", comment_fields, false, true },
	{ "state", state_fields, false, true },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool is_text(const json_t *value, size_t most, bool may_be_empty)
{
	const size_t len = json_is_string(value) ? json_string_length(value) : SIZE_MAX;

	return len <= most && (len > 0 || may_be_empty) &&
	       !memchr(json_string_value(value), '\0', len) &&
	       utf8_valid(json_string_value(value), len);
}

/* Lua has one empty table, which may be written {}. */
static bool is_list(const json_t *value)
{
	return (json_is_array(value) && json_array_size(value) <= ENTRIES_MOST) ||
	       (json_is_object(value) && json_object_size(value) == 0);
}

static bool is_pairs(const json_t *list)
{
	if (!is_list(list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i);
		if (!json_is_object(pair) || json_object_size(pair) != 2 ||
		    !is_text(json_object_get(pair, "name"), NAME_MOST, false) ||
		    !is_text(json_object_get(pair, "value"), VALUE_MOST, true))
			return false;
	}
	return true;
}

static bool is_texts(const json_t *list)
{
	if (!is_list(list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!is_text(json_array_get(list, i), VALUE_MOST, true))
			return false;
	return true;
}

static bool fits(const json_t *value, const struct field *field)
{
	const json_int_t number = json_integer_value(value);

	if (!value || json_is_null(value))
		return field->shape == OPTIONAL_TEXT || field->shape == TIMEOUT;
	switch (field->shape) {
	case TEXT:
		return is_text(value, field->most, false);
	case OPTIONAL_TEXT:
		return is_text(value, field->most, true);
	case PAIRS:
		return is_pairs(value);
	case TEXTS:
		return is_texts(value);
	case TIMEOUT:
		return json_is_integer(value) && number >= 1 && number <= TIMEOUT_MOST;
	}
	return false;
}

static const struct kind *kind_of(const json_t *action)
{
	const char *name = json_is_object(action) ? json_str(action, "kind") : NULL;

	for (size_t i = 0; name && i < KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

/* Every field of the kind, and no other. */
static bool is_whole(const json_t *action, const struct kind *kind)
{
	size_t known = 1; /* the kind itself */

	for (const struct field *field = kind->fields; field->name; field++) {
		const json_t *value = json_object_get(action, field->name);
		if (!fits(value, field))
			return false;
		known += value != NULL;
	}
	return json_object_size(action) == known;
}

static bool are_actions(const json_t *list)
{
	const size_t count = json_array_size(list);
	unsigned seen = 0;
	bool ending = false;

	for (size_t i = 0; i < count; i++) {
		const json_t *action = json_array_get(list, i);
		const struct kind *kind = kind_of(action);
		if (!kind || !is_whole(action, kind))
			return false;
		const unsigned bit = 1u << (kind - kinds);
		if ((!kind->several && (seen & bit)) || (ending && !kind->last))
			return false;
		seen |= bit;
		ending = kind->last;
	}
	return count >= 1 && count <= POLICY_ACTIONS;
}

int answer_handle(const char *text, size_t len, json_t **actions, struct err *err)
{
	json_t *answer = json_parse(text, len, err);
	const json_t *list = json_is_object(answer) ? json_object_get(answer, "actions") : NULL;
	const char *needs = json_is_object(answer) ? json_str(answer, "needs") : NULL;
	int rc = 0;

	if (needs && strcmp(needs, "issue") == 0)
		*actions = NULL;
	else if (list && are_actions(list))
		*actions = json_incref((json_t *)(uintptr_t)list);
	else
		rc = err_set(err, ERR_POLICY,
			     "the policies answered nonsense: that is no list of actions");
	json_decref(answer);
	return rc;
}
