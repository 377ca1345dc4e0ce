#pragma once

#include "script/state.h"

/* Makes the table `host` that script/vm.h describes.  Raises. */
void host_open(lua_State *L);

/* Pushes it.  Needs no memory. */
void host_push(lua_State *L);
