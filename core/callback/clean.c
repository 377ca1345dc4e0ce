#include "callback/clean.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/redact.h"
#include "base/utf8.h"

#define FULLWIDTH_AT "\xef\xbc\xa0" /* U+FF20 */
#define MAX_ID (CLEAN_ID_SIZE - 1)

static char *replace_at(const char *text, size_t len)
{
	struct buf out = { 0 };
	size_t from = 0;
	int rc = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '@')
			continue;
		rc |= buf_append(&out, text + from, i - from);
		rc |= buf_append(&out, FULLWIDTH_AT, sizeof(FULLWIDTH_AT) - 1);
		from = i + 1;
	}
	rc |= buf_append(&out, text + from, len - from);
	if (rc < 0) {
		buf_done(&out);
		return NULL;
	}
	return buf_take(&out, NULL);
}

/* Secrets are looked for last: a NUL dropped from the middle of one would make it whole. */
static char *clean(const char *text, size_t len, bool no_mentions, size_t *out_len)
{
	size_t repaired_len, redacted_len;
	_cleanup_free_ char *repaired = utf8_repair(text, len, &repaired_len);
	char *redacted = repaired ? redact(repaired, repaired_len, &redacted_len) : NULL;

	if (!redacted || !no_mentions || !memchr(redacted, '@', redacted_len)) {
		if (redacted && out_len)
			*out_len = redacted_len;
		return redacted;
	}
	char *quiet = replace_at(redacted, redacted_len);
	free(redacted);
	if (quiet && out_len)
		*out_len = strlen(quiet);
	return quiet;
}

char *clean_text(const char *text, size_t len, bool no_mentions)
{
	return clean(text, len, no_mentions, NULL);
}

static json_t *clean_string(const json_t *value)
{
	size_t len;
	_cleanup_free_ char *text =
	    clean(json_string_value(value), json_string_length(value), false, &len);

	return text ? json_stringn(text, len) : NULL;
}

static json_t *clean_array(const json_t *value)
{
	json_t *out = json_array();
	size_t i;
	json_t *item;

	json_array_foreach(value, i, item)
	{
		if (json_array_append_new(out, clean_json(item)) < 0) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

static json_t *clean_object(const json_t *value)
{
	json_t *out = json_object();

	for (void *it = json_object_iter((json_t *)value); it;
	     it = json_object_iter_next((json_t *)value, it)) {
		const char *key = json_object_iter_key(it);
		_cleanup_free_ char *clean_key = clean(key, strlen(key), false, NULL);

		if (!clean_key || json_object_set_new(out, clean_key,
						      clean_json(json_object_iter_value(it))) < 0) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

json_t *clean_json(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return clean_string(value);
	case JSON_ARRAY:
		return clean_array(value);
	case JSON_OBJECT:
		return clean_object(value);
	default:
		return json_incref((json_t *)value);
	}
}

bool clean_id(const char *id)
{
	static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
	const size_t len = id ? strlen(id) : 0;

	return len > 0 && len <= MAX_ID && strspn(id, allowed) == len;
}
