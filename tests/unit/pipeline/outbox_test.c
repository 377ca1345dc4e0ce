#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/outbox.h"

static void marks_tell_start_and_end_apart(void **state)
{
	char start[OUTBOX_MARK_SIZE], end[OUTBOX_MARK_SIZE];
	(void)state;

	outbox_mark("0190", true, start);
	outbox_mark("0190", false, end);
	assert_string_equal(start, "run 0190 started");
	assert_string_equal(end, "run 0190");
}

static void the_builtin_report_says_what_is_known(void **state)
{
	(void)state;
	json_t *run =
	    json_pack("{s:s, s:s, s:s, s:i, s:s}", "agent", "fixer", "outcome", "failure", "cause",
		      "not logged in", "exit_code", 1, "final_text", "half done");
	char *text = outbox_builtin(run);

	assert_string_equal(text, "Agent fixer: failure\nCause: not logged in\nExit code: 1\n");
	free(text);
	json_object_set_new(run, "outcome", json_string("success"));
	text = outbox_builtin(run);
	assert_non_null(strstr(text, "half done"));
	free(text);
	json_decref(run);
}

static void the_builtin_report_survives_an_empty_run(void **state)
{
	(void)state;
	json_t *run = json_object();
	char *text = outbox_builtin(run);

	assert_string_equal(text, "Agent ?: ended\n");
	free(text);
	json_decref(run);
}

static void waits_double_up_to_five_minutes(void **state)
{
	int64_t wanted = 1000;
	(void)state;

	for (int attempts = 0; attempts < 40; attempts++) {
		const int64_t wait = outbox_back_off(attempts);
		assert_in_range(wait, wanted * 8 / 10, wanted * 12 / 10);
		wanted = wanted * 2 > 300000 ? 300000 : wanted * 2;
	}
	assert_in_range(outbox_back_off(1 << 30), 240000, 360000);
}

static void a_report_is_given_up_after_a_day(void **state)
{
	const int64_t day = 24 * 3600 * 1000LL;
	const struct store_report report = { .created_at = 1790000000000 };
	(void)state;

	assert_false(outbox_is_overdue(&report, report.created_at));
	assert_false(outbox_is_overdue(&report, report.created_at + day));
	assert_true(outbox_is_overdue(&report, report.created_at + day + 1));
	assert_false(
	    outbox_is_overdue(&report, report.created_at - day)); /* a clock that was set back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_tell_start_and_end_apart),
		cmocka_unit_test(the_builtin_report_says_what_is_known),
		cmocka_unit_test(the_builtin_report_survives_an_empty_run),
		cmocka_unit_test(waits_double_up_to_five_minutes),
		cmocka_unit_test(a_report_is_given_up_after_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
