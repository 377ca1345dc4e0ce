#pragma once

#include <lua.h>

/* Pushes a function: text -> value, by lua-cjson.  Raises. */
void decode_push(lua_State *L);
