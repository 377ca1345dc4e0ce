#include "pipeline/trouble.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "base/utf8.h"

#define LONGEST 500

void trouble_add(json_t *list, const char *reason, bool turns, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, fmt);
	const int len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0) {
		text = NULL;
		return;
	}
	_cleanup_free_ char *safe = redact(text, (size_t)len, NULL);
	_cleanup_free_ char *clean = safe ? utf8_repair(safe, strlen(safe), NULL) : NULL;
	if (!clean)
		return;
	clean[utf8_clip(clean, strlen(clean), LONGEST)] = '\0';
	json_array_append_new(
	    list, json_pack("{s:s, s:b, s:s}", "reason", reason, "turns", turns, "text", clean));
}

bool trouble_turns(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_is_true(json_at(json_array_get(list, i), "turns")))
			return true;
	return false;
}
