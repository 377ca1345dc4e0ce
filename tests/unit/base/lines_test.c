#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lines.h"

static void lines_are_found_again(void **state)
{
	static const long numbers[] = { 1, 7, 8, 9, 600, LINES_MOST };
	struct lines lines = { 0 };
	long line = 0;

	(void)state;
	assert_false(lines_has(&lines, 1));
	assert_int_equal(lines_next(&lines, 0), 0);
	for (int i = 5; i >= 0; i--)
		assert_int_equal(lines_add(&lines, numbers[i]), 0);
	for (int i = 0; i < 6; i++) {
		assert_true(lines_has(&lines, numbers[i]));
		line = lines_next(&lines, line);
		assert_int_equal(line, numbers[i]);
	}
	assert_int_equal(lines_next(&lines, line), 0);
	assert_false(lines_has(&lines, 2));
	assert_false(lines_has(&lines, 0));
	assert_false(lines_has(&lines, -8));
	lines_done(&lines);
}

static void other_numbers_change_nothing(void **state)
{
	struct lines lines = { 0 };

	(void)state;
	assert_int_equal(lines_add(&lines, 0), 0);
	assert_int_equal(lines_add(&lines, -1), 0);
	assert_int_equal(lines_add(&lines, LINES_MOST + 1L), 0);
	assert_int_equal(lines.bits.len, 0);
	assert_false(lines_has(&lines, LINES_MOST + 1L));
	lines_done(&lines);
}

static void sets_are_merged_within_bounds(void **state)
{
	static char many[LINES_MOST / 8 + 100];
	struct lines lines = { 0 };

	(void)state;
	assert_int_equal(lines_add(&lines, 3), 0);
	assert_int_equal(lines_merge(&lines, "\x02\x01", 2), 0);
	assert_true(lines_has(&lines, 1) && lines_has(&lines, 3) && lines_has(&lines, 8));
	many[sizeof(many) - 1] = 1;
	assert_int_equal(lines_merge(&lines, many, sizeof(many)), 0);
	assert_int_equal(lines.bits.len, LINES_MOST / 8 + 1);
	assert_true(lines_has(&lines, 3));
	lines_done(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_found_again),
		cmocka_unit_test(other_numbers_change_nothing),
		cmocka_unit_test(sets_are_merged_within_bounds),
	};

	return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
