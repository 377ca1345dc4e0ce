#include "script/encode.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/utf8.h"

#define DEPTH 64
#define EXACT 9007199254740992.0 /* 2^53 */
#define REPLACEMENT "\xef\xbf\xbd"

static const char array_key; /* registry key: its address */

/* The text being written, in a userdata so that the cap counts it and a raise frees it. */
struct out {
	lua_State *L;
	int slot; /* of the userdata on the stack */
	char *bytes;
	size_t len, cap;
};

static void put(struct out *out, const void *bytes, size_t len)
{
	if (len > out->cap - out->len) {
		const size_t cap = (out->len + len) * 2;
		char *grown = lua_newuserdatauv(out->L, cap, 0);

		if (out->len > 0)
			memcpy(grown, out->bytes, out->len);
		lua_replace(out->L, out->slot);
		out->bytes = grown;
		out->cap = cap;
	}
	memcpy(out->bytes + out->len, bytes, len);
	out->len += len;
}

static void put_text(struct out *out, const char *text)
{
	put(out, text, strlen(text));
}

static void put_escape(struct out *out, unsigned char byte)
{
	char text[8];

	switch (byte) {
	case '"':
	case '\\':
		snprintf(text, sizeof(text), "\\%c", byte);
		break;
	case '\n':
		snprintf(text, sizeof(text), "\\n");
		break;
	default:
		snprintf(text, sizeof(text), "\\u%04x", byte);
	}
	put_text(out, text);
}

static bool needs_escape(unsigned char byte)
{
	return byte < 0x20 || byte == '"' || byte == '\\';
}

static void put_string(struct out *out, const char *text, size_t len)
{
	const bool valid = utf8_valid(text, len);
	size_t plain = 0; /* bytes before text that are not written yet */

	put_text(out, "\"");
	while (len > 0) {
		const bool escape = needs_escape((unsigned char)*text);
		size_t size = valid ? 1 : utf8_step(text, len);

		if (!escape && size > 0) {
			plain += size;
		} else {
			put(out, text - plain, plain);
			plain = 0;
			if (escape)
				put_escape(out, (unsigned char)*text);
			else
				put_text(out, REPLACEMENT);
			size = 1;
		}
		text += size;
		len -= size;
	}
	put(out, text - plain, plain);
	put_text(out, "\"");
}

static void put_number(struct out *out, int index)
{
	char text[40];
	int is_whole;
	const lua_Integer whole = lua_tointegerx(out->L, index, &is_whole);
	const lua_Number number = lua_tonumber(out->L, index);

	if (!isfinite(number))
		luaL_error(out->L, "JSON has no way to write this number");
	if (lua_isinteger(out->L, index) || (is_whole && number <= EXACT && number >= -EXACT))
		snprintf(text, sizeof(text), "%" PRId64, (int64_t)whole);
	else
		snprintf(text, sizeof(text), "%.17g", number);
	put_text(out, text);
}

static void put_value(struct out *out, int index, int depth);

struct shape {
	size_t keys, strings;
	lua_Integer last; /* the largest positive integer key; -1: some key is no such thing */
};

static struct shape look(lua_State *L, int table)
{
	struct shape shape = { 0 };

	lua_pushnil(L);
	while (lua_next(L, table)) {
		lua_pop(L, 1);
		shape.keys++;
		if (lua_type(L, -1) == LUA_TSTRING)
			shape.strings++;
		else if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1)
			shape.last = -1;
		else if (shape.last >= 0 && lua_tointeger(L, -1) > shape.last)
			shape.last = lua_tointeger(L, -1);
	}
	return shape;
}

static bool is_marked(lua_State *L, int table)
{
	if (!lua_getmetatable(L, table))
		return false;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
	const bool marked = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return marked;
}

static void put_array(struct out *out, int table, lua_Integer last, int depth)
{
	put_text(out, "[");
	for (lua_Integer i = 1; i <= last; i++) {
		if (i > 1)
			put_text(out, ",");
		lua_rawgeti(out->L, table, i);
		put_value(out, lua_gettop(out->L), depth);
		lua_pop(out->L, 1);
	}
	put_text(out, "]");
}

static void put_key(struct out *out)
{
	size_t len;
	char digits[32];

	if (lua_isinteger(out->L, -2)) {
		snprintf(digits, sizeof(digits),
			 "\"%" PRId64 "\":", (int64_t)lua_tointeger(out->L, -2));
		put_text(out, digits);
		return;
	}
	const char *key = lua_tolstring(out->L, -2, &len); /* a string: nothing is converted */
	if (memchr(key, '\0', len) || !utf8_valid(key, len))
		luaL_error(out->L, "a key that is not plain UTF-8 text cannot be written as JSON");
	put_string(out, key, len);
	put_text(out, ":");
}

static void put_object(struct out *out, int table, int depth)
{
	bool first = true;

	put_text(out, "{");
	lua_pushnil(out->L);
	while (lua_next(out->L, table)) { /* key value */
		if (!first)
			put_text(out, ",");
		first = false;
		put_key(out);
		put_value(out, lua_gettop(out->L), depth);
		lua_pop(out->L, 1);
	}
	put_text(out, "}");
}

/*
 * Positive integer keys make an array, holes (which null leaves behind when decoded) are null; but
 * an array that is mostly holes is written as an object.
 */
static void put_table(struct out *out, int table, int depth)
{
	luaL_checkstack(out->L, 6, "the value is nested too deeply");
	if (depth >= DEPTH)
		luaL_error(out->L, "the value is nested deeper than %d, or contains itself", DEPTH);

	const struct shape shape = look(out->L, table);
	const bool marked = is_marked(out->L, table);

	if (shape.last < 0 || (shape.strings > 0 && (shape.last > 0 || marked)))
		luaL_error(out->L, "a table with mixed keys cannot be written as JSON");
	if ((shape.last > 0 && (size_t)shape.last <= 2 * shape.keys + 16) ||
	    (marked && shape.last == 0))
		put_array(out, table, shape.last, depth + 1);
	else
		put_object(out, table, depth + 1);
}

static void put_value(struct out *out, int index, int depth)
{
	size_t len;
	const char *text;

	switch (lua_type(out->L, index)) {
	case LUA_TNIL:
		put_text(out, "null");
		break;
	case LUA_TBOOLEAN:
		put_text(out, lua_toboolean(out->L, index) ? "true" : "false");
		break;
	case LUA_TNUMBER:
		put_number(out, index);
		break;
	case LUA_TSTRING:
		text = lua_tolstring(out->L, index, &len);
		put_string(out, text, len);
		break;
	case LUA_TTABLE:
		put_table(out, index, depth);
		break;
	default:
		luaL_error(out->L, "a %s cannot be written as JSON", luaL_typename(out->L, index));
	}
}

int encode_json(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_settop(L, 1);
	lua_pushnil(L); /* the slot */

	struct out out = { .L = L, .slot = 2 };
	put_value(&out, 1, 0);
	lua_pushlstring(L, out.bytes, out.len);
	return 1;
}

int encode_array(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
	}
	lua_setmetatable(L, 1);
	return 1;
}
