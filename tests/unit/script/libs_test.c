#include "lua_test.h"

static void what_could_reach_outside_is_absent(void **state)
{
	static const char *const names[] = { "io",    "os",    "debug",	     "package",
					     "print", "warn",  "dofile",     "loadfile",
					     "cjson", "bit32", "string.dump" };
	char body[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(body, sizeof(body), "return tostring(%s)", names[i]);
		test_gives(body, "", "nil");
	}
}

static void what_the_runtime_uses_is_there(void **state)
{
	(void)state;
	test_gives(
	    "local n = 0 for _, f in ipairs { load, pcall, xpcall, setmetatable, require, "
	    "string.rep, string.find, table.move, math.floor, utf8.char, coroutine.wrap } do "
	    "n = n + 1 end return n .. ''",
	    "", "11");
}

static void methods_of_strings_work_and_are_sealed(void **state)
{
	(void)state;
	test_gives("return ('ab'):rep(2) .. ('%d'):format(7) .. #('x'):upper()", "", "abab71");
	test_gives("return tostring(getmetatable(''))", "", "false");
	test_gives("return tostring((''):len() == 0 and ('').dump)", "", "nil");
	test_gives("string.rep = nil return ('x'):rep(3)", "", "xxx");
	test_gives("return '10' + 5 .. ''", "", "15");
	test_fails("setmetatable('', {}) return ''", "", ERR_POLICY, "table expected");
}

static void load_takes_text_only(void **state)
{
	(void)state;
	test_gives("return load('return 1 + 1')() .. ''", "", "2");
	test_gives("return load('return x', '=c', 't', { x = 'own' })()", "", "own");
	test_gives("return tostring(pcall(load('return _ENV.x', 'c', 't', false)))", "", "false");
	test_gives("local f, why = load('x x', '@p.lua') return tostring(f) .. why", "",
		   "nilp.lua:1: syntax error near 'x'");
	test_fails("return load(function() return 'x' end)", "", ERR_POLICY, "string expected");
	test_gives("local f, why = load(input, '=c', 'b') return tostring(f) .. why", "\x1bLuaT",
		   "nilattempt to load a binary chunk (mode is 't')");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_could_reach_outside_is_absent),
		cmocka_unit_test(what_the_runtime_uses_is_there),
		cmocka_unit_test(methods_of_strings_work_and_are_sealed),
		cmocka_unit_test(load_takes_text_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
