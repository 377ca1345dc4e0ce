#pragma once

/*
 * The small process that forks workers.  It is made before the daemon has threads or secrets, so
 * that a worker inherits neither.
 */

#include <stdint.h>

/* What policy/host.c asks over a SOCK_SEQPACKET socket, one message each way. */
enum zygote_verb {
	ZYGOTE_SPAWN, /* with two descriptors: the worker's end of a socket, the bundle */
	ZYGOTE_END,   /* kills the worker `pid` if it still runs, and reaps it */
};

struct zygote_order {
	int32_t verb;
	int32_t pid;
};

struct zygote_reply {
	int32_t value;	/* SPAWN: the pid; else 0; below 0: -errno */
	int32_t status; /* END: as waitpid() gives it */
	char why[120];	/* the greeting at the start, when value is below 0 */
};

/* In the forked child.  Greets with one reply and serves until the other end is closed. */
_Noreturn void zygote_run(int control);
