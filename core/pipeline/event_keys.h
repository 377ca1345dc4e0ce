#pragma once

/* What of an envelope decides about joining: kind, ids and join key (openpr-contract 2.4). */

#include <stdbool.h>

#include "base/json.h"
#include "store/store.h"

#define EVENT_KEY_SIZE 512

/* True when the array at `path` holds the string `id`. */
bool event_lists(const json_t *root, const char *path, const char *id);

/* Fill kind, ids and join_key of `stored` from a webhook event or an AI task; strings are borrowed
 * from root and from key. */
void event_keys_webhook(const json_t *root, struct store_event *stored, char key[EVENT_KEY_SIZE]);
void event_keys_ai_task(const json_t *root, struct store_event *stored, char key[EVENT_KEY_SIZE]);
