#include "script/vm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "base/utf8.h"
#include "script/host.h"
#include "script/libs.h"
#include "script/modules.h"
#include "script/state.h"

#define HOOK_EVERY                                                                                 \
	100 /* instructions between two looks at the clock; 1000 is no faster (measured) */

struct call {
	const char *module, *function;
	const void *input;
	size_t input_len;
	struct buf *output;
	bool no_room; /* output could not grow */
};

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/*
 * Lua answers a refusal by collecting all garbage and asking again, without a growing allocation in
 * between.  Only when that is not what comes next has it raised an error.
 */
static void note_refusal(struct vm *vm, size_t size, bool refused)
{
	if (vm->refused != 0 && (refused || size != vm->refused))
		vm->worn = vm->starved = true;
	vm->refused = refused ? size : 0;
}

static void *allocate(void *ud, void *ptr, size_t old_size, size_t size)
{
	struct vm *vm = ud;

	if (!ptr)
		old_size = 0; /* Lua passes a type tag here */
	if (size == 0) {
		free(ptr);
		vm->used -= old_size;
		return NULL;
	}
	const bool fits = size <= old_size || size - old_size <= vm->limits.memory - vm->used;
	void *moved = fits ? realloc(ptr, size) : NULL;
	if (!moved && size <= old_size)
		moved = ptr; /* Lua counts on this: shrinking does not fail */
	if (!moved || size > old_size)
		note_refusal(vm, size, !moved);
	if (moved)
		vm->used = vm->used - old_size + size;
	return moved;
}

/*
 * CPU time, so that a busy machine does not punish an innocent policy; but asking for it is a
 * system call, so it is asked only when the wall clock says that it may have passed.
 */
static bool overran(struct vm *vm)
{
	const int64_t now = nanoseconds(CLOCK_MONOTONIC);

	if (now < vm->look_at)
		return false;
	const int64_t spent = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - vm->cpu_start;
	const int64_t left = vm->limits.deadline * 1000000 - spent;
	vm->look_at = now + left;
	return left <= 0;
}

/* Fills ar with the innermost function that is no runtime module's, else with the innermost. */
static bool find_culprit(lua_State *L, lua_Debug *ar)
{
	for (int level = 0; lua_getstack(L, level, ar); level++) {
		lua_getinfo(L, "Sl", ar);
		if (ar->source[0] == '@' &&
		    strncmp(ar->source, MODULES_CHUNK, strlen(MODULES_CHUNK)))
			return true;
	}
	return lua_getstack(L, 0, ar) && lua_getinfo(L, "Sl", ar);
}

static void note_culprit(struct vm *vm, lua_State *L)
{
	lua_Debug ar;
	char where[LUA_IDSIZE + 16] = "";

	if (find_culprit(L, &ar))
		snprintf(where, sizeof(where), "%s:%d: ", ar.short_src, ar.currentline);
	snprintf(vm->late_text, sizeof(vm->late_text), "%stook longer than %" PRId64 " ms", where,
		 vm->limits.deadline);
}

/*
 * Once late, the hook fires at every instruction, so that no pcall() can swallow the error and go
 * on.  It is set once, when the state is made: coroutines inherit it from their maker.
 */
static void check_deadline(lua_State *L, lua_Debug *ar)
{
	struct vm *vm = state_vm(L);

	(void)ar;
	if (!vm->late) {
		if (!overran(vm))
			return;
		vm->late = true;
		note_culprit(vm, L);
	}
	lua_sethook(L, check_deadline, LUA_MASKCOUNT, 1);
	lua_pushliteral(L, "took too long");
	lua_error(L);
}

static void look_at_line(lua_State *L, lua_Debug *ar)
{
	const struct vm *vm = state_vm(L);

	if (ar->event == LUA_HOOKCOUNT) {
		check_deadline(L, ar);
	} else if (!vm->late) {
		lua_getinfo(L, "S", ar);
		vm->listener.line(vm->listener.ctx, ar->source, ar->currentline);
	}
}

static void arm(struct vm *vm)
{
	vm->late = vm->starved = false;
	vm->lines = vm->notes = 0;
	vm->look_at = INT64_MAX;
	if (vm->limits.deadline > 0) {
		vm->cpu_start = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
		vm->look_at = nanoseconds(CLOCK_MONOTONIC) + vm->limits.deadline * 1000000;
	}
}

static bool says_no_memory(const char *text)
{
	static const char words[] = "not enough memory";
	const size_t len = strlen(text), tail = sizeof(words) - 1;

	return len >= tail && strcmp(text + len - tail, words) == 0;
}

