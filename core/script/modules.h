#pragma once

/* require() over the Lua files that are part of the binary. */

#include <lua.h>
#include <stddef.h>

struct module {
	const char *name; /* "openpr.rules" */
	const char *text;
	size_t len;
};

/* Made from lua/openpr/ by embed.cmake; ends with a NULL name. */
extern const struct module modules_embedded[];

/* Chunk names of embedded modules begin with this: "@lua/openpr/rules.lua". */
#define MODULES_CHUNK "@lua/openpr/"

/* Installs the global require().  Raises when memory is short. */
void modules_open(lua_State *L);

/* Pushes require(name).  Raises. */
void modules_require(lua_State *L, const char *name);

/* lua_CFunction(name, text): puts a module before the embedded ones. */
int modules_add(lua_State *L);
