#include "lua_test.h"

#include "base/json.h"

static void gives(const char *expression, const char *expected)
{
	char body[512];

	snprintf(body, sizeof(body), "return host.json_encode(%s)", expression);
	test_gives(body, "", expected);
}

static void refuses(const char *expression, const char *needle)
{
	char body[512];

	snprintf(body, sizeof(body), "return host.json_encode(%s)", expression);
	test_fails(body, "", ERR_POLICY, needle);
}

static void plain_values(void **state)
{
	(void)state;
	gives("nil", "null");
	gives("true", "true");
	gives("false", "false");
	gives("'it'", "\"it\"");
	gives("{ a = { b = { 1, 'x', false } } }", "{\"a\":{\"b\":[1,\"x\",false]}}");
}

static void numbers_keep_every_digit(void **state)
{
	(void)state;
	gives("math.maxinteger", "9223372036854775807");
	gives("math.mininteger", "-9223372036854775808");
	gives("123456789012345", "123456789012345");
	gives("0.5 * 3600", "1800");
	gives("0.1", "0.10000000000000001");
	gives("1e300", "1.0000000000000001e+300");
	refuses("0/0", "number");
	refuses("1/0", "number");
	refuses("{ a = -1/0 }", "number");
}

static void empty_tables_are_objects_unless_marked(void **state)
{
	(void)state;
	gives("{}", "{}");
	gives("host.json_array {}", "[]");
	gives("host.json_array { 1 }", "[1]");
	gives("{ a = host.json_array {} }", "{\"a\":[]}");
	gives("setmetatable({}, { __index = { 1, 2 }, __len = function() return 9 end })", "{}");
	refuses("host.json_array { a = 1 }", "mixed keys");
}

static void holes(void **state)
{
	(void)state;
	gives("{ 1, nil, 3 }", "[1,null,3]");
	gives("{ [1000000] = true }", "{\"1000000\":true}");
	gives("{ [math.maxinteger] = 1 }", "{\"9223372036854775807\":1}");
}

static void what_json_cannot_say(void **state)
{
	(void)state;
	refuses("print or function() end", "function");
	refuses("{ { a = { function() end } } }", "function");
	refuses("coroutine.create(function() end)", "thread");
	refuses("{ 1, a = 2 }", "mixed keys");
	refuses("{ [0] = 1 }", "mixed keys");
	refuses("{ [1.5] = 1 }", "mixed keys");
	refuses("{ [true] = 1 }", "mixed keys");
	refuses("{ ['a\\0'] = 1 }", "key");
	refuses("{ ['\\xff'] = 1 }", "key");
	test_fails("local t = {} t.t = t return host.json_encode(t)", "", ERR_POLICY, "itself");
	test_fails("return host.json_encode()", "", ERR_POLICY, "value expected");
}

/* A table that holds itself twice at each of 60 levels would be 2^60 values. */
static void shared_tables_end_at_the_cap(void **state)
{
	(void)state;
	test_fails("local t = {} for _ = 1, 60 do t = { t, t } end return host.json_encode(t)", "",
		   ERR_NOMEM, "memory");
}

/* Each is given as bytes of input, and what C reads back. */
static void texts_are_always_valid_utf8(void **state)
{
	static const struct {
		const char *input, *expected;
	} cases[] = {
		{ "plain", "plain" },
		{ "\"\\/\b\f\n\r\t\x1f\x7f", "\"\\/\b\f\n\r\t\x1f\x7f" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\xff z", "a\xef\xbf\xbd z" },
		{ "\xc3", "\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80!", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xff\"\n\xc3\xa9", "\xef\xbf\xbd\"\n\xc3\xa9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
		struct buf output = { 0 };
		struct err err;

		assert_int_equal(test_run(vm, "return host.json_encode { text = input }",
					  cases[i].input, &output, &err),
				 0);
		json_t *value = json_parse(output.bytes, output.len, &err);
		if (!value)
			fail_msg("%s: %s", output.bytes, err.text);
		assert_string_equal(json_str(value, "text"), cases[i].expected);
		json_decref(value);
		buf_done(&output);
		vm_free(vm);
	}
}

static void nul_bytes_are_escaped(void **state)
{
	(void)state;
	gives("'a\\0b'", "\"a\\u0000b\"");
}

static void what_was_decoded_is_encoded_the_same(void **state)
{
	static const char *const texts[] = { "[1,2,[3,\"\\u0001\"]]", "{\"a\":{\"b\":[true,0.25]}}",
					     "\"\\\"\\\\/\"", "[{}]" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		test_gives("return host.json_encode(host.json_decode(input))", texts[i], texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_values),
		cmocka_unit_test(numbers_keep_every_digit),
		cmocka_unit_test(empty_tables_are_objects_unless_marked),
		cmocka_unit_test(holes),
		cmocka_unit_test(what_json_cannot_say),
		cmocka_unit_test(shared_tables_end_at_the_cap),
		cmocka_unit_test(texts_are_always_valid_utf8),
		cmocka_unit_test(nul_bytes_are_escaped),
		cmocka_unit_test(what_was_decoded_is_encoded_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
