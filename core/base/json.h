#pragma once

/*
 * Small helpers over jansson (strict UTF-8, 64-bit integers kept, duplicate keys refused).
 *
 * Why jansson beside lua-cjson: C reads bodies, agent streams and answers without a Lua state, and
 * lua-cjson turns every number into a float (measured on 2.1.0).
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Deeper or larger texts are refused before anything is built. */
#define JSON_MAX_DEPTH 64
#define JSON_MAX_VALUES 250000

/*
 * Parses one JSON text, nothing behind it.  \u0000 is allowed in strings, not in keys.  Where an
 * integer does not fit 64 bits, all integers of that text become reals (json_int() reads them all
 * the same).  NULL with err filled (ERR_INVALID, ERR_NOMEM; it quotes nothing of the text); else
 * json_decref().
 */
json_t *json_parse(const char *text, size_t len, struct err *err);

/* Compact text, the caller frees; NULL only when memory is short. */
char *json_text(const json_t *value);

/* Walks "data.issue.id" through objects.  Borrowed; NULL when any step is missing. */
json_t *json_at(const json_t *value, const char *path);

/* json_at() as a string without NULs inside, or NULL.  Borrowed from value. */
const char *json_str(const json_t *value, const char *path);

/* json_at() as an integer (4.0 is one), or otherwise. */
int64_t json_int(const json_t *value, const char *path, int64_t otherwise);
