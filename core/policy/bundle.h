#pragma once

/* A bundle as the daemon and a worker share it: a sealed memfd, never changed once made. */

#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

#define BUNDLE_FILES 256	    /* templates, at most */
#define BUNDLE_FILE_MOST (1u << 20) /* bytes of one file */
#define BUNDLE_MOST (16u << 20)	    /* bytes of all */

/* What a worker reads of it. */
struct bundle_image {
	const char *text; /* JSON, the input of openpr.worker's load; not NUL-terminated */
	size_t len;
	size_t memory_limit;
	int64_t time_limit; /* ms */
};

/* Maps it for ever.  -1 with err when it is no bundle. */
int bundle_open(int fd, struct bundle_image *image, struct err *err);

int bundle_fd(const struct policy_bundle *bundle); /* borrowed */
int64_t bundle_time_limit(const struct policy_bundle *bundle);

/* Shared by count, from any thread; policy_bundle_free() gives one back. */
struct policy_bundle *bundle_ref(struct policy_bundle *bundle);
