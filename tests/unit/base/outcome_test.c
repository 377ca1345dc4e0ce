#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/outcome.h"

static void test_names_and_back(void **state)
{
	static const char *const names[] = { "success", "failure", "timeout", "cancelled",
					     "interrupted" };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		const enum outcome outcome = (enum outcome)(i + 1);

		assert_string_equal(outcome_name(outcome), names[i]);
		assert_int_equal(outcome_parse(names[i]), outcome);
	}
}

static void test_what_is_no_outcome(void **state)
{
	(void)state;
	assert_null(outcome_name(OUTCOME_NONE));
	assert_null(outcome_name((enum outcome)99));
	assert_null(outcome_name((enum outcome) - 1));
	assert_int_equal(outcome_parse(NULL), OUTCOME_NONE);
	assert_int_equal(outcome_parse(""), OUTCOME_NONE);
	assert_int_equal(outcome_parse("Success"), OUTCOME_NONE);
	assert_int_equal(outcome_parse("successful"), OUTCOME_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_back),
		cmocka_unit_test(test_what_is_no_outcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
