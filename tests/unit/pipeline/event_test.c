#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/event.h"

#define BOT "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f"
#define ISSUE "a1b2c3d4-1111-4222-8333-444455556666"
#define COMMENT "5e6f7a8b-9c0d-4e1f-a2b3-c4d5e6f7a8b9"
#define NOW 1790000000000

static struct event *parse(const char *text)
{
	struct err err;

	return event_parse(text, strlen(text), NOW, &err);
}

static struct event *parse_file(const char *name)
{
	char path[512];
	static char text[65536];

	snprintf(path, sizeof(path), "%s/tests/fixtures/events/%s", TEST_SOURCE_DIR, name);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	const size_t len = fread(text, 1, sizeof(text), file);
	fclose(file);

	struct err err;
	struct event *event = event_parse(text, len, NOW, &err);
	assert_non_null(event);
	return event;
}

static void assignment_has_its_key(void **state)
{
	(void)state;
	struct event *event = parse_file("issue.assigned.json");
	const struct store_event *stored = event_stored(event);

	assert_int_equal(event_shape(event), EVENT_WEBHOOK);
	assert_int_equal(stored->kind, KIND_ASSIGNMENT);
	assert_string_equal(stored->join_key, "assignment:" ISSUE ":" BOT);
	assert_string_equal(stored->dedupe_key, "delivery:00000000-0000-4000-8000-000000000003");
	assert_string_equal(stored->issue_state, "todo");
	assert_string_equal(stored->bot_name, "ai-fixer");
	assert_int_equal(stored->at, 1790756401123);
	event_free(event);
}

static void ai_task_joins_the_assignment(void **state)
{
	(void)state;
	struct event *event = parse_file("ai-task.issue_assigned.json");
	const struct store_event *stored = event_stored(event);

	assert_int_equal(event_shape(event), EVENT_AI_TASK);
	assert_string_equal(stored->join_key, "assignment:" ISSUE ":" BOT);
	assert_string_equal(stored->name, "task.issue_assigned");
	assert_string_equal(stored->dedupe_key, "ai:4d5e6f70-8192-4d3e-af40-5b6c7d8e9fa0:1");
	assert_int_equal(stored->ai_max_attempts, 3);
	assert_int_equal(stored->at, NOW);
	event_free(event);
}

static void mention_has_its_key(void **state)
{
	(void)state;
	struct event *event = parse_file("comment.created.json");
	const struct store_event *stored = event_stored(event);

	assert_int_equal(stored->kind, KIND_MENTION);
	assert_string_equal(stored->join_key, "mention:" COMMENT ":" BOT);
	assert_string_equal(stored->issue_id, ISSUE);
	event_free(event);
}

static void edits_and_deletions_ask_for_nothing(void **state)
{
	static const char *const names[] = { "issue.updated.human.json", "issue.deleted.json",
					     "issue.state_changed.json", "label.added.json",
					     "sprint.started.json",	 "ai.task_completed.json" };
	(void)state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct event *event = parse_file(names[i]);
		assert_int_equal(event_stored(event)->kind, KIND_NONE);
		assert_null(event_stored(event)->join_key);
		event_free(event);
	}
}

/* The live case of a bot that is taken off and given back: bot_context still names it. */
static void contradicted_assignment_has_no_key(void **state)
{
	(void)state;
	struct event *event =
	    parse("{\"id\":\"d\",\"event\":\"issue.assigned\",\"timestamp\":\"2026-09-30T08:20:"
		  "01Z\",\"data\":{\"issue\":"
		  "{\"id\":\"i\",\"assignee_ids\":[\"b\"]},\"changes\":{\"assignee_ids\":{"
		  "\"added\":[\"u\"],"
		  "\"removed\":[\"b\",7,\"c\"]}}},\"bot_context\":{\"bot_id\":\"b\"}}");
	const struct store_event *stored = event_stored(event);

	assert_null(stored->join_key);
	assert_int_equal(stored->removed_count, 2);
	assert_string_equal(stored->removed_bots[0], "b");
	assert_string_equal(stored->removed_bots[1], "c");
	event_free(event);
}

