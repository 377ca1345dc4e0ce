#pragma once

/*
 * A short look at another program (`claude --version`, `git status`): bounded in time and output,
 * with an environment from nothing, and without a shell.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct probe {
	const char *const *argv; /* NULL-terminated; argv[0] is the absolute path */
	const char *const *env;	 /* NULL-terminated, all of it */
	int64_t timeout;	 /* ms */
	size_t max_output;	 /* bytes of each stream */
};

/*
 * Runs it to its end in a session of its own, standard input empty; appends what it writes to `out`
 * and `said` (standard error).  0: it ended by itself, *code is its exit code (128 + signal).  -1:
 * not started (ERR_NOTFOUND, ERR_IO), too slow (ERR_TIMEOUT) or too much output (ERR_FULL).  In
 * every case nothing of it is left: the calling process becomes a subreaper and kills all its
 * children, so it must have no others.
 */
int probe_run(const struct probe *probe, struct buf *out, struct buf *said, int *code,
	      struct err *err);
