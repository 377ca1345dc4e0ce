#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "pipeline/answer.h"
#include "pipeline/decide.h"
#include "pipeline/event.h"
#include "pipeline/parts.h"
#include "pipeline/pipeline.h"

#define PATIENCE 10000 /* ms; a person waits */

/* An AI task that was stored incomplete is asked about again. */
static int complete(struct pipeline *pipeline, const struct config *config, struct event *event,
		    struct err *err)
{
	if (event_shape(event) != EVENT_AI_TASK || event_stored(event)->completion)
		return 0;

	struct openpr *openpr = openpr_new(&pipeline->stop, err);
	if (!openpr)
		return -1;
	pipeline_identify(pipeline, openpr, config);
	const int rc = decide_complete(pipeline, config, openpr, event, err);
	openpr_free(openpr);
	return rc;
}

static int decide_again(struct pipeline *pipeline, const char *event_id, struct event *event,
			json_t **answer, struct err *err)
{
	struct config *config = pipeline_config(pipeline);
	struct store_answer stored;
	struct decided decided;
	int rc = complete(pipeline, config, event, err);

	if (rc == 0) {
		decide(pipeline, config, event, PATIENCE, &decided);
		if (decided.decision.action == ACTION_UNDECIDED)
			rc = err_set(err, ERR_FULL, "%s", decided.reason);
	}
	if (rc == 0)
		rc = store_redecide(pipeline->store, event_id, &decided.decision, &stored, err);
	if (rc == 0) {
		log_event(LOG_LEVEL_INFO, "released", "event", event_id, "status",
			  store_status_name(stored.status), "rule", stored.rule, NULL);
		*answer = answer_json(event_stored(event), &stored);
		answer_news(pipeline->news, event_stored(event), &stored);
	}
	config_unref(config);
	return rc;
}

int pipeline_release(struct pipeline *pipeline, const char *event_id, json_t **answer,
		     struct err *err)
{
	struct store_stored *stored = NULL;

	if (store_releasable(pipeline->store, event_id, &stored, err) < 0)
		return -1;

	struct event *event = event_restore(&stored->event, err);
	int rc = event ? 0 : -1;
	if (event && stored->event.completion)
		rc = event_complete(event, stored->event.completion, err);
	if (rc == 0)
		rc = decide_again(pipeline, event_id, event, answer, err);
	event_free(event);
	store_stored_free(stored);
	return rc;
}
