#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

static const struct {
	const char *text;
	size_t len, step;
} cases[] = {
	{ "a", 1, 1 },
	{ "\0", 1, 1 },
	{ "\x7f", 1, 1 },
	{ "\xc2\x80", 2, 2 },
	{ "\xdf\xbf", 2, 2 },
	{ "\xe0\xa0\x80", 3, 3 },
	{ "\xed\x9f\xbf", 3, 3 },
	{ "\xee\x80\x80", 3, 3 },
	{ "\xef\xbf\xbf", 3, 3 },
	{ "\xf0\x90\x80\x80", 4, 4 },
	{ "\xf4\x8f\xbf\xbf", 4, 4 },
	/* Continuation bytes alone, and bytes that never occur. */
	{ "\x80", 1, 0 },
	{ "\xbf", 1, 0 },
	{ "\xfe", 1, 0 },
	{ "\xff", 1, 0 },
	{ "\xf5\x80\x80\x80", 4, 0 },
	{ "\xf8\x88\x80\x80\x80", 5, 0 },
	/* Overlong. */
	{ "\xc0\x80", 2, 0 },
	{ "\xc1\xbf", 2, 0 },
	{ "\xe0\x80\x80", 3, 0 },
	{ "\xe0\x9f\xbf", 3, 0 },
	{ "\xf0\x80\x80\x80", 4, 0 },
	{ "\xf0\x8f\xbf\xbf", 4, 0 },
	/* Surrogates, and above U+10FFFF. */
	{ "\xed\xa0\x80", 3, 0 },
	{ "\xed\xbf\xbf", 3, 0 },
	{ "\xf4\x90\x80\x80", 4, 0 },
	/* Cut off, or followed by something else. */
	{ "\xc3", 1, 0 },
	{ "\xe2\x82", 2, 0 },
	{ "\xf0\x9f\x98", 3, 0 },
	{ "\xc3(", 2, 0 },
	{ "\xe2(\xac", 3, 0 },
	{ "\xe2\x82(", 3, 0 },
	{ "\xf0\x9f\x98(", 4, 0 },
};

static void test_every_edge_of_rfc_3629(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (utf8_step(cases[i].text, cases[i].len) != cases[i].step)
			fail_msg("case %zu", i);
		assert_int_equal(utf8_valid(cases[i].text, cases[i].len), cases[i].step > 0);
	}
	assert_int_equal(utf8_step("", 0), 0);
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z", 11));
	assert_false(utf8_valid("good until \xff", 12));
}

/* All code points by one rule, against an encoder of its own. */
static void test_every_code_point(void **state)
{
	(void)state;
	for (uint32_t c = 0x80; c < 0x120000; c++) {
		char text[4];
		size_t len;

		if (c < 0x800) {
			text[0] = (char)(0xc0 | c >> 6);
			len = 2;
		} else if (c < 0x10000) {
			text[0] = (char)(0xe0 | c >> 12);
			text[1] = (char)(0x80 | (c >> 6 & 0x3f));
			len = 3;
		} else {
			text[0] = (char)(0xf0 | c >> 18);
			text[1] = (char)(0x80 | (c >> 12 & 0x3f));
			text[2] = (char)(0x80 | (c >> 6 & 0x3f));
			len = 4;
		}
		text[len - 1] = (char)(0x80 | (c & 0x3f));
		const bool good = c < 0xd800 || (c > 0xdfff && c < 0x110000);

		if ((utf8_step(text, len) == len) != good)
			fail_msg("U+%04X", c);
	}
}

static void repairs(const char *text, size_t len, const char *expected)
{
	size_t out_len;
	char *out = utf8_repair(text, len, &out_len);

	assert_non_null(out);
	assert_string_equal(out, expected);
	assert_int_equal(out_len, strlen(expected));
	free(out);
}

static void test_repairs(void **state)
{
	(void)state;
	repairs("", 0, "");
	repairs("a\xc3\xa9", 3, "a\xc3\xa9");
	repairs("a\0b\0", 4, "ab");
	repairs("\xff"
		"a\xc3",
		3,
		"\xef\xbf\xbd"
		"a\xef\xbf\xbd");
	repairs("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	repairs("\xc0\x80", 2, "\xef\xbf\xbd\xef\xbf\xbd");
	assert_null(utf8_repair("", SIZE_MAX, NULL));
}

static void test_repair_always_gives_utf8(void **state)
{
	uint32_t seed = 12345;
	char text[64];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < sizeof(text); i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = (char)(seed >> 24);
		}
		size_t len;
		char *out = utf8_repair(text, sizeof(text), &len);

		assert_true(utf8_valid(out, len));
		assert_int_equal(strlen(out), len);
		free(out);
	}
}

static void test_clips_between_characters(void **state)
{
	const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
	const size_t expected[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10 };

	(void)state;
	for (size_t max = 0; max < sizeof(expected) / sizeof(expected[0]); max++)
		assert_int_equal(utf8_clip(text, sizeof(text) - 1, max), expected[max]);
	assert_int_equal(utf8_clip("", 0, 5), 0);
	assert_int_equal(utf8_clip("abc", 3, SIZE_MAX), 3);
}

static void test_clipping_garbage_makes_progress(void **state)
{
	const char text[] = "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80";

	(void)state;
	assert_int_equal(utf8_clip(text, 10, 8), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_edge_of_rfc_3629),
		cmocka_unit_test(test_every_code_point),
		cmocka_unit_test(test_repairs),
		cmocka_unit_test(test_repair_always_gives_utf8),
		cmocka_unit_test(test_clips_between_characters),
		cmocka_unit_test(test_clipping_garbage_makes_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
