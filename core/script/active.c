#include "script/active.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "base/utf8.h"

/*
 * debug.getinfo(f, "L") knows the lines of one function that exists; a function that no spec ever
 * calls may never be made.  So this reads the compiled chunk, which holds all of them.  Its form is
 * that of ldump.c and lundump.c of Lua 5.4.
 */

#define DEPTH 200     /* functions in functions: LUAI_MAXCCALLS bounds what compiles */
#define ABSOLUTE -128 /* a difference of lines that says: look into the table of absolute ones */

struct dump {
	const unsigned char *at, *end;
	bool broken;
	bool no_room;
	struct lines *lines;
};

static const unsigned char *take(struct dump *dump, size_t len)
{
	const unsigned char *at = dump->at;

	if ((size_t)(dump->end - at) < len) {
		dump->broken = true;
		return NULL;
	}
	dump->at += len;
	return at;
}

static unsigned take_byte(struct dump *dump)
{
	const unsigned char *at = take(dump, 1);

	return at ? *at : 0;
}

/* Seven bits a byte, the greatest first; the last byte has its highest bit set. */
static size_t take_size(struct dump *dump)
{
	size_t value = 0;
	unsigned byte;

	do {
		byte = take_byte(dump);
		value = value << 7 | (byte & 0x7f);
	} while (!(byte & 0x80) && !dump->broken);
	return value;
}

static void skip_items(struct dump *dump, size_t size)
{
	const size_t count = take_size(dump);

	if (count > (size_t)(dump->end - dump->at) / size)
		dump->broken = true;
	else
		take(dump, count * size);
}

static void skip_string(struct dump *dump)
{
	const size_t size = take_size(dump); /* 0: none; else its length and one */

	if (size > 1)
		take(dump, size - 1);
}

static void skip_constants(struct dump *dump)
{
	size_t count = take_size(dump);

	while (count-- > 0 && !dump->broken) {
		switch (take_byte(dump)) {
		case 0x03: /* integer */
			take(dump, sizeof(lua_Integer));
			break;
		case 0x13: /* float */
			take(dump, sizeof(lua_Number));
			break;
		case 0x04: /* short and long strings */
		case 0x14:
			skip_string(dump);
			break;
		default: /* nil, false, true */
			break;
		}
	}
}

/* A line for each instruction: differences of one byte, and absolute lines where one is too small.
 */
static void read_lines(struct dump *dump, size_t instructions, long line, bool is_vararg)
{
	const size_t count = take_size(dump);
	const signed char *differences = (const signed char *)take(dump, count);
	size_t absolute = take_size(dump);

	if (dump->broken || count != instructions) {
		dump->broken = true;
		return;
	}
	for (size_t i = 0; i < count && !dump->broken; i++) {
		if (differences[i] == ABSOLUTE) {
			take_size(dump); /* the instruction, which this is */
			line = (long)take_size(dump);
			dump->broken |= absolute-- == 0;
		} else {
			line += differences[i];
		}
		/* The first of a vararg function only moves arguments; the last is the implied
		 * return. */
		if (i + 1 < count && !(is_vararg && i == 0))
			dump->no_room |= lines_add(dump->lines, line) < 0;
	}
	dump->broken |= absolute != 0;
}

static void skip_names(struct dump *dump)
{
	size_t count = take_size(dump); /* local variables */

	while (count-- > 0 && !dump->broken) {
		skip_string(dump);
		take_size(dump);
		take_size(dump);
	}
	count = take_size(dump); /* upvalues */
	while (count-- > 0 && !dump->broken)
		skip_string(dump);
}

static void read_function(struct dump *dump, int depth)
{
	skip_string(dump); /* source */
	const long line = (long)take_size(dump);
	take_size(dump); /* its last line */
	take_byte(dump); /* parameters */
	const bool is_vararg = take_byte(dump) != 0;
	take_byte(dump); /* stack */

	const size_t instructions = take_size(dump);
	if (instructions > (size_t)(dump->end - dump->at) / 4) {
		dump->broken = true;
		return;
	}
	take(dump, instructions * 4);
	skip_constants(dump);
	skip_items(dump, 3); /* upvalues */

	size_t inner = take_size(dump);
	while (inner-- > 0 && !dump->broken) {
		if (depth == 0)
			dump->broken = true;
		else
			read_function(dump, depth - 1);
	}
	read_lines(dump, instructions, line, is_vararg);
	skip_names(dump);
}

/* Version 5.4, format 0, LUAC_DATA, sizes of instructions, integers and floats; their examples. */
static void read_header(struct dump *dump)
{
	static const unsigned char header[] = { 0x1b, 'L',  'u',  'a',	0x54, 0, 0x19, 0x93,
						'\r', '\n', 0x1a, '\n', 4,    8, 8 };
	const unsigned char *found = take(dump, sizeof(header));

	if (!found || memcmp(found, header, sizeof(header)) != 0)
		dump->broken = true;
	take(dump, 8 + 8);
	take_byte(dump); /* upvalues of the main function */
}

static int write_dump(lua_State *L, const void *bytes, size_t len, void *ctx)
{
	(void)L;
	return buf_append(ctx, bytes, len) < 0;
}

static int compile(const char *name, const char *text, size_t len, struct buf *out, struct err *err)
{
	char chunk[256];
	lua_State *L = luaL_newstate();
	int rc = 0;

	if (!L)
		return err_set(err, ERR_NOMEM, "no memory to compile %s", name);
	snprintf(chunk, sizeof(chunk), "@%s", name);
	rc = luaL_loadbufferx(L, text, len, chunk, "t"); /* a protected call of its own */
	if (rc == LUA_ERRMEM || (rc == LUA_OK && lua_dump(L, write_dump, out, 0) != 0)) {
		rc = err_set(err, ERR_NOMEM, "no memory to compile %s", name);
	} else if (rc != LUA_OK) {
		const char *why = lua_tostring(L, -1);
		rc = err_set(err, ERR_POLICY, "%s", why ? why : "it does not compile");
	}
	lua_close(L);
	return rc;
}

int active_lines(const char *name, const char *text, size_t len, struct lines *lines,
		 struct err *err)
{
	struct buf bytes = { 0 };
	int rc = compile(name, text, len, &bytes, err);

	if (rc == 0) {
		struct dump dump = {
			.at = (const unsigned char *)bytes.bytes,
			.end = (const unsigned char *)bytes.bytes + bytes.len,
			.lines = lines,
		};
		read_header(&dump);
		if (!dump.broken)
			read_function(&dump, DEPTH);
		if (dump.no_room)
			rc = err_set(err, ERR_NOMEM, "no memory for the lines of %s", name);
		else if (dump.broken || dump.at != dump.end)
			rc = err_set(err, ERR_INVALID, "this Lua's compiled chunks cannot be read");
	}
	buf_done(&bytes);
	return rc;
}
