#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/answer.h"

static const struct store_event webhook = { .source = SOURCE_WEBHOOK, .bot_name = "fixer" };
static const struct store_event ai_task = { .source = SOURCE_AI_TASK, .bot_name = "fixer" };

static void expect(const struct store_event *event, const struct store_answer *stored, int status,
		   const char *text)
{
	struct pipeline_answer answer = answer_stored(event, stored);

	assert_int_equal(answer.status, status);
	assert_string_equal(answer.body, text);
	assert_int_equal(answer.retry_after > 0, status == 503);
	free(answer.body);
}

static void work_is_202(void **state)
{
	(void)state;
	const struct store_answer stored = {
		.status = STATUS_DISPATCHED,
		.event_id = "e",
		.rule = "by name",
		.run_count = 1,
		.runs = { { "fixer", "r" } },
	};
	const char *text = "{\"status\":\"dispatched\",\"agent\":\"fixer\",\"run_id\":\"r\","
			   "\"rule\":\"by name\",\"event_id\":\"e\"}";

	expect(&webhook, &stored, 202, text);
	expect(&ai_task, &stored, 202, text);
}

static void fan_out_lists_every_run(void **state)
{
	(void)state;
	const struct store_answer stored = {
		.status = STATUS_DISPATCHED,
		.event_id = "e",
		.run_count = 2,
		.runs = { { "a", "r1" }, { "b", "r2" } },
	};

	expect(&webhook, &stored, 202,
	       "{\"status\":\"dispatched\",\"agent\":\"a\",\"run_id\":\"r1\",\"runs\":[{\"agent\":"
	       "\"a\",\"run_id\":\"r1\"},"
	       "{\"agent\":\"b\",\"run_id\":\"r2\"}],\"event_id\":\"e\"}");
}

/* After a 2xx OpenPR would wait for an AI task for ever. */
static void an_ai_task_that_is_not_taken_is_503(void **state)
{
	static const struct {
		enum store_status status;
		int webhook;
	} cases[] = {
		{ STATUS_HELD, 202 },	  { STATUS_IGNORED, 200 },  { STATUS_OBSERVED, 200 },
		{ STATUS_NO_AGENT, 200 }, { STATUS_DISABLED, 200 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct store_answer stored = { .status = cases[i].status, .event_id = "e" };
		struct pipeline_answer event = answer_stored(&webhook, &stored);
		struct pipeline_answer task = answer_stored(&ai_task, &stored);
		assert_int_equal(event.status, cases[i].webhook);
		assert_int_equal(task.status, 503);
		assert_string_equal(event.body, task.body);
		free(event.body);
		free(task.body);
	}
}

static void a_duplicate_is_as_good_as_its_first(void **state)
{
	(void)state;
	struct store_answer stored = { .status = STATUS_DUPLICATE,
				       .event_id = "e",
				       .first_was_taken = true };

	expect(&ai_task, &stored, 200, "{\"status\":\"duplicate\",\"event_id\":\"e\"}");
	stored.first_was_taken = false;
	expect(&ai_task, &stored, 503, "{\"status\":\"duplicate\",\"event_id\":\"e\"}");
	expect(&webhook, &stored, 200, "{\"status\":\"duplicate\",\"event_id\":\"e\"}");
}

static void no_agent_names_the_bot_and_disabled_the_gate(void **state)
{
	(void)state;
	const struct store_answer none = { .status = STATUS_NO_AGENT,
					   .event_id = "e",
					   .reason = "why" };
	const struct store_answer off = { .status = STATUS_DISABLED,
					  .event_id = "e",
					  .gate = "cli_executor" };

	expect(&webhook, &none, 200,
	       "{\"status\":\"no_agent\",\"reason\":\"why\",\"bot_name\":\"fixer\",\"event_id\":"
	       "\"e\"}");
	expect(&webhook, &off, 200,
	       "{\"status\":\"disabled\",\"gate\":\"cli_executor\",\"event_id\":\"e\"}");
}

static void errors_are_json(void **state)
{
	(void)state;
	struct pipeline_answer answer = answer_error(401, "a \"quoted\" reason");

	assert_int_equal(answer.status, 401);
	assert_string_equal(answer.body, "{\"error\":\"a \\\"quoted\\\" reason\"}");
	free(answer.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_is_202),
		cmocka_unit_test(fan_out_lists_every_run),
		cmocka_unit_test(an_ai_task_that_is_not_taken_is_503),
		cmocka_unit_test(a_duplicate_is_as_good_as_its_first),
		cmocka_unit_test(no_agent_names_the_bot_and_disabled_the_gate),
		cmocka_unit_test(errors_are_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
