#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for `more` bytes and the NUL behind them. */
static int reserve(struct buf *buf, size_t more)
{
	if (more >= SIZE_MAX / 2 - buf->len)
		return -1;
	const size_t need = buf->len + more + 1;

	if (need <= buf->cap)
		return 0;
	size_t cap = buf->cap ? buf->cap : 64;

	while (cap < need)
		cap *= 2;
	char *bytes = realloc(buf->bytes, cap);

	if (!bytes)
		return -1;
	buf->bytes = bytes;
	buf->cap = cap;
	return 0;
}

int buf_append(struct buf *buf, const void *bytes, size_t len)
{
	if (reserve(buf, len) < 0)
		return -1;
	if (len > 0)
		memcpy(buf->bytes + buf->len, bytes, len);
	buf->len += len;
	buf->bytes[buf->len] = '\0';
	return 0;
}

int buf_appendf(struct buf *buf, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	const int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0 || reserve(buf, (size_t)len) < 0)
		return -1;
	va_start(args, fmt);
	vsnprintf(buf->bytes + buf->len, (size_t)len + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)len;
	return 0;
}

char *buf_take(struct buf *buf, size_t *len)
{
	if (reserve(buf, 0) < 0)
		return NULL;
	char *bytes = buf->bytes;

	bytes[buf->len] = '\0';
	if (len)
		*len = buf->len;
	*buf = (struct buf){ 0 };
	return bytes;
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	if (buf->bytes)
		buf->bytes[0] = '\0';
}

void buf_done(struct buf *buf)
{
	free(buf->bytes);
	*buf = (struct buf){ 0 };
}
