#pragma once

/* One worker as the daemon sees it.  A peer belongs to one thread at a time. */

#include "base/log.h"
#include "policy/bundle.h"
#include "policy/host.h"
#include "policy/protocol.h"

struct peer;

/* Hears what policies log and, on trial, which lines of them ran; both may be NULL. */
struct peer_ears {
	policy_log_fn *log;
	void (*lines)(void *ctx, enum policy_hook hook, const char *bits, size_t len);
	void *ctx;
};

/* A worker that has loaded nothing yet.  The peer takes a reference to the bundle. */
struct peer *peer_start(struct policy_host *host, struct policy_bundle *bundle, struct err *err);

/* A worker that host_spawn() has made; takes pid and fd over on success only. */
struct peer *peer_adopt(struct policy_host *host, struct policy_bundle *bundle, pid_t pid, int fd,
			struct err *err);

/* Ends the worker, whatever it does; accepts NULL. */
void peer_free(struct peer *peer);

struct policy_bundle *peer_bundle(const struct peer *peer); /* borrowed */

/* False when an idle worker has died, or speaks unasked. */
bool peer_idle(const struct peer *peer);

enum peer_end {
	PEER_ANSWERED,
	PEER_FAILED, /* err is filled; the worker goes on */
	PEER_SPENT,  /* answered, but this worker has ended */
	PEER_LOST,   /* err is filled; this worker has ended */
};

/*
 * Asks and waits for the answer, which is appended to `answer`: at most as long as
 * protocol_wall_time() says, then the worker is killed.
 */
enum peer_end peer_ask(struct peer *peer, enum frame_kind kind, const struct buf *question,
		       const struct peer_ears *ears, struct buf *answer, struct err *err);
