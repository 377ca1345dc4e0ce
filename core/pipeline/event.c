#include "pipeline/event.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "pipeline/dispatch.h"
#include "pipeline/event_keys.h"

#define DEDUPE_SIZE 320
#define ID_LIMIT 256 /* an id of OpenPR is a UUID; longer than this is not an id of anybody's */
#define REMOVED_LIMIT 64
#define CLOCK_SKEW (5 * 60 * 1000) /* ms that a delivery in a dispatch may lie ahead */

struct event {
	enum event_shape shape;
	struct store_event stored;
	json_t *whole, *extra; /* of the body, of the completion */
	const json_t *root;    /* the envelope in the body; a dispatch has it inside */
	char *body, *completion;
	char name[256], dedupe[DEDUPE_SIZE], delivery[DEDUPE_SIZE], key[EVENT_KEY_SIZE];
	const char *removed[REMOVED_LIMIT];
};

static bool fits(const char *text)
{
	return text && text[0] && strlen(text) <= ID_LIMIT;
}

/* What an envelope says, whichever way it came. */
static void fill_webhook(struct event *event)
{
	struct store_event *stored = &event->stored;

	snprintf(event->name, sizeof(event->name), "%s", json_str(event->root, "event"));
	stored->name = event->name;
	event_keys_webhook(event->root, stored, event->key);

	const json_t *removed = json_at(event->root, "data.changes.assignee_ids.removed");
	for (size_t i = 0; i < json_array_size(removed) && i < REMOVED_LIMIT; i++) {
		const char *bot = json_string_value(json_array_get(removed, i));
		if (bot)
			event->removed[stored->removed_count++] = bot;
	}
	stored->removed_bots = event->removed;
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

	snprintf(event->dedupe, sizeof(event->dedupe), "delivery:%s", id);
	stored->source = SOURCE_WEBHOOK;
	stored->dedupe_key = event->dedupe;
	fill_webhook(event);
	return 0;
}

static int small_int(const json_t *root, const char *path)
{
	const int64_t value = json_int(root, path, 0);

	return value < 0 ? 0 : value > INT_MAX ? INT_MAX : (int)value;
}

static void fill_ai_task(struct event *event)
{
	struct store_event *stored = &event->stored;
	const char *type = json_str(event->root, "task_type");

	stored->ai_task_id = json_str(event->root, "task_id");
	stored->ai_attempt = small_int(event->root, "attempts");
	stored->ai_max_attempts = small_int(event->root, "max_attempts");
	snprintf(event->name, sizeof(event->name), "task.%s", type ? type : "unknown");
	stored->name = event->name;
	stored->at = stored->received_at;
	event_keys_ai_task(event->root, stored, event->key);
}

static int read_ai_task(struct event *event, struct err *err)
{
	struct store_event *stored = &event->stored;

	if (!fits(json_str(event->root, "task_id")))
		return err_set(err, ERR_INVALID, "the AI task has no valid `task_id`");
	fill_ai_task(event);
	snprintf(event->dedupe, sizeof(event->dedupe), "ai:%s:%d", stored->ai_task_id,
		 stored->ai_attempt);
	stored->source = SOURCE_AI_TASK;
	stored->dedupe_key = event->dedupe;
	return 0;
}

/* ---- dispatches ---- */

/* The tunnel has a clock check of its own; a delivery may have waited at the control plane. */
static int64_t time_of(const struct event *event)
{
	const char *text = json_str(event->root, "timestamp");
	const int64_t now = event->stored.received_at;
	int64_t at;

	return text && clock_parse(text, &at) == 0 && at <= now + CLOCK_SKEW ? at : now;
}

static void fill_dispatched_webhook(struct event *event)
{
	const char *id = json_str(event->root, "id");

	fill_webhook(event);
	event->stored.at = time_of(event);
	if (!fits(id))
		return;
	snprintf(event->delivery, sizeof(event->delivery), "delivery:%s", id);
	event->stored.delivery = event->delivery;
}

static void fill_plain(struct event *event, const char *issue_id)
{
	struct store_event *stored = &event->stored;

	snprintf(event->name, sizeof(event->name), "%s", DISPATCH_NAME);
	stored->name = event->name;
	stored->at = stored->received_at;
	event_keys_webhook(event->root, stored, event->key);
	if (issue_id)
		stored->issue_id = issue_id;
}

