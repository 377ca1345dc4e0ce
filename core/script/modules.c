#include "script/modules.h"

#include <string.h>

#include <lauxlib.h>

static const char added_key, loaded_key, loading_key; /* registry keys: their addresses */

static const struct module *find(const char *name)
{
	for (const struct module *module = modules_embedded; module->name; module++)
		if (strcmp(module->name, name) == 0)
			return module;
	return NULL;
}

/* Pushes the chunk. */
static void load(lua_State *L, const char *name)
{
	const struct module *module = find(name);
	const char *text = module ? module->text : NULL;
	size_t len = module ? module->len : 0;
	const char *dot = strrchr(name, '.');

	lua_rawgetp(L, LUA_REGISTRYINDEX, &added_key);
	lua_pushstring(L, name);
	if (lua_rawget(L, -2) == LUA_TSTRING) /* the table keeps the text alive */
		text = lua_tolstring(L, -1, &len);
	if (!text)
		luaL_error(L, "module '%s' is not part of this binary", name);

	const char *chunk = lua_pushfstring(L, MODULES_CHUNK "%s.lua", dot ? dot + 1 : name);
	if (luaL_loadbufferx(L, text, len, chunk, "t") != LUA_OK)
		lua_error(L);
	lua_replace(L, -4);
	lua_pop(L, 2);
}

static int require(lua_State *L)
{
	modules_require(L, luaL_checkstring(L, 1));
	return 1;
}

void modules_require(lua_State *L, const char *name)
{
	luaL_checkstack(L, 8, "too many modules require each other");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key); /* loaded */
	if (lua_getfield(L, -1, name) != LUA_TNIL) {	/* loaded value */
		if (lua_touserdata(L, -1) == &loading_key)
			luaL_error(L, "module '%s' requires itself", name);
		lua_remove(L, -2); /* value */
		return;
	}
	lua_pop(L, 1); /* loaded */
	lua_pushlightuserdata(L, (void *)&loading_key);
	lua_setfield(L, -2, name);

	load(L, name); /* loaded chunk */
	lua_pushstring(L, name);
	lua_call(L, 1, 1); /* loaded value */
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushboolean(L, 1);
	}
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, name);
	lua_remove(L, -2); /* value */
}

int modules_add(lua_State *L)
{
	luaL_checkstring(L, 1);
	luaL_checkstring(L, 2);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &added_key);
	lua_insert(L, 1); /* added name text */
	lua_settop(L, 3);
	lua_rawset(L, 1);
	return 0;
}

void modules_open(lua_State *L)
{
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &added_key);
	lua_register(L, "require", require);
}
