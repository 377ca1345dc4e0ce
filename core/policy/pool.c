#include "policy/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "policy/answer.h"
#include "policy/host.h"
#include "policy/peer.h"

#define BACK_OFF_LEAST 100 /* ms after the first worker that did not start */
#define BACK_OFF_MOST 10000

struct slot {
	struct peer *peer; /* NULL: none */
	bool busy;	   /* the thread that made it so owns the peer */
};

struct policy_pool {
	struct policy_host *host;
	struct peer_ears ears;
	atomic_uint_fast64_t kills, starts;

	pthread_mutex_t using; /* held while a bundle is tried and put in force */
	pthread_mutex_t mutex; /* guards all below, never held over a wait for a worker */
	pthread_cond_t freed;
	struct policy_bundle *bundle; /* in force; NULL at first */
	int failures;		      /* workers in a row that did not start */
	int64_t not_before;	      /* monotonic ms: none is started earlier */
	char why[200];		      /* the last one did not */
	size_t slot_count;
	struct slot slots[];
};

struct policy_pool *policy_pool_new(struct policy_host *host, int workers, struct err *err)
{
	const size_t count = workers > 0 ? (size_t)workers : 1;
	struct policy_pool *pool = calloc(1, sizeof(*pool) + count * sizeof(pool->slots[0]));
	pthread_condattr_t attr;

	if (!pool) {
		err_set(err, ERR_NOMEM, "no memory for policy workers");
		return NULL;
	}
	pool->host = host;
	pool->slot_count = count;
	pthread_mutex_init(&pool->using, NULL);
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->freed, &attr);
	pthread_condattr_destroy(&attr);
	return pool;
}

void policy_pool_free(struct policy_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < pool->slot_count; i++)
		peer_free(pool->slots[i].peer);
	policy_bundle_free(pool->bundle);
	pthread_cond_destroy(&pool->freed);
	pthread_mutex_destroy(&pool->mutex);
	pthread_mutex_destroy(&pool->using);
	free(pool);
}

void policy_pool_on_log(struct policy_pool *pool, policy_log_fn *log, void *ctx)
{
	pool->ears = (struct peer_ears){ .log = log, .ctx = ctx };
}

void pool_on_trial(struct policy_pool *pool, const struct peer_ears *ears)
{
	pool->ears = *ears;
}

void policy_pool_counts(struct policy_pool *pool, uint64_t *kills, uint64_t *starts)
{
	*kills = atomic_load(&pool->kills);
	*starts = atomic_load(&pool->starts);
}

bool policy_pool_failing(struct policy_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	const bool failing = pool->failures > 0 || host_given_up(pool->host);
	pthread_mutex_unlock(&pool->mutex);
	return failing;
}

static enum peer_end ask(struct policy_pool *pool, struct peer *peer, enum frame_kind kind,
			 const struct buf *question, struct buf *answer, struct err *err)
{
	const enum peer_end how = peer_ask(peer, kind, question, &pool->ears, answer, err);

	if (how == PEER_LOST && (err->code == ERR_TIMEOUT || err->code == ERR_NOMEM))
		atomic_fetch_add(&pool->kills, 1);
	return how;
}

/* ---- starting workers ---- */

static int count_mistakes(size_t count, struct err *err)
{
	return err_set(err, ERR_CONFIG, "%zu %s in the policies", count,
		       count == 1 ? "mistake" : "mistakes");
}

/* What `load` did not answer: a mistake too, unless the machine is to blame. */
static int loading_failed(struct buf *mistakes, struct err *err)
{
	if (err->code == ERR_IO)
		return -1;
	if (buf_appendf(mistakes, "%s\n", err->text) < 0)
		return err_set(err, ERR_NOMEM, "no memory for a mistake");
	return count_mistakes(1, err);
}

/* A worker that has loaded the bundle; NULL with mistakes and err filled. */
static struct peer *start(struct policy_pool *pool, struct policy_bundle *bundle,
			  struct buf *mistakes, struct err *err)
{
	const struct buf nothing = { 0 };
	struct buf answer = { 0 };
	size_t count = 0;
	int rc = -1;
	struct peer *peer = peer_start(pool->host, bundle, err);

