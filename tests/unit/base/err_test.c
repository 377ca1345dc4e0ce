#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/utf8.h"

static void test_set_fills_and_returns_minus_one(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_NOTFOUND, "no run %s", "r1"), -1);
	assert_int_equal(err.code, ERR_NOTFOUND);
	assert_string_equal(err.text, "no run r1");
}

static void test_prefix_keeps_the_code(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_IO, "disk full");
	assert_int_equal(err_prefix(&err, "%s", "queue.db"), -1);
	assert_int_equal(err.code, ERR_IO);
	assert_string_equal(err.text, "queue.db: disk full");
}

static void test_its_own_text_may_be_an_argument(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_IO, "inner");
	err_set(&err, ERR_POLICY, "outer %s again %s", err.text, err.text);
	assert_string_equal(err.text, "outer inner again inner");
}

static void test_a_long_text_is_cut_between_characters(void **state)
{
	struct err err;
	char name[1200];

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa9", 3);
	for (int shift = 0; shift < 2; shift++) {
		err_set(&err, ERR_IO, "%s%s", shift ? "x" : "", name);
		assert_true(strlen(err.text) < sizeof(err.text));
		assert_true(utf8_valid(err.text, strlen(err.text)));
		err_prefix(&err, "y");
		assert_true(utf8_valid(err.text, strlen(err.text)));
	}
}

static void test_bytes_that_are_not_utf8_become_question_marks(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_IO, "cannot open \xff\xc3(\xe2\x82\xac)");
	assert_string_equal(err.text, "cannot open ?\?(\xe2\x82\xac)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_fills_and_returns_minus_one),
		cmocka_unit_test(test_prefix_keeps_the_code),
		cmocka_unit_test(test_its_own_text_may_be_an_argument),
		cmocka_unit_test(test_a_long_text_is_cut_between_characters),
		cmocka_unit_test(test_bytes_that_are_not_utf8_become_question_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
