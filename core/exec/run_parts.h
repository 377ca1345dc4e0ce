#pragma once

/* What daemon and runner must agree on; private to core/exec/. */

#include "exec/run.h"

#define RUN_LOCK_WAIT 10000 /* ms that a runner waits for an earlier run's lock */

/* Everything that can be said to be wrong before a process exists; executor may be NULL. */
int run_check(const struct run_spec *spec, const struct executor *executor, struct err *err);

/* spec_write() of the run as it will be: with its environment, and its prompt as UTF-8. */
int run_write_spec(const struct run_spec *spec, const struct executor *executor,
		   const char *tmp_dir, struct err *err);
