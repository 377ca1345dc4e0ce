#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/canonical.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void same(const char *text, const char *expected)
{
	struct buf out = { 0 };
	struct err err = { 0 };

	if (canonical_write(text, strlen(text), &out, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(out.bytes, expected);
	/* What is canonical stays as it is. */
	struct buf again = { 0 };

	assert_int_equal(canonical_write(out.bytes, out.len, &again, &err), 0);
	assert_string_equal(again.bytes, expected);
	buf_done(&again);
	buf_done(&out);
}

static void wrong_bytes(const char *text, size_t len)
{
	struct buf out = { 0 };
	struct err err = { 0 };

	if (canonical_write(text, len, &out, &err) == 0)
		fail_msg("%.*s became %s", (int)len, text, out.bytes);
	assert_int_equal(err.code, ERR_INVALID);
	buf_done(&out);
}

static void wrong(const char *text)
{
	wrong_bytes(text, strlen(text));
}

static void keys_are_in_the_order_of_their_bytes_at_every_depth(void **state)
{
	(void)state;
	same("{\"b\":{\"d\":1,\"c\":2},\"a\":[{\"y\":1,\"x\":2}]}",
	     "{\"a\":[{\"x\":2,\"y\":1}],\"b\":{\"c\":2,\"d\":1}}");
	same("{\"aa\":1,\"a\":2,\"\":3,\"B\":4,\"_\":5,\"\xc3\xa9\":6,\"z\":7}",
	     "{\"\":3,\"B\":4,\"_\":5,\"a\":2,\"aa\":1,\"z\":7,\"\xc3\xa9\":6}");
	/* by UTF-8, not by UTF-16 units: U+1F600 (f0...) stands behind U+FF5E (ef...) */
	same("{\"\\ud83d\\ude00\":1,\"\xef\xbd\x9e\":2}",
	     "{\"\xef\xbd\x9e\":2,\"\xf0\x9f\x98\x80\":1}");
	/* as they are, not as they are written: a newline stands before a letter */
	same("{\"a\":1,\"\\n\":2}", "{\"\\n\":2,\"a\":1}");
	same("{\"a\\u0000b\":1,\"a\":2}", "{\"a\":2,\"a\\u0000b\":1}");
}

static void of_keys_that_are_equal_the_last_counts(void **state)
{
	(void)state;
	same("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}");
	same("{\"a\":{\"x\":1},\"\\u0061\":{\"y\":1,\"y\":2}}", "{\"a\":{\"y\":2}}");
	same("[{\"a\":1,\"a\":[],\"a\":null}]", "[{\"a\":null}]");
}

static void strings_have_one_form(void **state)
{
	(void)state;
	same("\"\\u0008\\u000c\\u000a\\u000d\\u0009\\u0022\\u005c\"",
	     "\"\\b\\f\\n\\r\\t\\\"\\\\\"");
	same("\"\\u0000\\u0001\\u001F\\u001f\"", "\"\\u0000\\u0001\\u001f\\u001f\"");
	same("\"\\/ \\u002f \\u00e9 \\u00E9 \\u007f\"", "\"/ / \xc3\xa9 \xc3\xa9 \x7f\"");
	same("\"\\ud834\\udd1e \xf0\x9d\x84\x9e \\u20ac\"",
	     "\"\xf0\x9d\x84\x9e \xf0\x9d\x84\x9e \xe2\x82\xac\"");
	same("\"\"", "\"\"");
}

static void integers_of_64_bits_stay(void **state)
{
	static const char *const stay[] = { "0",
					    "1",
					    "-1",
					    "9007199254740993",
					    "9223372036854775807",
					    "9223372036854775808",
					    "18446744073709551615",
					    "-9223372036854775808",
					    "1710000000" };

	(void)state;
	for (size_t i = 0; i < COUNT(stay); i++)
		same(stay[i], stay[i]);
	same("18446744073709551616", "1.8446744073709552e19");
	same("-9223372036854775809", "-9.223372036854776e18");
	same("-0", "-0.0");
	same("100000000000000000000000000000", "1e29");
}

/* As serde_json writes them. */
static void doubles_have_their_shortest_form(void **state)
{
	static const char *const pairs[][2] = {
		{ "1.0", "1.0" },
		{ "1e2", "100.0" },
		{ "1E+2", "100.0" },
		{ "0.1", "0.1" },
		{ "0.10", "0.1" },
		{ "0.00001", "0.00001" },
		{ "0.000001", "1e-6" },
		{ "1e-7", "1e-7" },
		{ "1.5e-7", "1.5e-7" },
		{ "1e15", "1000000000000000.0" },
		{ "1e16", "1e16" },
		{ "123456789012345680", "123456789012345680" },
		{ "123456789012345680.0", "1.2345678901234568e17" },
		{ "1234567890123456.7", "1234567890123456.8" },
		{ "0.30000000000000004", "0.30000000000000004" },
		{ "-0.0", "-0.0" },
		{ "-1.5", "-1.5" },
		{ "1e-400", "0.0" },
		{ "5e-324", "5e-324" },
		{ "4.9406564584124654e-324", "5e-324" },
		{ "2.2250738585072014e-308", "2.2250738585072014e-308" },
		{ "1.7976931348623157e308", "1.7976931348623157e308" },
		/* a power of two: the nearest decimal of 16 digits reads back as another */
		{ "7.1202363472230444e-307", "7.120236347223045e-307" },
		{ "9007199254740992.0", "9007199254740992.0" },
		{ "0.333333333333333333333333333333", "0.3333333333333333" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++)
		same(pairs[i][0], pairs[i][1]);
}

static void space_goes(void **state)
{
	(void)state;
	same(" \t\r\n{ \"a\" : [ 1 , true , false , null , { } , [ ] ] } ",
	     "{\"a\":[1,true,false,null,{},[]]}");
}

static void what_is_no_json_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"[",
		"[1",
		"[1,",
		"[1,]",
		"{,}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{a:1}",
		"{'a':1}",
		"[1 2]",
		"1 2",
		"{}{}",
		"nul",
		"nulls",
		"True",
		"NaN",
		"Infinity",
		"+1",
		"01",
		"1.",
		".5",
		"1e",
		"1e+",
		"-",
		"0x10",
		"--1",
		"1e400",
		"-1e400",
		"\"",
		"\"\\\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u12g4\"",
		"\"\\ud800\"",
		"\"\\udc00\"",
		"\"\\ud800\\u0041\"",
		"\"\\ud800\\ud800\"",
		"\"a\nb\"",
		"\"\x01\"",
		"\"\xc3\x28\"",
		"\"\xed\xa0\x80\"",
		"\"\xff\"",
		"\xef\xbb\xbf{}",
		"[1]x",
		"/* */1",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		wrong(texts[i]);
	wrong_bytes("1\0", 2);
	wrong_bytes("\"\0\"", 3);
}

static void depth_and_number_are_bounded(void **state)
{
	static char deep[2 * CANONICAL_MAX_DEPTH + 3], many[2 * CANONICAL_MAX_VALUES + 8];
	char *at = many;

	(void)state;
	memset(deep, '[', CANONICAL_MAX_DEPTH);
	memset(deep + CANONICAL_MAX_DEPTH, ']', CANONICAL_MAX_DEPTH);
	same(deep, deep);
	memset(deep, '[', CANONICAL_MAX_DEPTH + 1);
	memset(deep + CANONICAL_MAX_DEPTH + 1, ']', CANONICAL_MAX_DEPTH + 1);
	wrong(deep);
	*at++ = '[';
	for (int i = 0; i < CANONICAL_MAX_VALUES; i++) {
		*at++ = '1';
		*at++ = ',';
	}
	at[-1] = ']';
	wrong(many);
	at[-3] = ' '; /* one fewer: with the array itself it fits */
	at[-2] = ' ';
	at[-3] = ']';
	at[-1] = ' ';
	at[-4] = '1';
	struct buf out = { 0 };
	struct err err;

	assert_int_equal(canonical_write(many, strlen(many), &out, &err), 0);
	buf_done(&out);
}

static void members_are_handed_out_by_name(void **state)
{
	static const char text[] = "{\"b\" : {\"y\":1.0,\"x\":2}, \"a\":\"\\u0041\", \"b\":[1 ]}";
	struct canonical_member members[] = { { .name = "a" }, { .name = "b" }, { .name = "c" } };
	struct err err;

	(void)state;
	assert_int_equal(canonical_read(text, strlen(text), members, 3, &err), 0);
	assert_string_equal(members[0].text.bytes, "\"A\"");
	assert_string_equal(members[1].text.bytes, "[1]");
	assert_int_equal(members[2].text.len, 0);
	for (int i = 0; i < 3; i++)
		buf_done(&members[i].text);
	assert_int_equal(canonical_read("[1]", 3, members, 3, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_in_the_order_of_their_bytes_at_every_depth),
		cmocka_unit_test(of_keys_that_are_equal_the_last_counts),
		cmocka_unit_test(strings_have_one_form),
		cmocka_unit_test(integers_of_64_bits_stay),
		cmocka_unit_test(doubles_have_their_shortest_form),
		cmocka_unit_test(space_goes),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(depth_and_number_are_bounded),
		cmocka_unit_test(members_are_handed_out_by_name),
	};

	return cmocka_run_group_tests_name("tunnel/canonical", tests, NULL, NULL);
}