	if (!peer)
		return NULL;
	atomic_fetch_add(&pool->starts, 1);
	const enum peer_end how = ask(pool, peer, FRAME_LOAD, &nothing, &answer, err);
	if (how == PEER_FAILED || how == PEER_LOST) {
		loading_failed(mistakes, err);
	} else if (answer_load(answer.bytes, answer.len, mistakes, &count, err) < 0) {
		loading_failed(mistakes, err);
	} else if (count > 0) {
		count_mistakes(count, err);
	} else if (how == PEER_SPENT) {
		err_set(err, ERR_NOMEM, "the policies do not fit in policies.memory_limit");
		loading_failed(mistakes, err);
	} else {
		rc = 0;
	}
	buf_done(&answer);
	if (rc == 0)
		return peer;
	peer_free(peer);
	return NULL;
}

/* A worker of a bundle that was loaded before did not start: wait longer each time. */
static void note_failure(struct policy_pool *pool, const struct buf *mistakes,
			 const struct err *err)
{
	const char *why = mistakes->len > 0 ? mistakes->bytes : err->text;
	const size_t len = strcspn(why, "\n");

	pthread_mutex_lock(&pool->mutex);
	int64_t wait = BACK_OFF_LEAST;
	for (int i = 0; i < pool->failures && wait < BACK_OFF_MOST; i++)
		wait *= 2;
	pool->failures++;
	pool->not_before = clock_mono() + (wait < BACK_OFF_MOST ? wait : BACK_OFF_MOST);
	snprintf(pool->why, sizeof(pool->why), "%.*s", (int)len, why);
	pthread_mutex_unlock(&pool->mutex);
}

static void note_success(struct policy_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	pool->failures = 0;
	pthread_mutex_unlock(&pool->mutex);
}

/* Puts a fit worker into a slot that this thread owns. */
static int fill(struct policy_pool *pool, struct slot *slot, struct policy_bundle *bundle)
{
	struct buf mistakes = { 0 };
	struct err err;

	if (slot->peer && peer_bundle(slot->peer) == bundle && peer_idle(slot->peer))
		return 0;
	peer_free(slot->peer);
	slot->peer = start(pool, bundle, &mistakes, &err);
	if (slot->peer)
		note_success(pool);
	else
		note_failure(pool, &mistakes, &err);
	buf_done(&mistakes);
	return slot->peer ? 0 : -1;
}

/* ---- taking turns ---- */

/* The best slot that nobody uses: a ready worker, an empty place, a worker of an older bundle. */
static struct slot *pick(struct policy_pool *pool)
{
	const bool may_start = clock_mono() >= pool->not_before;
	struct slot *best = NULL;

	for (size_t i = 0; i < pool->slot_count; i++) {
		struct slot *slot = &pool->slots[i];
		if (slot->busy)
			continue;
		if (slot->peer && peer_bundle(slot->peer) == pool->bundle)
			return slot;
		if (may_start && (!best || (best->peer && !slot->peer)))
			best = slot;
	}
	return best;
}

static void wait_until(struct policy_pool *pool, int64_t ms)
{
	const struct timespec until = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000,
	};

	pthread_cond_timedwait(&pool->freed, &pool->mutex, &until);
}

static int saturated(const struct policy_pool *pool, struct err *err)
{
	if (pool->failures > 0)
		return err_set(err, ERR_FULL, "no policy worker can be started: %s", pool->why);
	return err_set(err, ERR_FULL, "the policy workers are busy");
}

/* A slot of this thread's own and the bundle in force, of which it holds a reference. */
static int acquire(struct policy_pool *pool, int64_t until, struct slot **out,
		   struct policy_bundle **bundle, struct err *err)
{
	struct slot *slot = NULL;
	int rc = 0;