static void upper_case_ids_give_the_same_key(void **state)
{
	(void)state;
	struct event *event =
	    parse("{\"task_id\":\"T\",\"ai_participant_id\":\"B\",\"task_type\":"
		  "\"issue_assigned\",\"reference_type\":\"work_item\",\"reference_id\":\"I\"}");

	assert_string_equal(event_stored(event)->join_key, "assignment:i:b");
	event_free(event);
}

static void other_ai_tasks_stand_alone(void **state)
{
	(void)state;
	struct event *event = parse(
	    "{\"task_id\":\"t1\",\"ai_participant_id\":\"b\",\"task_type\":\"vote_requested\"}");

	assert_int_equal(event_stored(event)->kind, KIND_OTHER);
	assert_string_equal(event_stored(event)->join_key, "task:t1");
	event_free(event);
}

static void bad_bodies_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"nonsense",
		"{",
		"{\"event\":\"x\"}",
		"{\"event\":\"x\",\"id\":\"d\"}",
		"{\"event\":\"x\",\"id\":\"d\",\"timestamp\":\"yesterday\"}",
		"{\"event\":\"x\",\"id\":\"\",\"timestamp\":\"2026-09-30T08:20:01Z\"}",
		"{\"event\":\"x\",\"id\":7,\"timestamp\":\"2026-09-30T08:20:01Z\"}",
		"{\"id\":\"d\",\"id\":\"d\"}",
	};
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };
		assert_null(event_parse(bad[i], strlen(bad[i]), NOW, &err));
		assert_int_equal(err.code, ERR_INVALID);
		assert_true(err.text[0] != '\0');
	}
}

static void unknown_shapes_are_no_error(void **state)
{
	static const char *const strange[] = { "[]",
					       "7",
					       "\"x\"",
					       "null",
					       "{}",
					       "{\"event\":{\"a\":1},\"delivery\":{\"id\":\"x\"}}",
					       "{\"task_id\":\"t\"}",
					       "{\"event\":null}" };
	(void)state;

	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		struct event *event = parse(strange[i]);
		assert_non_null(event);
		assert_int_equal(event_shape(event), EVENT_UNKNOWN);
		event_free(event);
	}
}

static void completion_fills_what_is_missing(void **state)
{
	(void)state;
	struct event *event = parse_file("ai-task.issue_assigned.json");
	struct err err;

	assert_null(event_stored(event)->issue_state);
	assert_int_equal(
	    event_complete(event, "{\"issue\":{\"title\":\"T\",\"state\":\"todo\"}}", &err), 0);
	assert_string_equal(event_stored(event)->issue_state, "todo");
	assert_string_equal(event_stored(event)->completion,
			    "{\"issue\":{\"title\":\"T\",\"state\":\"todo\"}}");
	assert_int_equal(event_complete(event, "{}", &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	event_free(event);
}

static void a_huge_id_is_no_id(void **state)
{
	(void)state;
	char text[2048];
	struct err err = { 0 };

	snprintf(text, sizeof(text),
		 "{\"event\":\"x\",\"id\":\"%0*d\",\"timestamp\":\"2026-09-30T08:20:01Z\"}", 1000,
		 0);
	assert_null(event_parse(text, strlen(text), NOW, &err));
	assert_int_equal(err.code, ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(assignment_has_its_key),
		cmocka_unit_test(ai_task_joins_the_assignment),
		cmocka_unit_test(mention_has_its_key),
		cmocka_unit_test(edits_and_deletions_ask_for_nothing),
		cmocka_unit_test(contradicted_assignment_has_no_key),
		cmocka_unit_test(upper_case_ids_give_the_same_key),
		cmocka_unit_test(other_ai_tasks_stand_alone),
		cmocka_unit_test(bad_bodies_are_refused),
		cmocka_unit_test(unknown_shapes_are_no_error),
		cmocka_unit_test(completion_fills_what_is_missing),
		cmocka_unit_test(a_huge_id_is_no_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
