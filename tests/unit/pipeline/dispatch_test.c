/* The payload of task.dispatch, whatever it holds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/id.h"
#include "pipeline/event.h"

#define BOT "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f"
#define ISSUE "a1b2c3d4-1111-4222-8333-444455556666"
#define NOW 1790756401500

static struct event *parse_value(const json_t *payload)
{
	struct err err = { .text = "" };
	struct event *event = event_parse_dispatch(payload, NOW, &err);

	if (!event)
		fail_msg("%s", err.text);
	return event;
}

static struct event *parse(const char *text)
{
	struct err err = { .text = "" };
	json_t *payload = json_loads(text, JSON_DECODE_ANY, NULL);

	(void)err;
	assert_non_null(payload);
	struct event *event = parse_value(payload);
	json_decref(payload);
	return event;
}

static void refused(const char *text)
{
	struct err err = { .text = "" };
	json_t *payload = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(payload);
	assert_null(event_parse_dispatch(payload, NOW, &err));
	assert_int_equal(err.code, ERR_INVALID);
	json_decref(payload);
}

/* A dispatch that carries one of the fixtures. */
static struct event *carry(const char *name, const char *run_id)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/tests/fixtures/events/%s", TEST_SOURCE_DIR, name);
	json_t *payload =
	    json_pack("{s:s, s:o}", "run_id", run_id, "body", json_load_file(path, 0, NULL));
	assert_non_null(payload);
	struct event *event = parse_value(payload);
	json_decref(payload);
	return event;
}

static const char *kept(const struct event *event, const char *path)
{
	static char found[512];
	struct err err;
	const struct store_event *stored = event_stored(event);
	json_t *body = json_parse(stored->body, stored->body_len, &err);

	assert_non_null(body);
	snprintf(found, sizeof(found), "%s", json_str(body, path) ? json_str(body, path) : "");
	json_decref(body);
	return found;
}

/* The example of the protocol. */
static void a_bare_issue_is_work(void **state)
{
	(void)state;
	struct event *event =
	    parse("{\"run_id\":\"r1\",\"issue_id\":\"" ISSUE
		  "\",\"body\":{\"data\":{\"issue\":{\"id\":\"" ISSUE "\",\"title\":\"x\"}}}}");
	const struct store_event *stored = event_stored(event);

	assert_int_equal(event_shape(event), EVENT_DISPATCH);
	assert_int_equal(stored->source, SOURCE_TUNNEL);
	assert_string_equal(stored->dispatch_id, "r1");
	assert_string_equal(stored->dedupe_key, "tunnel:r1");
	assert_string_equal(stored->name, "tunnel.dispatch");
	assert_string_equal(stored->issue_id, ISSUE);
	assert_string_equal(stored->issue_title, "x");
	assert_int_equal(stored->kind, KIND_NONE);
	assert_null(stored->join_key);
	assert_null(stored->delivery);
	assert_int_equal(stored->at, NOW);
	assert_string_equal(kept(event, "dispatch.text"),
			    ""); /* a prompt has its own words for it */
	assert_false(event_is_empty(event));
	event_free(event);
}

static void a_webhook_event_keeps_its_key_and_its_delivery(void **state)
{
	(void)state;
	struct event *event = carry("issue.assigned.json", "r1");
	const struct store_event *stored = event_stored(event);

	assert_int_equal(event_shape(event), EVENT_WEBHOOK);
	assert_int_equal(stored->source, SOURCE_TUNNEL);
	assert_string_equal(stored->name, "issue.assigned");
	assert_string_equal(stored->join_key, "assignment:" ISSUE ":" BOT);
	assert_string_equal(stored->dedupe_key, "tunnel:r1");
	assert_string_equal(stored->delivery, "delivery:00000000-0000-4000-8000-000000000003");
	assert_int_equal(stored->at, 1790756401123);
	event_free(event);
}

static void an_ai_task_keeps_its_key_and_its_id(void **state)
{
	(void)state;
	struct event *event = carry("ai-task.issue_assigned.json", "r1");
	const struct store_event *stored = event_stored(event);

	assert_int_equal(event_shape(event), EVENT_AI_TASK);
	assert_int_equal(stored->source, SOURCE_TUNNEL);
	assert_string_equal(stored->name, "task.issue_assigned");
	assert_string_equal(stored->join_key, "assignment:" ISSUE ":" BOT);
	assert_string_equal(stored->ai_task_id, "4d5e6f70-8192-4d3e-af40-5b6c7d8e9fa0");
	assert_string_equal(stored->dedupe_key, "tunnel:r1");
	event_free(event);
}

static void one_without_a_run_id_gets_one(void **state)
{
	(void)state;
	struct event *event = parse("{\"body\":\"do it\"}");

	assert_true(id_valid(event_stored(event)->dispatch_id));
	assert_string_equal(kept(event, "dispatch.run_id"), event_stored(event)->dispatch_id);
	assert_string_equal(kept(event, "dispatch.text"), "do it");
	event_free(event);
}

static void what_is_no_dispatch_is_the_body_whole(void **state)
{
	static const char *const payloads[] = {
		"\"do it\"", "[1]", "7", "{\"run_id\":5}", "{\"agent\":{}}", "{\"hello\":1}"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		struct event *event = parse(payloads[i]);
		assert_int_equal(event_shape(event), EVENT_DISPATCH);
		assert_true(id_valid(event_stored(event)->dispatch_id));
		assert_true(strlen(kept(event, "dispatch.text")) > 0);
		event_free(event);
	}
}

