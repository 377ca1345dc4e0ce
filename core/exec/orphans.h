#pragma once

/* What dead runners left to the daemon.  run_know_pid() and run_forget_pid() of exec/run.h are
 * the public half. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Calls `start`, which makes a child and returns its pid or -1 with err filled, and knows that
 * child before any other thread can take it for an orphan.
 */
pid_t orphans_start_known(pid_t (*start)(void *context, struct err *err), void *context,
			  struct err *err);

/* Kills every child that is not known; false when some are still left at `until` (monotonic). */
bool orphans_kill(int64_t until);
