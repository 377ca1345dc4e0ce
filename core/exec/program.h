#pragma once

/* Where a program of the whitelist is.  run_find_program() of exec/run.h is the public name. */

#include "base/err.h"
#include "exec/whitelist.h"

/* The absolute path, which the caller frees; NULL with ERR_NOTFOUND.  Relative and empty folders of
 * search_path are skipped: the working directory is never one. */
char *program_find(const struct executor *executor, const char *search_path, struct err *err);
