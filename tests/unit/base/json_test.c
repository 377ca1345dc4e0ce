#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"

static json_t *parse(const char *text)
{
	struct err err;

	return json_parse(text, strlen(text), &err);
}

static void refused(const char *text, size_t len, const char *why)
{
	struct err err = { 0 };
	json_t *value = json_parse(text, len, &err);

	if (value)
		fail_msg("taken: %s", text);
	assert_int_equal(err.code, ERR_INVALID);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void test_reads_and_writes(void **state)
{
	const char text[] = "{\"a\":[1,-2.5,true,null,\"\xc3\xa9\"],\"b\":{\"c\":{}}}";
	json_t *value = parse(text);

	(void)state;
	assert_non_null(value);
	char *again = json_text(value);

	assert_string_equal(again, text);
	free(again);
	json_decref(value);
}

static void test_any_value_may_be_the_text(void **state)
{
	(void)state;
	json_t *value = parse(" \"x\" ");

	assert_string_equal(json_string_value(value), "x");
	char *text = json_text(value);

	assert_string_equal(text, "\"x\"");
	free(text);
	json_decref(value);
	value = parse("null");
	assert_true(json_is_null(value));
	json_decref(value);
}

static void test_refuses_what_is_not_json(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"{\"a\":1",
		"{\"a\":1,}",
		"[1,]",
		"{a:1}",
		"{'a':1}",
		"nul",
		"NaN",
		"Infinity",
		"01",
		"+1",
		"1.",
		".5",
		"0x10",
		"1 2",
		"{} {}",
		"{}x",
		"\"a",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\ud800\"",
		"\"\\udc00\"",
		"\"\t\"",
		"\"\xff\"",
		"\"\xc0\x80\"",
		"\xef\xbb\xbf{}",
		"]",
		"}",
		"\"\xed\xa0\x80\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i], strlen(bad[i]), "not JSON");
	refused("{}\0", 3, "not JSON");
	refused("\0", 1, "not JSON");
}

static void test_a_repeated_key_is_refused(void **state)
{
	const char text[] = "{\"event\":\"a\",\"event\":\"b\"}";

	(void)state;
	refused(text, strlen(text), "duplicate object key");
	/* The same key in another spelling is still the same key. */
	const char escaped[] = "{\"event\":1,\"\\u0065vent\":2}";

	refused(escaped, strlen(escaped), "duplicate object key");
}

static void test_an_error_does_not_quote_the_text(void **state)
{
	struct err err;
	const char text[] = "{\"token\": \"hunter2\" oops}";

	(void)state;
	assert_null(json_parse(text, strlen(text), &err));
	assert_null(strstr(err.text, "oops"));
	assert_null(strstr(err.text, "hunter2"));
	assert_non_null(strstr(err.text, "line 1"));
}

static void test_reads_only_len_bytes(void **state)
{
	struct err err;
	json_t *value = json_parse("[1]garbage", 3, &err);

	(void)state;
	assert_non_null(value);
	json_decref(value);
}

static void nested(struct buf *out, const char *open, const char *close, int depth)
{
	for (int i = 0; i < depth; i++)
		buf_appendf(out, "%s", open);
	buf_appendf(out, "1");
	for (int i = 0; i < depth; i++)
		buf_appendf(out, "%s", close);
}

static void test_depth_is_bounded(void **state)
{
	struct buf text = { 0 };

	(void)state;
	nested(&text, "[", "]", 64);
	json_t *value = parse(text.bytes);

	assert_non_null(value);
	json_decref(value);
	buf_clear(&text);
	nested(&text, "{\"a\":", "}", 65);
	refused(text.bytes, text.len, "deeper than 64");
	buf_clear(&text);
	/* Unclosed, and far deeper than any stack. */
	for (int i = 0; i < 1000000; i++)
		buf_append(&text, "[", 1);
	refused(text.bytes, text.len, "deeper than 64");
	buf_done(&text);
}

static void test_brackets_within_strings_are_not_depth(void **state)
{
	struct buf text = { 0 };

	(void)state;
	buf_appendf(&text, "[\"");
	for (int i = 0; i < 100; i++)
		buf_appendf(&text, "[{\\\"\\\\");
	buf_appendf(&text, "\",[1]]");
	json_t *value = parse(text.bytes);

	assert_non_null(value);
	json_decref(value);
	buf_clear(&text);
	/* A quote behind an escaped backslash ends the string: these brackets count. */
	buf_appendf(&text, "[\"\\\\\",");
	nested(&text, "[", "]", 64);
	buf_appendf(&text, "]");
	refused(text.bytes, text.len, "deeper than 64");
	buf_done(&text);
}

static void test_the_number_of_values_is_bounded(void **state)
{
	struct buf text = { 0 };

	(void)state;
	/* `[` counts one, and each `{},` two: just within, then beyond. */
	buf_appendf(&text, "[1");
	for (int i = 0; i < JSON_MAX_VALUES - 2; i++)
		buf_append(&text, ",1", 2);
	buf_append(&text, "]", 1);
	json_t *value = parse(text.bytes);

	assert_non_null(value);
	assert_int_equal(json_array_size(value), JSON_MAX_VALUES - 1);
	json_decref(value);
	text.len--;
	buf_append(&text, ",1]", 3);
	refused(text.bytes, text.len, "more than");
	buf_clear(&text);
	buf_append(&text, "[", 1);
	for (int i = 0; i < 2000000; i++)
		buf_append(&text, "{},", 3);
	refused(text.bytes, text.len, "more than");
	buf_done(&text);
}

static void test_large_strings_are_no_values(void **state)
{
	struct buf text = { 0 };

	(void)state;
	buf_append(&text, "\"", 1);
	for (int i = 0; i < 1000000; i++)
		buf_append(&text, ",:", 2);
	buf_append(&text, "\"", 1);
	json_t *value = parse(text.bytes);

	assert_int_equal(json_string_length(value), 2000000);
	json_decref(value);
	buf_done(&text);
}

static void test_integers_are_kept_whole(void **state)
{
	json_t *value = parse("{\"a\":9223372036854775807,\"b\":-9223372036854775808}");

	(void)state;
	assert_true(json_int(value, "a", 0) == INT64_MAX);
	assert_true(json_int(value, "b", 0) == INT64_MIN);
	json_decref(value);
}

static void test_an_integer_too_large_spoils_only_itself(void **state)
{
	json_t *value = parse("{\"huge\":18446744073709551616,\"attempt\":2,\"neg\":-3}");

	(void)state;
	assert_non_null(value);
	assert_int_equal(json_int(value, "attempt", -1), 2);
	assert_int_equal(json_int(value, "neg", -1), -3);
	assert_int_equal(json_int(value, "huge", -1), -1);
	json_decref(value);
	/* A real that is too large is no number at all. */
	refused("1e400", 5, "not JSON");
}

static void test_walks_paths(void **state)
{
	json_t *value = parse("{\"data\":{\"issue\":{\"id\":\"i1\",\"n\":7}},\"list\":[1]}");

	(void)state;
	assert_string_equal(json_str(value, "data.issue.id"), "i1");
	assert_int_equal(json_int(value, "data.issue.n", 0), 7);
	assert_true(json_is_array(json_at(value, "list")));
	assert_null(json_at(value, "data.issue.absent"));
	assert_null(json_at(value, "data.issue.id.more"));
	assert_null(json_at(value, "list.0"));
	assert_null(json_at(value, "dat"));
	assert_null(json_at(value, "data."));
	assert_null(json_at(value, ""));
	assert_null(json_at(NULL, "data"));
	json_decref(value);
}

static void test_a_wrong_type_is_nothing(void **state)
{
	json_t *value = parse("{\"s\":\"7\",\"n\":7,\"r\":7.5,\"t\":true,\"z\":null,\"w\":7.0}");

	(void)state;
	assert_null(json_str(value, "n"));
	assert_null(json_str(value, "z"));
	assert_int_equal(json_int(value, "s", -1), -1);
	assert_int_equal(json_int(value, "r", -1), -1);
	assert_int_equal(json_int(value, "t", -1), -1);
	assert_int_equal(json_int(value, "z", -1), -1);
	assert_int_equal(json_int(value, "w", -1), 7);
	json_decref(value);
}

static void test_a_string_with_a_nul_is_kept_but_is_no_c_string(void **state)
{
	json_t *value = parse("{\"a\":\"x\\u0000y\"}");

	(void)state;
	assert_non_null(value);
	assert_int_equal(json_string_length(json_at(value, "a")), 3);
	assert_null(json_str(value, "a"));
	json_decref(value);
	const char key[] = "{\"a\\u0000b\":1}";

	refused(key, strlen(key), "NUL byte in object key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_and_writes),
		cmocka_unit_test(test_any_value_may_be_the_text),
		cmocka_unit_test(test_refuses_what_is_not_json),
		cmocka_unit_test(test_a_repeated_key_is_refused),
		cmocka_unit_test(test_an_error_does_not_quote_the_text),
		cmocka_unit_test(test_reads_only_len_bytes),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_brackets_within_strings_are_not_depth),
		cmocka_unit_test(test_the_number_of_values_is_bounded),
		cmocka_unit_test(test_large_strings_are_no_values),
		cmocka_unit_test(test_integers_are_kept_whole),
		cmocka_unit_test(test_an_integer_too_large_spoils_only_itself),
		cmocka_unit_test(test_walks_paths),
		cmocka_unit_test(test_a_wrong_type_is_nothing),
		cmocka_unit_test(test_a_string_with_a_nul_is_kept_but_is_no_c_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
