#include "base/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * RFC 3629 section 4: the first byte gives the length, and the second byte's range shuts out
 * overlong forms, surrogates and what lies above U+10FFFF.
 */
static size_t shape(unsigned char first, unsigned char *least, unsigned char *most)
{
	*least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	*most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t utf8_step(const char *text, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)text;
	unsigned char least, most;

	if (len == 0)
		return 0;
	const size_t need = shape(bytes[0], &least, &most);

	if (need <= 1)
		return need;
	if (need > len || bytes[1] < least || bytes[1] > most)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

bool utf8_valid(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		const size_t step = utf8_step(text + at, len - at);

		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

char *utf8_repair(const char *text, size_t len, size_t *out_len)
{
	if (len > (SIZE_MAX - 1) / 3)
		return NULL;
	char *out = malloc(len * 3 + 1);
	size_t used = 0;

	if (!out)
		return NULL;
	for (size_t at = 0; at < len;) {
		const size_t step = utf8_step(text + at, len - at);
		const bool nul = text[at] == '\0';

		if (step == 0) {
			memcpy(out + used, "\xef\xbf\xbd", 3);
			used += 3;
		} else if (!nul) {
			memcpy(out + used, text + at, step);
			used += step;
		}
		at += step ? step : 1;
	}
	out[used] = '\0';
	if (out_len)
		*out_len = used;
	return out;
}

size_t utf8_clip(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	size_t at = max;

	while (at > 0 && max - at < 4 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	/* Four continuation bytes in a row are no character: nothing to keep whole. */
	return max - at < 4 ? at : max;
}
