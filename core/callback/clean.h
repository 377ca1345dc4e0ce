#pragma once

/*
 * What may leave for OpenPR: valid UTF-8 without U+0000 (PostgreSQL's text and jsonb refuse it),
 * no secret that this process knows, and over MCP no `@`.
 *
 * Why `@` becomes U+FF20: the MCP server takes what follows an `@`, up to the next delimiter, for a
 * name, and a member whose name is *contained* in it is mentioned (OpenPR tools/comments.rs), so
 * an invisible character behind the `@` changes nothing: "@\u200bann, look" still mentions Ann.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

#define CLEAN_ID_SIZE 129

/* The caller frees; NULL only when memory is short. */
char *clean_text(const char *text, size_t len, bool no_mentions);

/* The same for every string and key inside.  A new value, json_decref(); NULL only when memory is
 * short. */
json_t *clean_json(const json_t *value);

/* Whether the id can stand in a path: letters, digits, - and _, 1 to 128 of them.  OpenPR's are
 * UUIDs; anything that would need escaping (a proxy may undo that) is no id. */
bool clean_id(const char *id);
