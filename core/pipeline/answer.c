#include "pipeline/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pipeline/event.h"

#define RETRY_AFTER 30 /* s; OpenPR's worker waits as long by itself */

static void set(json_t *object, const char *key, const char *value)
{
	if (value && value[0])
		json_object_set_new(object, key, json_string(value));
}

static void set_runs(json_t *object, const struct store_answer *stored)
{
	if (stored->run_count == 0)
		return;
	set(object, "agent", stored->runs[0].agent);
	set(object, "run_id", stored->runs[0].run_id);
	if (stored->run_count == 1)
		return;

	json_t *runs = json_array();
	for (size_t i = 0; i < stored->run_count; i++) {
		json_t *run = json_object();
		set(run, "agent", stored->runs[i].agent);
		set(run, "run_id", stored->runs[i].run_id);
		json_array_append_new(runs, run);
	}
	json_object_set_new(object, "runs", runs);
}

json_t *answer_json(const struct store_event *event, const struct store_answer *stored)
{
	json_t *object = json_object();

	set(object, "status", store_status_name(stored->status));
	set_runs(object, stored);
	set(object, "rule", stored->rule);
	set(object, "reason", stored->reason);
	set(object, "gate", stored->gate);
	if (stored->status == STATUS_NO_AGENT)
		set(object, "bot_name", event->bot_name);
	if (stored->cancelled > 0)
		json_object_set_new(object, "cancelled",
				    json_integer((json_int_t)stored->cancelled));
	set(object, "event_id", stored->event_id);
	return object;
}

static bool taken(const struct store_answer *stored)
{
	if (stored->status == STATUS_DUPLICATE)
		return stored->first_was_taken;
	return stored->status == STATUS_DISPATCHED || stored->status == STATUS_JOINED;
}

static int http_status(const struct store_event *event, const struct store_answer *stored)
{
	if (event->source == SOURCE_AI_TASK && !taken(stored))
		return 503;
	switch (stored->status) {
	case STATUS_DISPATCHED:
	case STATUS_JOINED:
	case STATUS_HELD:
		return 202;
	default:
		return 200;
	}
}

static struct pipeline_answer text_of(int status, json_t *object)
{
	struct pipeline_answer answer = { .status = status, .body = json_text(object) };

	json_decref(object);
	if (status == 503)
		answer.retry_after = RETRY_AFTER;
	return answer;
}

struct pipeline_answer answer_stored(const struct store_event *event,
				     const struct store_answer *stored)
{
	return text_of(http_status(event, stored), answer_json(event, stored));
}

struct pipeline_answer answer_error(int status, const char *text)
{
	return text_of(status, json_pack("{s:s}", "error", text));
}

struct pipeline_answer answer_unknown(void)
{
	return text_of(200, json_pack("{s:s, s:s}", "status", "ignored", "reason",
				      "neither a webhook event nor an AI task of OpenPR"));
}

void answer_log(const struct store_event *event, const struct store_answer *stored)
{
	const bool human = stored->status == STATUS_IGNORED && stored->cancelled == 0;

	log_event(human ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "decided", "status",
		  store_status_name(stored->status), "name", event->name, "event", stored->event_id,
		  "issue", event->issue_id, "delivery", event_delivery(event), "bot",
		  event->bot_name, "rule", stored->rule[0] ? stored->rule : NULL, "agent",
		  stored->run_count ? stored->runs[0].agent : NULL, "run",
		  stored->run_count ? stored->runs[0].run_id : NULL, "gate",
		  stored->gate[0] ? stored->gate : NULL, "reason",
		  stored->reason[0] ? stored->reason : NULL, NULL);
}

void answer_news(struct news *news, const struct store_event *event,
		 const struct store_answer *stored)
{
	json_t *told = answer_json(event, stored);

	set(told, "name", event->name);
	set(told, "issue_id", event->issue_id);
	news_add(news, "event", told);
	for (size_t i = 0; stored->status == STATUS_DISPATCHED && i < stored->run_count; i++)
		news_add(news, "run",
			 json_pack("{s:s, s:s, s:s?, s:s, s:s, s:n}", "run_id",
				   stored->runs[i].run_id, "event_id", stored->event_id, "issue_id",
				   event->issue_id, "agent", stored->runs[i].agent, "state",
				   "waiting", "outcome"));
}
