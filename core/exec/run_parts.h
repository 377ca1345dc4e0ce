#pragma once

/* What daemon and runner must agree on; private to core/exec/. */

#define RUN_LOCK_WAIT 10000 /* ms that a runner waits for an earlier run's lock */
