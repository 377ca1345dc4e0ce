#pragma once

/* Listening sockets, and taking connections from them within the crowd's limit. */

#include <stdint.h>

#include "base/err.h"

struct loop;

/* Descriptors that the rest of the daemon needs beside the connections. */
#define LISTENER_SPARE 192

/*
 * Binds `count` sockets to "host:port" (SO_REUSEPORT, so that the kernel spreads connections over
 * them; port 0: any free one, the same for all).  A port that anybody else listens on is refused.
 * `option` is where config.lua says so, for errors.
 */
int listener_bind(const char *option, const char *address, int count, int *fds, uint16_t *port,
		  struct err *err);

/* Raises RLIMIT_NOFILE to the hard limit; fails when that is not enough for so many connections. */
int listener_descriptors(int max_connections, struct err *err);

/* On the loop's thread. */
void listener_start(struct loop *loop, int fd); /* takes fd over */
void listener_resume(struct loop *loop);
/* Takes what is in the backlog still, then closes. */
void listener_close(struct loop *loop);
