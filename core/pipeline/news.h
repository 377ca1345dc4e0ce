#pragma once

/*
 * What happens to events, runs and reports, for those who watch: a ring of the last facts, each
 * with a number.  Whoever reads too slowly loses some and is told so; nobody waits for anybody.
 */

#include <stdint.h>

#include "base/json.h"

#define NEWS_KEPT 512

struct news;

struct news *news_new(void);	   /* NULL: no memory */
void news_free(struct news *news); /* accepts NULL */

/* `kind` is static text: "event", "run" or "report".  Takes the object; any thread. */
void news_add(struct news *news, const char *kind, json_t *object);

/* Tells this daemon's numbers from another's; letters and digits, borrowed. */
const char *news_name(const struct news *news);

/* The number of the last fact. */
uint64_t news_last(struct news *news);

enum news_found { NEWS_NONE, NEWS_FOUND, NEWS_LOST };

/*
 * The fact behind number *at, which becomes its number; the text is JSON, the caller frees it.
 * NEWS_LOST: it is not kept any more, or there never was such a number; *at becomes the last one.
 */
enum news_found news_next(struct news *news, uint64_t *at, const char **kind, char **text);
