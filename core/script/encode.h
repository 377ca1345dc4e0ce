#pragma once

#include <lua.h>

/*
 * lua_CFunction(value) -> text.  Own because lua-cjson's encoder writes 14 digits, knows no empty
 * array, takes memory outside of the cap and calls exit() when there is none (measured on 2.1.0).
 * What it writes is always JSON that base/json.h reads: strings are made valid UTF-8.
 */
int encode_json(lua_State *L);

/* lua_CFunction(table) -> the same table, marked as an array. */
int encode_array(lua_State *L);
