#pragma once

/*
 * The secrets this process knows, so that none of them leaves it by accident.
 * One process-wide set behind a lock: logs, reports, answers and printed
 * configuration all ask it.
 */

#include <stddef.h>

/* Remembers a copy.  Values shorter than 4 bytes are ignored: they would blank ordinary text. */
void redact_add(const char *secret);

/* Forgets all of them (tests, and before a reload adds the new set). */
void redact_clear(void);

/*
 * A NUL-terminated copy of text with every known secret replaced by "[secret]"; the longest one
 * wins where several match.  The caller frees.  NULL only when memory is short.  out_len may be
 * NULL.
 */
char *redact(const char *text, size_t len, size_t *out_len);
