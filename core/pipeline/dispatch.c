#include "pipeline/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/utf8.h"

#define TEXT_LIMIT ((size_t)128 * 1024) /* bytes of a body that a prompt quotes */
#define INDENT 2

enum event_shape dispatch_shape(const json_t *body)
{
	if (json_str(body, "event"))
		return EVENT_WEBHOOK;
	if (!json_at(body, "event") && json_str(body, "task_id") &&
	    json_str(body, "ai_participant_id"))
		return EVENT_AI_TASK;
	return EVENT_DISPATCH;
}

/* Absent and null are the same; \u0000 makes no text. */
static bool is_text(const json_t *payload, const char *key)
{
	const json_t *value = json_object_get(payload, key);

	return !value || json_is_null(value) || json_str(payload, key);
}

/* Otherwise the whole payload is the body (openpr-contract 7.1). */
static bool is_dispatch(const json_t *payload)
{
	return json_is_object(payload) && is_text(payload, "run_id") &&
	       is_text(payload, "issue_id") && is_text(payload, "agent") &&
	       (json_object_get(payload, "body") || json_object_get(payload, "run_id") ||
		json_object_get(payload, "issue_id") || json_object_get(payload, "agent") ||
		json_object_size(payload) == 0);
}

static json_t *clipped(const char *text)
{
	const size_t len = strlen(text);

	return json_stringn(text, len > TEXT_LIMIT ? utf8_clip(text, len, TEXT_LIMIT) : len);
}

/* The words of a plain body: a text as it is, what is no issue of OpenPR's as JSON. */
static json_t *words_of(const json_t *body)
{
	const char *text = json_string_value(body);
	_cleanup_free_ char *dumped = NULL;

	if (!body || json_is_null(body) || json_is_object(json_at(body, "data.issue")))
		return NULL;
	if (text && strlen(text) == json_string_length(body))
		return text[0] ? clipped(text) : NULL;
	dumped = json_dumps(body, JSON_INDENT(INDENT) | JSON_ENCODE_ANY);
	return dumped ? clipped(dumped) : NULL;
}

static void copy_texts(json_t *dispatch, const json_t *payload)
{
	static const char *const keys[] = { "run_id", "issue_id", "agent" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_str(payload, keys[i]))
			json_object_set(dispatch, keys[i], json_object_get(payload, keys[i]));
}

char *dispatch_wrap(const json_t *payload, struct err *err)
{
	const bool regular = is_dispatch(payload);
	const json_t *body = regular ? json_object_get(payload, "body") : payload;
	json_t *dispatch = json_object();
	json_t *whole = json_pack("{s:O}", "dispatch", dispatch);
	char run_id[ID_SIZE];

	if (regular)
		copy_texts(dispatch, payload);
	if (!json_object_get(dispatch, "run_id")) {
		id_make(run_id);
		json_object_set_new(dispatch, "run_id", json_string(run_id));
	}
	if (dispatch_shape(body) == EVENT_DISPATCH) {
		json_t *words = words_of(body);
		json_object_set_new(dispatch, "plain", json_true());
		if (words)
			json_object_set_new(dispatch, "text", words);
	}
	if (body)
		json_object_set(dispatch, "body", (json_t *)(uintptr_t)body);
	json_decref(dispatch);
	char *text = whole ? json_text(whole) : NULL;
	json_decref(whole);
	if (!text)
		err_set(err, ERR_NOMEM, "no memory for a dispatch");
	return text;
}
