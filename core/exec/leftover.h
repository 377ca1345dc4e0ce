#pragma once

/*
 * What a run has left whose runner was killed together with its daemon, so that nobody was there to
 * end it.  The lock file of a working directory names the run that is in it; the next runner that
 * gets the lock ends what still carries that run's TMPDIR in its environment.
 */

#include "base/err.h"

/*
 * The lock is held.  Ends and removes what the run it names has left, then names `run_id`, whose
 * TMPDIR is `tmp_dir`.  -1: ERR_CONFLICT when a process of it does not go, ERR_NOMEM.
 */
int leftover_take(int lock, const char *run_id, const char *tmp_dir, struct err *err);

/* Nothing is left of the run. */
void leftover_none(int lock);
