#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>

#include "script/active.h"

/* "1 3-5 9" */
static void describe(const struct lines *lines, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (long line = 0; (line = lines_next(lines, line)) > 0;)
		at += (size_t)snprintf(out + at, size - at, "%s%ld", at ? " " : "", line);
}

static void check(const char *text, const char *expected)
{
	struct lines lines = { 0 };
	char found[4096];
	struct err err = { 0 };

	if (active_lines("policies/x.lua", text, strlen(text), &lines, &err) < 0)
		fail_msg("%s", err.text);
	describe(&lines, found, sizeof(found));
	assert_string_equal(found, expected);
	lines_done(&lines);
}

static void lines_that_can_run_are_found(void **state)
{
	(void)state;
	check("", "");
	check("-- a comment\n\n", "");
	check("-- one\n\nreturn 1\n", "3");
	check("local a = 1\nlocal b\nif a then\n  b = 2\nelse\n  b = 3\nend\nreturn b\n",
	      "1 2 3 4 6 8");
	check("return {\n  f(),\n  x,\n  'y',\n}\n",
	      "1 2 3 5"); /* a last constant goes in at the end */
}

static void functions_count_whether_or_not_they_are_made(void **state)
{
	(void)state;
	/* The `end` of a function is where it is made; the return behind line 3 is nobody's. */
	check("local function f(x)\n  if x then\n    return 1\n  end\nend\nreturn f\n", "2 3 5 6");
	check("return function()\n  return function()\n    return 1\n  end\nend\n", "3 4 5");
	check("if x then\n  return function()\n    error 'never'\n  end\nend\n", "1 3 4");
	check("return function(...)\n  local a = ...\n  return a\nend\n", "2 3 4");
}

static void long_texts_keep_their_numbers(void **state)
{
	struct buf text = { 0 };
	struct lines lines = { 0 };
	struct err err;

	(void)state;
	/* Far apart, and more instructions than are told by differences alone. */
	for (int i = 0; i < 1000; i++)
		buf_appendf(&text, "local a%d = { %d.5, 'x' }%s do local b = a%d end\n", i % 100, i,
			    i % 7 ? "" : "\n\n\n", i % 100);
	for (int i = 0; i < 300; i++)
		buf_append(&text, "\n", 1);
	buf_appendf(&text, "return 1\n");
	int rc = active_lines("x", text.bytes, text.len, &lines, &err);
	assert_int_equal(rc, -1); /* more than 200 local variables */
	assert_int_equal(err.code, ERR_POLICY);

	buf_clear(&text);
	long line = 1;
	for (int i = 0; i < 1000; i++, line += i % 7 ? 1 : 201) {
		buf_appendf(&text, "x.y%d = { %d.5, %d, 'text' }\n", i, i, i);
		for (int k = 1; (i + 1) % 7 == 0 && k < 201; k++)
			buf_append(&text, "\n", 1);
	}
	if (active_lines("x", text.bytes, text.len, &lines, &err) < 0)
		fail_msg("%s", err.text);
	line = 1;
	long found = 0;
	for (int i = 0; i < 1000; i++, line += i % 7 ? 1 : 201) {
		found = lines_next(&lines, found);
		assert_int_equal(found, line);
	}
	assert_int_equal(lines_next(&lines, found), 0);
	lines_done(&lines);
	buf_done(&text);
}

static void what_does_not_compile_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *why;
	} cases[] = {
		{ "local = 1\n", 10, "policies/x.lua:1: " },
		{ "\x1bLua", 4, "attempt to load a binary chunk" },
		{ "x = '\n", 6, "policies/x.lua:1: unfinished string" },
	};
	struct lines lines = { 0 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    active_lines("policies/x.lua", cases[i].text, cases[i].len, &lines, &err), -1);
		assert_int_equal(err.code, ERR_POLICY);
		assert_non_null(strstr(err.text, cases[i].why));
		assert_int_equal(lines.bits.len, 0);
	}
}

/* Lua's own word for the main function of each shipped policy: no line of it is missing here. */
static void lua_itself_agrees(void **state)
{
	static const char *const names[] = { "filter", "route", "render", "callback" };
	char path[512];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		static char text[65536];
		struct lines lines = { 0 };
		struct err err;
		lua_Debug ar;
		lua_State *L = luaL_newstate();
		snprintf(path, sizeof(path), "%s/policies/%s.lua", TEST_SOURCE_DIR, names[i]);
		FILE *file = fopen(path, "rb");
		assert_non_null(file);
		const size_t len = fread(text, 1, sizeof(text), file);
		fclose(file);
		if (active_lines(path, text, len, &lines, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(luaL_loadbuffer(L, text, len, "x"), LUA_OK);
		assert_int_equal(lua_getinfo(L, ">L", &ar), 1);
		int count = 0;
		lua_pushnil(L);
		while (lua_next(L, -2)) {
			assert_true(lines_has(&lines, (long)lua_tointeger(L, -2)));
			lua_pop(L, 1);
			count++;
		}
		assert_true(count > 0);
		lua_close(L);
		lines_done(&lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_can_run_are_found),
		cmocka_unit_test(functions_count_whether_or_not_they_are_made),
		cmocka_unit_test(long_texts_keep_their_numbers),
		cmocka_unit_test(what_does_not_compile_is_refused),
		cmocka_unit_test(lua_itself_agrees),
	};

	return cmocka_run_group_tests_name("active", tests, NULL, NULL);
}
