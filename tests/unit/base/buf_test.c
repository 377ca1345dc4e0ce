#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void test_appends_and_terminates(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	assert_int_equal(buf_append(&buf, "ab", 2), 0);
	assert_int_equal(buf_appendf(&buf, "-%d-%s", 7, "x"), 0);
	assert_string_equal(buf.bytes, "ab-7-x");
	assert_int_equal(buf.len, 6);
	buf_done(&buf);
	assert_null(buf.bytes);
}

static void test_an_empty_append_makes_a_string(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	assert_int_equal(buf_append(&buf, NULL, 0), 0);
	assert_string_equal(buf.bytes, "");
	buf_done(&buf);
}

static void test_keeps_every_byte_while_it_grows(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_append(&buf, &(char){ (char)i }, 1), 0);
	assert_int_equal(buf.len, 100000);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf.bytes[i], (char)i);
	assert_int_equal(buf.bytes[100000], '\0');
	buf_done(&buf);
}

static void test_a_length_that_cannot_be_is_refused_and_changes_nothing(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	assert_int_equal(buf_append(&buf, "kept", 4), 0);
	assert_int_equal(buf_append(&buf, "", SIZE_MAX), -1);
	assert_int_equal(buf_append(&buf, "", SIZE_MAX - 4), -1);
	assert_string_equal(buf.bytes, "kept");
	assert_int_equal(buf.len, 4);
	buf_done(&buf);
}

static void test_take_gives_the_bytes_away(void **state)
{
	struct buf buf = { 0 };
	size_t len = 99;

	(void)state;
	char *empty = buf_take(&buf, &len);

	assert_string_equal(empty, "");
	assert_int_equal(len, 0);
	free(empty);
	assert_int_equal(buf_append(&buf, "a\0b", 3), 0);
	char *bytes = buf_take(&buf, &len);

	assert_memory_equal(bytes, "a\0b", 4);
	assert_int_equal(len, 3);
	assert_null(buf.bytes);
	assert_int_equal(buf.len, 0);
	free(bytes);
}

static void test_clear_keeps_the_memory(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_clear(&buf);
	assert_int_equal(buf_append(&buf, "abc", 3), 0);
	const char *before = buf.bytes;

	buf_clear(&buf);
	assert_int_equal(buf.len, 0);
	assert_string_equal(buf.bytes, "");
	assert_ptr_equal(buf.bytes, before);
	buf_done(&buf);
}

static void test_formats_more_than_its_first_size(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	assert_int_equal(buf_appendf(&buf, "%0500d", 1), 0);
	assert_int_equal(buf.len, 500);
	assert_int_equal(buf.bytes[499], '1');
	assert_int_equal(buf_appendf(&buf, "%s", ""), 0);
	assert_int_equal(buf.len, 500);
	buf_done(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appends_and_terminates),
		cmocka_unit_test(test_an_empty_append_makes_a_string),
		cmocka_unit_test(test_keeps_every_byte_while_it_grows),
		cmocka_unit_test(test_a_length_that_cannot_be_is_refused_and_changes_nothing),
		cmocka_unit_test(test_take_gives_the_bytes_away),
		cmocka_unit_test(test_clear_keeps_the_memory),
		cmocka_unit_test(test_formats_more_than_its_first_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