	pthread_mutex_lock(&pool->mutex);
	while (rc == 0 && pool->bundle && !(slot = pick(pool))) {
		const int64_t now = clock_mono();
		if (now >= until)
			rc = saturated(pool, err);
		else if (pool->not_before > now && pool->not_before < until)
			wait_until(pool, pool->not_before);
		else
			wait_until(pool, until);
	}
	if (rc == 0 && !pool->bundle)
		rc = err_set(err, ERR_CONFLICT, "no policies are in force yet");
	if (rc == 0) {
		slot->busy = true;
		*out = slot;
		*bundle = bundle_ref(pool->bundle);
	}
	pthread_mutex_unlock(&pool->mutex);
	return rc;
}

static void release(struct policy_pool *pool, struct slot *slot)
{
	struct peer *old = NULL;

	pthread_mutex_lock(&pool->mutex);
	if (slot->peer && peer_bundle(slot->peer) != pool->bundle) {
		old = slot->peer;
		slot->peer = NULL;
	}
	slot->busy = false;
	pthread_cond_signal(&pool->freed);
	pthread_mutex_unlock(&pool->mutex);
	peer_free(old);
}

int pool_ask(struct policy_pool *pool, enum frame_kind kind, const struct buf *question,
	     int64_t patience, struct buf *answer, struct err *err)
{
	const int64_t until = clock_mono() + patience;
	struct policy_bundle *bundle = NULL;
	struct slot *slot = NULL;

	for (;;) {
		if (acquire(pool, until, &slot, &bundle, err) < 0)
			return -1;
		const int rc = fill(pool, slot, bundle);
		policy_bundle_free(bundle);
		if (rc == 0)
			break;
		release(pool, slot);
	}
	const enum peer_end how = ask(pool, slot->peer, kind, question, answer, err);
	if (how == PEER_SPENT || how == PEER_LOST) {
		peer_free(slot->peer);
		slot->peer = NULL;
	}
	release(pool, slot);
	return how == PEER_ANSWERED || how == PEER_SPENT ? 0 : -1;
}

/* ---- bundles ---- */

/* Takes out all idle workers of older bundles, and puts the fresh one in if there is room. */
static void replace(struct policy_pool *pool, struct policy_bundle *bundle, struct peer **fresh,
		    struct peer **old)
{
	size_t count = 0;

	pool->bundle = bundle;
	pool->failures = 0;
	pool->not_before = 0;
	for (size_t i = 0; i < pool->slot_count; i++) {
		struct slot *slot = &pool->slots[i];
		if (slot->busy)
			continue;
		if (slot->peer)
			old[count++] = slot->peer;
		slot->peer = *fresh;
		*fresh = NULL;
	}
}

int policy_pool_use(struct policy_pool *pool, struct policy_bundle *bundle, struct buf *mistakes,
		    struct err *err)
{
	struct peer **old = calloc(pool->slot_count, sizeof(struct peer *));
	struct policy_bundle *before = NULL;
	struct peer *fresh = NULL;
	int rc = -1;

	if (!old)
		return err_set(err, ERR_NOMEM, "no memory for policy workers");
	pthread_mutex_lock(&pool->using);
	fresh = start(pool, bundle, mistakes, err);
	if (fresh) {
		pthread_mutex_lock(&pool->mutex);
		before = pool->bundle;
		replace(pool, bundle, &fresh, old);
		pthread_cond_broadcast(&pool->freed);
		pthread_mutex_unlock(&pool->mutex);
		rc = 0;
	}
	pthread_mutex_unlock(&pool->using);
	for (size_t i = 0; i < pool->slot_count; i++)
		peer_free(old[i]);
	peer_free(fresh);
	policy_bundle_free(before);
	free(old);
	return rc;
}

int policy_pool_check(struct policy_pool *pool, struct policy_bundle *bundle, struct buf *mistakes,
		      struct err *err)
{
	struct peer *peer = start(pool, bundle, mistakes, err);

	peer_free(peer);
	return peer ? 0 : -1;
}
