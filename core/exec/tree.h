#pragma once

/*
 * Ends everything below the calling process, which must be a subreaper: what a killed process
 * leaves then comes to us, so that nothing escapes by double forks or sessions of its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* 0 when this kernel shows a process's children (/proc/PID/task/TID/children). */
int tree_probe(struct err *err);

/* Says whether a child of ours is to be left alone. */
typedef bool tree_spare(pid_t child, void *context);
/* Told of each child that was waited for; the status is waitpid()'s. */
typedef void tree_reaped(pid_t child, int status, void *context);

/*
 * Stops, kills and waits for every child that is not spared, and for all below them, until none is
 * left or `until` (monotonic ms) has passed.  True when none is left.  The two functions may be
 * NULL.
 */
bool tree_kill(tree_spare *spare, tree_reaped *reaped, void *context, int64_t until);
