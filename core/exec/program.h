#pragma once

/* Where a program of the whitelist is, and what runs it.  run_find_program() of exec/run.h is the
 * public name. */

#include "base/err.h"
#include "exec/strings.h"
#include "exec/whitelist.h"

/* The absolute path, which the caller frees; NULL with ERR_NOTFOUND.  Relative and empty folders of
 * search_path are skipped: the working directory is never one. */
char *program_find(const struct executor *executor, const char *search_path, struct err *err);

/*
 * A script that begins with "#!/usr/bin/env NAME" would be run by what the agent's own PATH has
 * under that name.  This looks NAME up as program_find() does (then in the standard folders), and
 * adds its path and what follows it in that line to `argv`, in front of the script's.  Nothing is
 * added for any other program.  0, or -1 with err filled.
 */
int program_interpreter(const char *program, const char *search_path, struct strings *argv,
			struct err *err);
