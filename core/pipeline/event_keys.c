#include "pipeline/event_keys.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool event_lists(const json_t *root, const char *path, const char *id)
{
	const json_t *list = json_at(root, path);

	for (size_t i = 0; id && i < json_array_size(list); i++) {
		const char *item = json_string_value(json_array_get(list, i));
		if (item && strcasecmp(item, id) == 0)
			return true;
	}
	return false;
}

/* UUIDs are compared as text from here on, and OpenPR writes them in lower case. */
static void make_key(struct store_event *stored, enum store_kind kind, const char *what,
		     const char *subject, const char *bot, char key[EVENT_KEY_SIZE])
{
	if (!subject || (kind != KIND_OTHER && !bot))
		return;

	const int len = kind == KIND_OTHER
			    ? snprintf(key, EVENT_KEY_SIZE, "%s:%s", what, subject)
			    : snprintf(key, EVENT_KEY_SIZE, "%s:%s:%s", what, subject, bot);
	if (len >= EVENT_KEY_SIZE)
		return;
	for (char *c = key; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	stored->kind = kind;
	stored->join_key = key;
}

static const char *either(const char *first, const char *second)
{
	return first ? first : second;
}

void event_keys_webhook(const json_t *root, struct store_event *stored, char key[EVENT_KEY_SIZE])
{
	const char *bot = json_str(root, "bot_context.bot_id");

	stored->issue_id =
	    either(json_str(root, "data.issue.id"), json_str(root, "data.comment.issue_id"));
	stored->issue_key = json_str(root, "data.issue.key");
	stored->issue_title = json_str(root, "data.issue.title");
	stored->issue_state = json_str(root, "data.issue.state");
	stored->project_id = json_str(root, "project.id");
	stored->project_name = json_str(root, "project.name");
	stored->actor_id = json_str(root, "actor.id");
	stored->comment_id = json_str(root, "data.comment.id");
	stored->bot_id = bot;
	stored->bot_name = json_str(root, "bot_context.bot_name");

	if (strcmp(stored->name, "issue.created") == 0 &&
	    event_lists(root, "data.issue.assignee_ids", bot))
		make_key(stored, KIND_ASSIGNMENT, "assignment", stored->issue_id, bot, key);
	else if (strcmp(stored->name, "issue.assigned") == 0 &&
		 event_lists(root, "data.changes.assignee_ids.added", bot))
		make_key(stored, KIND_ASSIGNMENT, "assignment", stored->issue_id, bot, key);
	else if (strcmp(stored->name, "comment.created") == 0 &&
		 event_lists(root, "data.mentions", bot))
		make_key(stored, KIND_MENTION, "mention", stored->comment_id, bot, key);
}

/* The reference is the issue or the comment only when its type says so. */
static const char *reference(const json_t *root, const char *type)
{
	const char *actual = json_str(root, "reference_type");

	return actual && strcmp(actual, type) == 0 ? json_str(root, "reference_id") : NULL;
}

void event_keys_ai_task(const json_t *root, struct store_event *stored, char key[EVENT_KEY_SIZE])
{
	const char *type = json_str(root, "task_type");

	stored->issue_id = either(json_str(root, "payload.issue_id"), reference(root, "work_item"));
	stored->comment_id =
	    either(json_str(root, "payload.comment_id"), reference(root, "comment"));
	stored->project_id =
	    either(json_str(root, "project_id"), json_str(root, "payload.project_id"));
	stored->bot_id = json_str(root, "ai_participant_id");
	stored->bot_name = json_str(root, "ai_participant_name");

	if (type && strcmp(type, "issue_assigned") == 0)
		make_key(stored, KIND_ASSIGNMENT, "assignment", stored->issue_id, stored->bot_id,
			 key);
	else if (type && strcmp(type, "comment_requested") == 0)
		make_key(stored, KIND_MENTION, "mention", stored->comment_id, stored->bot_id, key);
	if (stored->kind == KIND_NONE)
		make_key(stored, KIND_OTHER, "task", stored->ai_task_id, NULL, key);
}
