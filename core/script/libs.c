#include "script/libs.h"

#include <lauxlib.h>
#include <lualib.h>

#include "script/state.h"

static const luaL_Reg libs[] = {
	{ LUA_GNAME, luaopen_base },	   { LUA_STRLIBNAME, luaopen_string },
	{ LUA_TABLIBNAME, luaopen_table }, { LUA_MATHLIBNAME, luaopen_math },
	{ LUA_UTF8LIBNAME, luaopen_utf8 }, { LUA_COLIBNAME, luaopen_coroutine },
};

static const char *const removed[] = { "dofile", "loadfile", "print", "warn" };

/*
 * load(text, chunkname, mode, env) as in the manual, but for a function as text and for bytecode:
 * a crafted bytecode chunk breaks out of the machine.
 */
static int load_text(lua_State *L)
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	const char *chunk = luaL_optstring(L, 2, text);

	lua_settop(L, 4);
	if (luaL_loadbufferx(L, text, len, chunk, "t") != LUA_OK) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	if (!lua_isnil(L, 4)) {
		lua_pushvalue(L, 4);
		lua_setupvalue(L, -2, 1);
	}
	return 1;
}

/* Pushes a copy of the string library. */
static void push_methods(lua_State *L)
{
	lua_newtable(L); /* methods */
	lua_getglobal(L, LUA_STRLIBNAME);
	lua_pushnil(L);
	while (lua_next(L, -2)) { /* methods string name function */
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -5);
	}
	lua_pop(L, 1); /* methods */
}

/*
 * Methods are looked up in a copy, and getmetatable("") gives false.  Otherwise one policy could
 * rewrite string.format for everybody.  For config.lua there are none: it needs none, and a
 * pattern or a string.rep cannot be stopped by the deadline, which nobody there would enforce by
 * killing the process.
 */
static void seal_strings(lua_State *L)
{
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1); /* "" meta */
	if (state_vm(L)->kind == VM_CONFIG)
		lua_newtable(L);
	else
		push_methods(L); /* "" meta methods */
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 2);
}

void libs_open(lua_State *L)
{
	for (size_t i = 0; i < sizeof(libs) / sizeof(libs[0]); i++) {
		luaL_requiref(L, libs[i].name, libs[i].func, 1);
		lua_pop(L, 1);
	}
	for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++) {
		lua_pushnil(L);
		lua_setglobal(L, removed[i]);
	}
	lua_getglobal(L, LUA_STRLIBNAME);
	lua_pushnil(L);
	lua_setfield(L, -2, "dump");
	lua_pop(L, 1);
	lua_register(L, "load", load_text);
	seal_strings(L);
}
