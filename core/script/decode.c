#include "script/decode.h"

#include <lauxlib.h>
#include <lua-cjson.h>

#define DEPTH 64
#define EXACT 9007199254740992.0 /* 2^53: up to here a double has every integer */

/* Replaces the number on the top by an integer.  False: it is not a whole one. */
static int make_integer(lua_State *L)
{
	const lua_Number number = lua_tonumber(L, -1);
	int is_whole;
	const lua_Integer whole = lua_tointegerx(L, -1, &is_whole);

	if (!is_whole || lua_isinteger(L, -1) || number > EXACT || number < -EXACT)
		return 0;
	lua_pop(L, 1);
	lua_pushinteger(L, whole);
	return 1;
}

/* Replaces what is on the top by what Lua code expects.  False: it may stay. */
static int tidy(lua_State *L)
{
	switch (lua_type(L, -1)) {
	case LUA_TNUMBER:
		return make_integer(L);
	case LUA_TLIGHTUSERDATA: /* lua-cjson's null, which would be true in an `if` */
		lua_pop(L, 1);
		lua_pushnil(L);
		return 1;
	case LUA_TTABLE:
		break;
	default:
		return 0;
	}

	luaL_checkstack(L, 5, "the JSON text is nested too deeply");
	lua_pushnil(L);
	while (lua_next(L, -2)) { /* table key value */
		if (!tidy(L)) {
			lua_pop(L, 1);
			continue;
		}
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4); /* of a key that is there: allowed while traversing */
	}
	return 0;
}

static int decode(lua_State *L)
{
	luaL_checkstring(L, 1);
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, 1);
	tidy(L);
	return 1;
}

void decode_push(lua_State *L)
{
	luaL_requiref(L, "cjson", luaopen_cjson, 0); /* cjson */
	lua_getfield(L, -1, "decode_invalid_numbers");
	lua_pushboolean(L, 0);
	lua_call(L, 1, 0);
	lua_getfield(L, -1, "decode_max_depth");
	lua_pushinteger(L, DEPTH);
	lua_call(L, 1, 0);
	lua_getfield(L, -1, "decode");
	lua_pushcclosure(L, decode, 1); /* cjson decode */
	lua_remove(L, -2);
}
