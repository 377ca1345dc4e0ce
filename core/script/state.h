#pragma once

/* What the files of this folder share about a vm.  Nobody else includes it. */

#include <lua.h>

#include "script/vm.h"

struct vm {
	lua_State *L;
	enum vm_kind kind;
	struct vm_limits limits;
	struct vm_listener listener;
	size_t used;	/* bytes the state holds */
	size_t refused; /* of the last growing allocation, if it was refused; else 0 */

	int64_t cpu_start; /* ns of the thread's CPU time when the call began */
	int64_t look_at;   /* ns, monotonic: before this the deadline cannot have passed */
	bool late;	   /* the deadline has passed in this call */
	char late_text[200];

	bool worn;	    /* a memory error was raised, ever */
	bool starved;	    /* ... in this call */
	int lines, notes;   /* host.log and host.note in this call */
	struct buf scratch; /* bytes on their way into Lua, owned here: a raise cannot lose them */
};

/* The vm of a state or of any of its coroutines. */
static inline struct vm *state_vm(lua_State *L)
{
	return *(struct vm **)lua_getextraspace(L);
}
