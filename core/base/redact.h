#pragma once

/*
 * The secrets this process knows, so that none of them leaves it by accident.
 * One process-wide set behind a lock: logs, reports, answers and printed
 * configuration all ask it.
 */

#include <stddef.h>

/*
 * Remembers a copy, as it is and as a JSON writer escapes it (with and without `\/`).  Other
 * encodings (percent, base64) are not known.  Values shorter than 4 bytes are ignored: they would
 * blank ordinary text.  NULL is ignored.
 */
void redact_add(const char *secret);

/*
 * Forgets all of them; for tests.  A reload only adds: what started under the old configuration may
 * still print its secrets.
 */
void redact_clear(void);

/*
 * A NUL-terminated copy of text with every known secret replaced by "[secret]"; secrets that
 * overlap become one.  The caller frees.  NULL only when memory is short.  out_len may be
 * NULL.
 */
char *redact(const char *text, size_t len, size_t *out_len);

/*
 * For a text that comes in pieces: how many of its first bytes may be given to redact() and printed
 * now.  The rest is to be kept and put before the next piece: it may be the beginning of a secret,
 * or belongs to one that runs into such a beginning.
 */
size_t redact_ready(const char *text, size_t len);
