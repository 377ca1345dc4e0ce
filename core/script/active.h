#pragma once

/* Which lines of a Lua text can be run at all: what coverage is measured against. */

#include <stddef.h>

#include "base/err.h"
#include "base/lines.h"

/*
 * Adds every line that has an instruction of its own, in the file's main chunk and in all functions
 * written in it, whether or not they are ever made.  The return that Lua puts behind each function
 * is left out, for it cannot be reached behind a written one.  Compiles the text and runs nothing.
 * -1: ERR_POLICY (it does not compile; the text names `name` and the line), ERR_NOMEM, ERR_INVALID
 * (this Lua dumps chunks in a form that is not Lua 5.4's).
 */
int active_lines(const char *name, const char *text, size_t len, struct lines *lines,
		 struct err *err);
