#pragma once

/* The HTTP answers of design 7, made of what the store said. */

#include "base/json.h"
#include "pipeline/event.h"
#include "pipeline/news.h"
#include "pipeline/pipeline.h"

/* {"status": ...} of a stored event; json_decref().  NULL: no memory. */
json_t *answer_json(const struct store_event *event, const struct store_answer *stored);

/* What OpenPR gets: an AI task that was not taken is 503, or OpenPR would wait for it for ever. */
struct pipeline_answer answer_stored(const struct store_event *event,
				     const struct store_answer *stored);

/* {"error": text} with its status. */
struct pipeline_answer answer_error(int status, const char *text);

/* 200 `ignored` for a body that is JSON of no known shape. */
struct pipeline_answer answer_unknown(void);

/* One line about what became of an event; of an ignored one only at the level of details. */
void answer_log(const struct store_event *event, const struct store_answer *stored);

/* The same for those who watch, with the runs that wait because of it. */
void answer_news(struct news *news, const struct store_event *event,
		 const struct store_answer *stored);
