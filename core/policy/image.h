#pragma once

/* A bundle as the daemon and a worker share it: a sealed memfd, never changed once made. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct image {
	const char *text; /* JSON, the input of openpr.worker's load; not NUL-terminated */
	size_t len;
	size_t memory_limit;
	int64_t time_limit; /* ms */
	bool on_trial;	    /* the worker tells which lines ran */
};

/* Puts a copy into a memfd that nobody can change any more; *fd is the caller's. */
int image_seal(const struct image *image, int *fd, struct err *err);

/* Maps it for ever.  -1 with err when it is none. */
int image_open(int fd, struct image *image, struct err *err);
