#include "script/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "script/decode.h"
#include "script/encode.h"

#define FILE_MAX (1024 * 1024) /* bytes of a file that config.lua names */

static const char host_key; /* registry key: its address */

static int host_log(lua_State *L)
{
	static const char *const names[] = { "debug", "info", "warn", "error", NULL };
	struct vm *vm = state_vm(L);
	const int level = luaL_checkoption(L, 1, NULL, names);
	size_t len;
	const char *text = luaL_checklstring(L, 2, &len);

	if (vm->listener.log && vm->lines++ < VM_LOG_LINES)
		vm->listener.log(vm->listener.ctx, (enum log_level)level, text,
				 utf8_clip(text, len, VM_LOG_BYTES));
	return 0;
}

static int host_note(lua_State *L)
{
	struct vm *vm = state_vm(L);
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);

	if (vm->listener.note && vm->notes++ < VM_NOTES)
		vm->listener.note(vm->listener.ctx, text, utf8_clip(text, len, VM_NOTE_BYTES));
	return 0;
}

static int host_now(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)clock_wall() / 1000);
	return 1;
}

static int host_getenv(lua_State *L)
{
	lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
	return 1;
}

/* The whole file into bytes.  Returns its mode, or -1 with errno set. */
static int slurp(const char *path, struct buf *bytes)
{
	char piece[4096];
	struct stat st;
	ssize_t n = -1;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		goto out;
	errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	if (!S_ISREG(st.st_mode))
		goto out;
	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		errno = bytes->len + (size_t)n > FILE_MAX ? EFBIG : ENOMEM;
		if (bytes->len + (size_t)n > FILE_MAX || buf_append(bytes, piece, (size_t)n) < 0) {
			n = -1;
			break;
		}
	}
out:
	close(fd);
	return n < 0 ? -1 : (int)(st.st_mode & 07777);
}

static int host_readfile(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct vm *vm = state_vm(L);

	buf_clear(&vm->scratch);
	const int mode = slurp(path, &vm->scratch);
	if (mode < 0) {
		lua_pushnil(L);
		lua_pushstring(L, errno == EINVAL ? "not a regular file" : strerror(errno));
		return 2;
	}
	lua_pushlstring(L, vm->scratch.len ? vm->scratch.bytes : "", vm->scratch.len);
	lua_pushnil(L);
	lua_pushinteger(L, mode);
	return 3;
}

static const luaL_Reg common[] = {
	{ "log", host_log },
	{ "note", host_note },
	{ "now", host_now },
	{ "json_encode", encode_json },
	{ "json_array", encode_array },
	{ NULL, NULL },
};

static const luaL_Reg for_config[] = {
	{ "getenv", host_getenv },
	{ "readfile", host_readfile },
	{ NULL, NULL },
};

void host_open(lua_State *L)
{
	luaL_newlib(L, common);
	if (state_vm(L)->kind == VM_CONFIG)
		luaL_setfuncs(L, for_config, 0);
	decode_push(L);
	lua_setfield(L, -2, "json_decode");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &host_key);
}

void host_push(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &host_key);
}