static int read_dispatch(struct event *event, struct err *err)
{
	struct store_event *stored = &event->stored;
	const char *run_id = json_str(event->whole, "dispatch.run_id");
	const char *issue_id = json_str(event->whole, "dispatch.issue_id");

	event->root = json_at(event->whole, "dispatch.body");
	event->shape = dispatch_shape(event->root);
	if (event->shape == EVENT_WEBHOOK)
		fill_dispatched_webhook(event);
	else if (event->shape == EVENT_AI_TASK)
		fill_ai_task(event);
	else
		fill_plain(event, issue_id);
	if (!stored->issue_id)
		stored->issue_id = issue_id;
	if (!fits(run_id))
		return err_set(err, ERR_INVALID, "a run_id has 1 to %d bytes", ID_LIMIT);
	if (stored->issue_id && !fits(stored->issue_id))
		return err_set(err, ERR_INVALID, "an issue_id has 1 to %d bytes", ID_LIMIT);

	snprintf(event->dedupe, sizeof(event->dedupe), "tunnel:%s", run_id);
	stored->source = SOURCE_TUNNEL;
	stored->dedupe_key = event->dedupe;
	stored->dispatch_id = run_id;
	return 0;
}

/* ---- the whole ---- */

static int read_envelope(struct event *event, struct err *err)
{
	event->root = event->whole;
	event->shape = dispatch_shape(event->root);
	if (event->shape == EVENT_WEBHOOK)
		return read_webhook(event, err);
	if (event->shape == EVENT_AI_TASK)
		return read_ai_task(event, err);
	event->shape = EVENT_UNKNOWN;
	return 0;
}

static struct event *parse(const void *body, size_t len, int64_t received_at,
			   int (*read)(struct event *, struct err *), struct err *err)
{
	struct event *event = calloc(1, sizeof(*event));

	if (!event || !(event->body = malloc(len + 1))) {
		err_set(err, ERR_NOMEM, "no memory for an event of %zu bytes", len);
		goto fail;
	}
	memcpy(event->body, body, len);
	event->body[len] = '\0';
	event->whole = json_parse(event->body, len, err);
	if (!event->whole)
		goto fail;

	event->stored.received_at = received_at;
	event->stored.body = event->body;
	event->stored.body_len = len;
	if (read(event, err) == 0)
		return event;
fail:
	event_free(event);
	return NULL;
}

struct event *event_parse(const void *body, size_t len, int64_t received_at, struct err *err)
{
	return parse(body, len, received_at, read_envelope, err);
}

struct event *event_parse_dispatch(const json_t *payload, int64_t received_at, struct err *err)
{
	_cleanup_free_ char *body = dispatch_wrap(payload, err);

	return body ? parse(body, strlen(body), received_at, read_dispatch, err) : NULL;
}

static int read_kept(struct event *event, struct err *err)
{
	const bool wrapped = dispatch_shape(event->whole) == EVENT_DISPATCH &&
			     json_is_object(json_at(event->whole, "dispatch"));

	return wrapped ? read_dispatch(event, err) : read_envelope(event, err);
}

struct event *event_parse_kept(const void *body, size_t len, int64_t received_at, struct err *err)
{
	return parse(body, len, received_at, read_kept, err);
}

struct event *event_restore(const struct store_event *stored, struct err *err)
{
	return parse(stored->body, stored->body_len, stored->received_at,
		     stored->source == SOURCE_TUNNEL ? read_dispatch : read_envelope, err);
}

bool event_is_empty(const struct event *event)
{
	const struct store_event *stored = &event->stored;

	return event->shape == EVENT_DISPATCH && !stored->issue_id && !stored->issue_title &&
	       !json_at(event->whole, "dispatch.text");
}

void event_free(struct event *event)
{
	if (!event)
		return;
	json_decref(event->whole);
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

const char *event_delivery(const struct store_event *stored)
{
	const size_t prefix = strlen("delivery:");

	return strncmp(stored->dedupe_key, "delivery:", prefix) == 0 ? stored->dedupe_key + prefix
								     : stored->dedupe_key;
}
