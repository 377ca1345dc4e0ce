#pragma once

/*
 * What a run may be given beside its prompt without `permissions = "full"`: arguments of its own
 * and variables.  The whitelist lists the arguments that are harmless; every other one, in every
 * spelling, counts as dangerous.  Asked when a config or a handler's answer is read, and by the
 * runner right before exec.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "exec/whitelist.h"

#define PERMIT_ARGUMENTS 32	  /* arguments of one run, at most */
#define PERMIT_ARGUMENT_MOST 8192 /* bytes of one */

/* 0, or -1 with ERR_INVALID, which names the first argument that needs "full" or is no argument. */
int permit_arguments(const struct executor *executor, const char *const *arguments, size_t count,
		     bool full, struct err *err);

/* Who names a variable: an operator in agents.X.env may also say where a CLI's settings and keys
 * are, a handler may not. */
enum permit_source { PERMIT_CONFIG, PERMIT_HANDLER };

int permit_variable(const char *name, enum permit_source source, bool full, struct err *err);

/* The variables that need "full" in config.lua: names, or their beginnings with a `*`;
 * NULL-terminated, static. */
const char *const *permit_variables(void);