/* Words what lua_pcall() left on the stack.  Raw looks only: the value may be a policy's. */
static int fail(struct vm *vm, int rc, struct err *err)
{
	const bool is_text = lua_type(vm->L, -1) == LUA_TSTRING;
	const char *text =
	    is_text ? lua_tostring(vm->L, -1) : "an error that is not a text was raised";

	if (vm->late)
		return err_set(err, ERR_TIMEOUT, "%s", vm->late_text);
	if (rc == LUA_ERRMEM || (vm->starved && says_no_memory(text)))
		return err_set(err, ERR_NOMEM, "needs more memory than the %zu KiB it may have",
			       vm->limits.memory / 1024);
	return err_set(err, ERR_POLICY, "%.*s",
		       (int)utf8_clip(text, strlen(text), sizeof(err->text) - 1), text);
}

/* Runs fn(ctx) in protected mode; neither push allocates.  The stack is empty afterwards. */
static int protect(struct vm *vm, lua_CFunction fn, void *ctx, struct err *err)
{
	arm(vm);
	lua_pushcfunction(vm->L, fn);
	lua_pushlightuserdata(vm->L, ctx);
	int rc = lua_pcall(vm->L, 1, 0, 0);
	note_refusal(vm, 0, false);
	if (rc != LUA_OK || vm->late)
		rc = fail(vm, rc, err);
	vm->look_at = INT64_MAX;
	lua_settop(vm->L, 0);
	return rc;
}

static int perform(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	size_t len;

	lua_settop(L, 0);
	modules_require(L, call->module);
	if (!lua_istable(L, 1) || lua_getfield(L, 1, call->function) != LUA_TFUNCTION)
		luaL_error(L, "module %s has no function %s", call->module, call->function);
	lua_pushlstring(L, call->input_len ? call->input : "", call->input_len);
	host_push(L);
	lua_call(L, 2, 1);
	if (lua_type(L, -1) != LUA_TSTRING)
		luaL_error(L, "%s.%s returned a %s instead of a string", call->module,
			   call->function, luaL_typename(L, -1));

	const char *text = lua_tolstring(L, -1, &len);
	if (!state_vm(L)->late) /* a trip may have been swallowed, by table.concat for one */
		call->no_room = buf_append(call->output, text, len) < 0;
	return 0;
}

int vm_call(struct vm *vm, const char *module, const char *function, const void *input,
	    size_t input_len, struct buf *output, struct err *err)
{
	struct call call = { module, function, input, input_len, output, false };

	if (protect(vm, perform, &call, err) < 0)
		return -1;
	if (call.no_room)
		return err_set(err, ERR_NOMEM, "no memory for an answer");
	return 0;
}

static int open_all(lua_State *L)
{
	libs_open(L);
	modules_open(L);
	host_open(L);
	return 0;
}

struct vm *vm_new(enum vm_kind kind, const struct vm_limits *limits, struct err *err)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm) {
		err_set(err, ERR_NOMEM, "no memory for a Lua state");
		return NULL;
	}
	vm->kind = kind;
	vm->limits = *limits;
	vm->L = lua_newstate(allocate, vm);
	if (!vm->L) {
		err_set(err, ERR_NOMEM, "a Lua state does not fit in %zu bytes", limits->memory);
		goto fail;
	}
	*(struct vm **)lua_getextraspace(vm->L) = vm;
	lua_sethook(vm->L, check_deadline, LUA_MASKCOUNT, HOOK_EVERY);
	if (protect(vm, open_all, NULL, err) < 0)
		goto fail;
	return vm;
fail:
	vm_free(vm);
	return NULL;
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	if (vm->L)
		lua_close(vm->L);
	buf_done(&vm->scratch);
	free(vm);
}

void vm_set_deadline(struct vm *vm, int64_t deadline)
{
	vm->limits.deadline = deadline;
}

void vm_listen(struct vm *vm, const struct vm_listener *listener)
{
	vm->listener = *listener;
	if (listener->line)
		lua_sethook(vm->L, look_at_line, LUA_MASKCOUNT | LUA_MASKLINE, HOOK_EVERY);
}

static int add_module(lua_State *L)
{
	const char *const *pair = lua_touserdata(L, 1);

	lua_pushcfunction(L, modules_add);
	lua_pushstring(L, pair[0]);
	lua_pushstring(L, pair[1]);
	lua_call(L, 2, 0);
	return 0;
}

int vm_add_module(struct vm *vm, const char *name, const char *text, struct err *err)
{
	const char *pair[2] = { name, text };

	return protect(vm, add_module, (void *)pair, err);
}

bool vm_worn(const struct vm *vm)
{
	return vm->worn;
}
