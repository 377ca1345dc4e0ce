#pragma once

/* Base64 with the standard alphabet and padding (RFC 4648, 4). */

#include <stddef.h>

/* NUL-terminated, the caller frees; NULL: no memory. */
char *base64_encode(const void *bytes, size_t len);

/*
 * The bytes, which the caller frees, and their number; NULL when the text is not base64, whole and
 * padded, or memory is short.
 */
unsigned char *base64_decode(const char *text, size_t text_len, size_t *len);
