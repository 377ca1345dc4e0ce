#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/redact.h"
#include "openpr_fixture.h"

static void expect_task(struct fixture *f, const char *status, const char *key, const char *value)
{
	json_t *seen = mock_state(f->mock);
	const json_t *task = nth(seen, "tasks", 0);

	assert_string_equal(json_str(task, "status"), status);
	if (key)
		assert_string_equal(json_str(task, key), value);
	json_decref(seen);
}

static void completes_an_ai_task_once(void **state)
{
	struct fixture *f = *state;

	redact_add("opr_one_and_only");
	assert_int_equal(
	    ai_end(f, TOKEN, true, "{\"summary\":\"a\\u0000b \xff opr_one_and_only\"}"), OPENPR_OK);
	expect_task(f, "completed", "result.summary", "ab \xef\xbf\xbd [secret]");
	assert_int_equal(ai_end(f, TOKEN, true, "{\"summary\":\"again\"}"), OPENPR_OK);
	assert_int_equal(ai_end(f, TOKEN, false, "{\"error_message\":\"late\"}"), OPENPR_OK);
	expect_task(f, "completed", "result.summary", "ab \xef\xbf\xbd [secret]");
}

static void fails_an_ai_task(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ai_end(f, TOKEN, false, "{\"error_message\":\"exit 1\"}"), OPENPR_OK);
	expect_task(f, "pending", "error_message", "exit 1");
}

static void tells_why_an_ai_task_was_not_ended(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ai_end(f, OTHER, true, "{}"), OPENPR_DENIED);
	assert_int_equal(ai_end(f, "opr_wrong", true, "{}"), OPENPR_DENIED);
	assert_int_equal(ai_end(f, TOKEN, true, "not json"), OPENPR_REFUSED);
	assert_int_equal(openpr_ai_end(f->openpr, &f->config, TOKEN, ISSUE, true, "{}", &err),
			 OPENPR_GONE);
	/* A 400 of HTTP speaks of the request, not of the task. */
	assert_int_equal(ai_end(f, TOKEN, false, "{\"error_message\":7}"), OPENPR_REFUSED);
	assert_int_equal(openpr_ai_end(f->openpr, &f->config, TOKEN, "7", true, "{}", &err),
			 OPENPR_REFUSED);
	mock_control(f->mock, "{\"faults\": [{\"path\": \"/complete\", \"status\": 400}]}");
	assert_int_equal(ai_end(f, TOKEN, true, "{}"), OPENPR_REFUSED);
	expect_task(f, "processing", NULL, NULL);
}

int main(void)
{
	/* REST in both modes. */
	const struct CMUnitTest tests[] = {
		BOTH(completes_an_ai_task_once),
		BOTH(fails_an_ai_task),
		BOTH(tells_why_an_ai_task_was_not_ended),
	};

	return cmocka_run_group_tests_name("callback/openpr_ai", tests, start_mock, stop_mock);
}
