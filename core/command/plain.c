#include "command/plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

static uint32_t code_of(const char *text, size_t step)
{
	const unsigned char *bytes = (const unsigned char *)text;
	uint32_t code = bytes[0] & (step < 2 ? 0xffu : 0x7fu >> step);

	for (size_t i = 1; i < step; i++)
		code = code << 6 | (bytes[i] & 0x3f);
	return code;
}

static bool steers(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c ||
	       (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static void put(FILE *out, const char *text, size_t len, bool one_line)
{
	for (size_t at = 0; at < len;) {
		const size_t step = utf8_step(text + at, len - at);
		const char c = text[at];
		if (step == 0 || steers(code_of(text + at, step)))
			fputc((c == '\n' || c == '\t') && one_line ? ' '
			      : c == '\t'			   ? c
								   : '?',
			      out);
		else
			fwrite(text + at, 1, step, out);
		at += step ? step : 1;
	}
}

void plain_line(FILE *out, const char *text)
{
	put(out, text, strlen(text), true);
}

void plain_text(FILE *out, const char *text)
{
	while (*text) {
		const size_t len = strcspn(text, "\n");
		put(out, text, len, false);
		text += len;
		if (*text) {
			fputc('\n', out);
			text++;
		}
	}
}

bool plain_colours(void)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(none && *none) && !(term && strcmp(term, "dumb") == 0);
}

int plain_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Without blanks at its end where the line is empty. */
static void put_margin(FILE *out, const char *margin, bool empty)
{
	size_t len = strlen(margin);

	while (empty && len > 0 && margin[len - 1] == ' ')
		len--;
	fwrite(margin, 1, len, out);
}

void plain_block(FILE *out, const char *text, const char *margin, size_t most)
{
	size_t left = strlen(text);
	size_t room = most;

	while (left > 0) {
		const size_t len = strcspn(text, "\n");
		const size_t shown = len <= room ? len : utf8_clip(text, len, room);
		put_margin(out, margin, shown == 0);
		put(out, text, shown, false);
		fputc('\n', out);
		if (shown < len || (room -= shown, room == 0)) {
			fprintf(out, "%s(%zu bytes more; --json has them all)\n", margin,
				left - shown);
			return;
		}
		const size_t used = len + (text[len] == '\n');
		text += used;
		left -= used;
	}
}