static void an_envelope_without_a_wrapper_is_taken_for_itself(void **state)
{
	(void)state;
	struct event *event = parse(
	    "{\"event\":\"issue.updated\",\"id\":\"d1\",\"data\":{\"issue\":{\"id\":\"i\"}}}");

	assert_int_equal(event_shape(event), EVENT_WEBHOOK);
	assert_string_equal(event_stored(event)->delivery, "delivery:d1");
	assert_int_equal(event_stored(event)->at, NOW); /* no timestamp */
	event_free(event);
}

static void nothing_at_all_is_empty(void **state)
{
	static const char *const payloads[] = { "{}",
						"null",
						"{\"run_id\":\"r\",\"body\":null}",
						"{\"body\":\"\"}",
						"{\"agent\":\"codex\"}",
						"{\"body\":{\"data\":{\"issue\":{}}}}" };

	(void)state;
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		struct event *event = parse(payloads[i]);
		assert_true(event_is_empty(event));
		event_free(event);
	}
}

static void a_time_far_ahead_is_now(void **state)
{
	(void)state;
	struct event *event = parse("{\"run_id\":\"r\",\"body\":{\"event\":\"x\",\"timestamp\":"
				    "\"2099-01-01T00:00:00+00:00\"}}");

	assert_int_equal(event_stored(event)->at, NOW);
	event_free(event);
}

static void an_old_delivery_keeps_its_time(void **state)
{
	(void)state;
	struct event *event = parse("{\"run_id\":\"r\",\"body\":{\"event\":\"x\",\"timestamp\":"
				    "\"2020-01-01T00:00:00+00:00\"}}");

	assert_int_equal(event_stored(event)->at, 1577836800000);
	event_free(event);
}

static void ids_are_bounded(void **state)
{
	char text[2048], longest[300];

	(void)state;
	memset(longest, 'x', 257);
	longest[257] = '\0';
	snprintf(text, sizeof(text), "{\"run_id\":\"%s\",\"body\":1}", longest);
	refused(text);
	snprintf(text, sizeof(text), "{\"run_id\":\"r\",\"issue_id\":\"%s\"}", longest);
	refused(text);
	snprintf(text, sizeof(text),
		 "{\"run_id\":\"r\",\"body\":{\"data\":{\"issue\":{\"id\":\"%s\"}}}}", longest);
	refused(text);
	refused("{\"run_id\":\"\",\"body\":1}");
	longest[256] = '\0';
	snprintf(text, sizeof(text), "{\"run_id\":\"%s\",\"body\":1}", longest);
	event_free(parse(text));
}

static void the_words_are_bounded_at_a_character(void **state)
{
	char *huge = malloc(300001);

	(void)state;
	for (size_t i = 0; i < 300000; i += 3)
		memcpy(huge + i, "\xe2\x82\xac", 3);
	huge[300000] = '\0';
	json_t *payload = json_pack("{s:s}", "body", huge);
	struct event *event = parse_value(payload);
	assert_true(event_stored(event)->body_len < 300000 + 140000);
	event_free(event);
	json_decref(payload);
	free(huge);
}

static void what_was_kept_is_understood_as_before(void **state)
{
	static const char *const names[] = { "issue.assigned.json", "ai-task.issue_assigned.json" };
	struct err err = { .text = "" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct event *first = carry(names[i], "r1");
		struct event *again = event_restore(event_stored(first), &err);
		assert_non_null(again);
		assert_int_equal(event_shape(again), event_shape(first));
		assert_string_equal(event_stored(again)->join_key, event_stored(first)->join_key);
		assert_string_equal(event_stored(again)->dispatch_id, "r1");
		assert_string_equal(event_stored(again)->name, event_stored(first)->name);
		event_free(again);
		/* The same where nobody says which way it came. */
		again = event_parse_kept(event_stored(first)->body, event_stored(first)->body_len,
					 NOW, &err);
		assert_non_null(again);
		assert_string_equal(event_stored(again)->dispatch_id, "r1");
		event_free(again);
		event_free(first);
	}
}

/* Signed by OpenPR or not: what comes by HTTP is never taken for a dispatch. */
static void a_webhook_cannot_look_like_a_dispatch(void **state)
{
	static const char text[] = "{\"dispatch\":{\"run_id\":\"r1\",\"body\":\"do it\"}}";
	struct err err = { .text = "" };
	struct event *event = event_parse(text, sizeof(text) - 1, NOW, &err);

	(void)state;
	assert_int_equal(event_shape(event), EVENT_UNKNOWN);
	event_free(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bare_issue_is_work),
		cmocka_unit_test(a_webhook_event_keeps_its_key_and_its_delivery),
		cmocka_unit_test(an_ai_task_keeps_its_key_and_its_id),
		cmocka_unit_test(one_without_a_run_id_gets_one),
		cmocka_unit_test(what_is_no_dispatch_is_the_body_whole),
		cmocka_unit_test(an_envelope_without_a_wrapper_is_taken_for_itself),
		cmocka_unit_test(nothing_at_all_is_empty),
		cmocka_unit_test(a_time_far_ahead_is_now),
		cmocka_unit_test(an_old_delivery_keeps_its_time),
		cmocka_unit_test(ids_are_bounded),
		cmocka_unit_test(the_words_are_bounded_at_a_character),
		cmocka_unit_test(what_was_kept_is_understood_as_before),
		cmocka_unit_test(a_webhook_cannot_look_like_a_dispatch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
