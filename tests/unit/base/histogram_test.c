#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"

static void test_a_bound_belongs_to_its_bucket(void **state)
{
	struct histogram took = { 0 };

	(void)state;
	for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
		histogram_add(&took, histogram_bounds[i]);
		assert_int_equal(took.counts[i], 1);
		histogram_add(&took, histogram_bounds[i] + 1);
		assert_int_equal(took.counts[i + 1], 1);
		took.counts[i + 1] = 0;
		assert_true(i == 0 || histogram_bounds[i] > histogram_bounds[i - 1]);
	}
}

static void test_clocks_that_step_back_count_as_nothing(void **state)
{
	struct histogram took = { 0 };

	(void)state;
	histogram_add(&took, -5);
	histogram_add(&took, INT64_MIN);
	assert_int_equal(took.counts[0], 2);
	assert_int_equal(took.micros, 0);
	histogram_add(&took, INT64_C(1) << 60);
	assert_int_equal(took.counts[HISTOGRAM_BOUNDS], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bound_belongs_to_its_bucket),
		cmocka_unit_test(test_clocks_that_step_back_count_as_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
