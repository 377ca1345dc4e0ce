#pragma once

#include <lua.h>

/*
 * Opens what the runtime modules of lua/openpr/ use: base, string, table, math, utf8, coroutine.
 * There is no io, os, debug, package, print, warn, dofile, loadfile or string.dump, load() takes
 * text only, and the methods of strings live in a table that no Lua code can reach.  What a policy
 * sees of this is lua/openpr/sandbox.lua's choice.  Raises.
 */
void libs_open(lua_State *L);
