#pragma once

/* A run's own TMPDIR. */

#include "base/err.h"

/*
 * Where it will be: `RUN.tmp` beside the log, or /tmp/openpr-RUN when that would be so long that
 * sockets in it could not be bound (sun_path has 108 bytes).  The caller frees; NULL: no memory.
 */
char *scratch_path(const char *log_path, const char *run_id);

/* Makes it, 0700, empty: what an earlier attempt left there is removed. */
int scratch_make(const char *path, struct err *err);

/*
 * Removes it with all that the agent has put there, without following symbolic links or entering
 * mounts, whatever the depth, names and modes.  No error when it does not exist.
 */
int scratch_remove(const char *path, struct err *err);
