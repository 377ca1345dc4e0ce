#include "pipeline/event.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "pipeline/event_keys.h"

#define DEDUPE_SIZE 320
#define ID_LIMIT 256 /* an id of OpenPR is a UUID; longer than this is not an id of anybody's */
#define REMOVED_LIMIT 64

struct event {
	enum event_shape shape;
	struct store_event stored;
	json_t *root, *extra; /* of the body, of the completion */
	char *body, *completion;
	char name[256], dedupe[DEDUPE_SIZE], key[EVENT_KEY_SIZE];
	const char *removed[REMOVED_LIMIT];
};

static bool fits(const char *text)
{
	return text && text[0] && strlen(text) <= ID_LIMIT;
}

static int read_webhook(struct event *event, struct err *err)
{
	struct store_event *stored = &event->stored;
	const char *id = json_str(event->root, "id");
	const char *at = json_str(event->root, "timestamp");

	if (!fits(id))
		return err_set(err, ERR_INVALID, "the event has no valid `id`");
	if (!at || clock_parse(at, &stored->at) < 0)
		return err_set(err, ERR_INVALID, "the event has no valid `timestamp` (RFC 3339)");

	snprintf(event->name, sizeof(event->name), "%s", json_str(event->root, "event"));
	snprintf(event->dedupe, sizeof(event->dedupe), "delivery:%s", id);
	stored->source = SOURCE_WEBHOOK;
	stored->name = event->name;
	stored->dedupe_key = event->dedupe;
	event_keys_webhook(event->root, stored, event->key);

	const json_t *removed = json_at(event->root, "data.changes.assignee_ids.removed");
	for (size_t i = 0; i < json_array_size(removed) && i < REMOVED_LIMIT; i++) {
		const char *bot = json_string_value(json_array_get(removed, i));
		if (bot)
			event->removed[stored->removed_count++] = bot;
	}
	stored->removed_bots = event->removed;
	return 0;
}

static int small_int(const json_t *root, const char *path)
{
	const int64_t value = json_int(root, path, 0);

	return value < 0 ? 0 : value > INT_MAX ? INT_MAX : (int)value;
}

static int read_ai_task(struct event *event, struct err *err)
{
	struct store_event *stored = &event->stored;
	const char *type = json_str(event->root, "task_type");

	stored->ai_task_id = json_str(event->root, "task_id");
	if (!fits(stored->ai_task_id))
		return err_set(err, ERR_INVALID, "the AI task has no valid `task_id`");
	stored->ai_attempt = small_int(event->root, "attempts");
	stored->ai_max_attempts = small_int(event->root, "max_attempts");
	snprintf(event->name, sizeof(event->name), "task.%s", type ? type : "unknown");
	snprintf(event->dedupe, sizeof(event->dedupe), "ai:%s:%d", stored->ai_task_id,
		 stored->ai_attempt);
	stored->source = SOURCE_AI_TASK;
	stored->name = event->name;
	stored->dedupe_key = event->dedupe;
	stored->at = stored->received_at;
	event_keys_ai_task(event->root, stored, event->key);
	return 0;
}

static enum event_shape shape_of(const json_t *root)
{
	if (json_str(root, "event"))
		return EVENT_WEBHOOK;
	if (!json_at(root, "event") && json_str(root, "task_id") &&
	    json_str(root, "ai_participant_id"))
		return EVENT_AI_TASK;
	return EVENT_UNKNOWN;
}

struct event *event_parse(const void *body, size_t len, int64_t received_at, struct err *err)
{
	struct event *event = calloc(1, sizeof(*event));
	int rc = 0;

	if (!event || !(event->body = malloc(len + 1))) {
		err_set(err, ERR_NOMEM, "no memory for an event of %zu bytes", len);
		goto fail;
	}
	memcpy(event->body, body, len);
	event->body[len] = '\0';
	event->root = json_parse(event->body, len, err);
	if (!event->root)
		goto fail;

	event->stored.received_at = received_at;
	event->stored.body = event->body;
	event->stored.body_len = len;
	event->shape = shape_of(event->root);
	if (event->shape == EVENT_WEBHOOK)
		rc = read_webhook(event, err);
	else if (event->shape == EVENT_AI_TASK)
		rc = read_ai_task(event, err);
	if (rc == 0)
		return event;
fail:
	event_free(event);
	return NULL;
}

void event_free(struct event *event)
{
	if (!event)
		return;
	json_decref(event->root);
	json_decref(event->extra);
	free(event->body);
	free(event->completion);
	free(event);
}

enum event_shape event_shape(const struct event *event)
{
	return event->shape;
}

const struct store_event *event_stored(const struct event *event)
{
	return &event->stored;
}

static void fill(const char **field, const json_t *extra, const char *path)
{
	if (!*field)
		*field = json_str(extra, path);
}

int event_complete(struct event *event, const char *completion, struct err *err)
{
	if (event->extra)
		return err_set(err, ERR_CONFLICT, "the event is complete already");
	event->completion = strdup(completion);
	if (!event->completion)
		return err_set(err, ERR_NOMEM, "no memory to complete an event");
	event->extra = json_parse(completion, strlen(completion), err);
	if (!event->extra)
		return -1;
	event->stored.completion = event->completion;
	fill(&event->stored.issue_title, event->extra, "issue.title");
	fill(&event->stored.issue_state, event->extra, "issue.state");
	fill(&event->stored.project_id, event->extra, "issue.project_id");
	return 0;
}
