#pragma once

/*
 * Circuit breakers, one a target ("https://host:port"): a target that keeps failing is left alone
 * for a while, then one request tries whether it is back.  Any thread may call all of it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

struct breakers;

/* Told when a target's breaker opens, and when the target is back; on the caller's thread of
 * breakers_tell(). */
typedef void breaker_change(void *ctx, const char *target, bool open);

struct breakers *breakers_new(breaker_change *change, void *ctx); /* NULL: no memory */
void breakers_free(struct breakers *breakers);			  /* accepts NULL */

/*
 * True when a request may be sent now; its end must be told with breakers_tell().  False: not
 * before *wait ms.  `now` is monotonic ms, here and below.
 */
bool breakers_ask(struct breakers *breakers, const char *target, int64_t now, int64_t *wait);

/*
 * How a request ended: `worked` is any answer but a server's own failure; `known` false: it was
 * given up before anything could be known.
 */
void breakers_tell(struct breakers *breakers, const char *target, int64_t now, bool known,
		   bool worked);

/* What does not work now, as texts for people: an array of strings; json_decref().  NULL: no
 * memory. */
json_t *breakers_reasons(struct breakers *breakers, int64_t now);
