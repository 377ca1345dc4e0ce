#pragma once

/* What keeps the daemon from doing its work, or deserves a look, as GET /api/ready lists it. */

#include <stdbool.h>

#include "base/json.h"

/*
 * Adds {"reason": reason, "turns": turns, "text": ...} to the list.  `reason` is one of a few words
 * for machines ("disk_full"), the text is for people, says what helps and holds no secret. `turns`:
 * GET /ready answers 503 because of it; false for what outsiders or one peer of many can cause.
 */
__attribute__((format(printf, 4, 5))) void trouble_add(json_t *list, const char *reason, bool turns,
						       const char *fmt, ...);

/* Whether anything on the list turns /ready. */
bool trouble_turns(const json_t *list);
