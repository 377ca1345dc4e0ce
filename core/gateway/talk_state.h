#pragma once

/* What is behind a conversation; private to gateway.c and talk.c. */

#include <pthread.h>
#include <stdatomic.h>

#include "exec/run_result.h"
#include "gateway/talk.h"

enum told { TOLD_TAKEN = 1, TOLD_SESSION = 2, TOLD_OVER = 4 };

struct gateway {
	struct gateway_spec spec;
	const struct talk_type *type;
	pthread_t thread;
	bool started;
	int wake; /* eventfd */
	struct http *http;
	int64_t start, deadline; /* monotonic ms */

	/* The thread's own until TOLD_OVER. */
	struct run_result result;
	bool taken, later;
	int64_t retry_after;
	char *reason;
	struct buf notes; /* what was said before the work was taken */
	size_t noted;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	atomic_bool stop;
	enum run_stop why;
	unsigned told; /* and not read yet */
	char *session; /* set once */
};

/* The whole conversation. */
void talk_run(struct gateway *talk);
void talk_tell(struct gateway *talk, enum told what);
