#pragma once

/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that text begins with, or 0 when it does not begin with a whole one. */
size_t utf8_step(const char *text, size_t len);

bool utf8_valid(const char *text, size_t len);

/*
 * A NUL-terminated copy that is valid UTF-8 and has no U+0000: each bad byte becomes U+FFFD, NUL
 * bytes are dropped (PostgreSQL's text cannot hold them).  The caller frees.  out_len may be NULL.
 */
char *utf8_repair(const char *text, size_t len, size_t *out_len);

/*
 * The largest n <= max such that the first n bytes end on a character boundary.  Where text is not
 * UTF-8, max itself.
 */
size_t utf8_clip(const char *text, size_t len, size_t max);
