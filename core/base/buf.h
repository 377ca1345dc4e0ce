#pragma once

/*
 * Growing bytes.  Zero-initialise (`struct buf b = { 0 };`), free with
 * buf_done().  `bytes` is NUL-terminated after any successful append, the
 * NUL is not counted in `len`.
 */

#include <stddef.h>

struct buf {
	char *bytes;
	size_t len, cap;
};

/* Both return 0, or -1 when memory is short (the content is then unchanged). */
int buf_append(struct buf *buf, const void *bytes, size_t len);
__attribute__((format(printf, 2, 3))) int buf_appendf(struct buf *buf, const char *fmt, ...);

/* The bytes, NUL-terminated and never NULL on success; the caller frees.  buf is empty afterwards.
 */
char *buf_take(struct buf *buf, size_t *len);

/* Forgets the content and keeps the memory. */
void buf_clear(struct buf *buf);
void buf_done(struct buf *buf);
