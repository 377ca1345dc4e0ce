#include "base/lines.h"

static int grow(struct lines *lines, size_t len)
{
	static const char zeros[64];

	while (lines->bits.len < len) {
		const size_t lacking = len - lines->bits.len;
		const size_t n = lacking < sizeof(zeros) ? lacking : sizeof(zeros);
		if (buf_append(&lines->bits, zeros, n) < 0)
			return -1;
	}
	return 0;
}

int lines_add(struct lines *lines, long line)
{
	const size_t at = (size_t)line / 8;

	if (line < 1 || line > LINES_MOST)
		return 0;
	if (grow(lines, at + 1) < 0)
		return -1;
	lines->bits.bytes[at] = (char)((unsigned char)lines->bits.bytes[at] | 1u << line % 8);
	return 0;
}

int lines_merge(struct lines *lines, const char *bits, size_t len)
{
	if (len > LINES_MOST / 8 + 1)
		len = LINES_MOST / 8 + 1;
	if (grow(lines, len) < 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		lines->bits.bytes[i] = (char)(lines->bits.bytes[i] | bits[i]);
	return 0;
}

bool lines_has(const struct lines *lines, long line)
{
	const size_t at = (size_t)line / 8;

	return line >= 1 && at < lines->bits.len &&
	       ((unsigned char)lines->bits.bytes[at] >> line % 8 & 1);
}

long lines_next(const struct lines *lines, long line)
{
	const long end = (long)lines->bits.len * 8;

	for (line = line < 0 ? 1 : line + 1; line < end; line++)
		if (lines_has(lines, line))
			return line;
	return 0;
}

void lines_done(struct lines *lines)
{
	buf_done(&lines->bits);
}
