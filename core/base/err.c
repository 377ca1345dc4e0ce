#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* A name from outside may hold any byte, and a cut may split a character: both become '?'. */
static void make_printable(char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		const size_t step = utf8_step(text, left);

		if (step == 0)
			*text = '?';
		text += step ? step : 1;
		left -= step ? step : 1;
	}
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	/* Not straight into err: an argument may be err->text itself. */
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	make_printable(text);
	memcpy(err->text, text, sizeof(text));
	err->code = code;
	return -1;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char prefix[sizeof(err->text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, args);
	va_end(args);
	return err_set(err, err->code, "%s: %s", prefix, err->text);
}
