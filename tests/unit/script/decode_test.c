#include "lua_test.h"

#define DECODED "local v = host.json_decode(input) "

static void whole_numbers_are_integers(void **state)
{
	(void)state;
	test_gives(DECODED "return v[1] .. ' ' .. math.type(v[2]) .. ' ' .. v[3] .. ' ' .. v[4].n",
		   "[4242, 1.5, -9007199254740992, {\"n\": 3.0}]",
		   "4242 float -9007199254740992 3");
	test_gives(DECODED "return math.type(v)", "7", "integer");
}

static void numbers_that_lost_digits_stay_floats(void **state)
{
	(void)state;
	test_gives(DECODED "return math.type(v[1]) .. math.type(v[2])", "[9007199254740994, 1e300]",
		   "floatfloat");
}

static void null_is_nil(void **state)
{
	(void)state;
	test_gives(
	    DECODED "return tostring(v.a) .. tostring(v.b) .. tostring(next(v.c)) .. #v.d",
	    "{\"a\": null, \"b\": 1, \"c\": {\"x\": null, \"y\": null}, \"d\": [1, 2, null]}",
	    "nil1nil2");
	test_gives(DECODED "return tostring(v)", "null", "nil");
	test_gives(DECODED "return tostring(v[1]) .. tostring(v[2]) .. v[3]", "[1, null, 3]",
		   "1nil3");
}

static void texts_keep_every_byte(void **state)
{
	(void)state;
	test_gives(DECODED "return #v .. ' ' .. v:byte(2) .. v:sub(3)",
		   "\"a\\u0000\\u00e9\\ud83d\\ude00\\n\"", "9 0\xc3\xa9\xf0\x9f\x98\x80\n");
}

static void what_is_not_json_raises(void **state)
{
	static const char *const bad[] = {
		"",	  "{",	   "[1,]",	 "nan", "[Infinity]",
		"[0x10]", "{} {}", "{\"a\":1,}", "'a'", "\xef\xbb\xbf{}"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		test_fails(DECODED "return 'read'", bad[i], ERR_POLICY, "Expected");
	test_fails("host.json_decode({}) return ''", "", ERR_POLICY, "string expected");
	test_fails("host.json_decode() return ''", "", ERR_POLICY, "string expected");
}

static void depth_is_bounded(void **state)
{
	(void)state;
	test_gives("return #host.json_decode(('['):rep(64) .. (']'):rep(64)) .. ''", "", "1");
	test_fails("return #host.json_decode(('['):rep(65) .. (']'):rep(65))", "", ERR_POLICY,
		   "nested");
	test_fails("return #host.json_decode(('{\"a\":'):rep(1e5))", "", ERR_POLICY, "nested");
}

/* lua-cjson loses its buffer when Lua has no memory: why vm_worn() exists. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_new\nleak:strbuf_init\n";
}

static void memory_is_bounded(void **state)
{
	(void)state;
	test_fails("return #host.json_decode('[' .. ('{},'):rep(3e5) .. '1]')", "", ERR_NOMEM,
		   "memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_are_integers),
		cmocka_unit_test(numbers_that_lost_digits_stay_floats),
		cmocka_unit_test(null_is_nil),
		cmocka_unit_test(texts_keep_every_byte),
		cmocka_unit_test(what_is_not_json_raises),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
