#include "server/tally.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define SUMMARY_EVERY 60000 /* ms */
#define LATELY 600000	    /* ms for which wrong signatures are news */
#define PEER_SIZE 64

static const char *const names[REFUSALS] = {
	[REFUSED_BAD_HEAD] = "bad_head",
	[REFUSED_TOO_LARGE] = "too_large",
	[REFUSED_NO_SIGNATURE] = "no_signature",
	[REFUSED_BAD_SIGNATURE] = "bad_signature",
	[REFUSED_BAD_METHOD] = "bad_method",
	[REFUSED_NOT_FOUND] = "not_found",
	[REFUSED_TIMEOUT] = "timeout",
	[REFUSED_CONNECTIONS] = "too_many_connections",
	[REFUSED_UNVERIFIED] = "unverified_bytes",
	[REFUSED_SLOW_READER] = "slow_readers",
};

struct quiet {
	int64_t until;	  /* monotonic ms; until then refusals are only counted */
	uint64_t skipped; /* counted and not yet told */
	char peer[PEER_SIZE];
};

struct tally {
	atomic_uint_fast64_t connections, requests, received, verified, refused[REFUSALS];
	atomic_uint_fast64_t wrong; /* signatures since the last good one */
	_Atomic int64_t wrong_at;   /* the last of them */
	pthread_mutex_t lock;	    /* of quiet */
	struct quiet quiet[REFUSALS];
};

struct tally *tally_new(void)
{
	struct tally *tally = calloc(1, sizeof(*tally));

	if (tally)
		pthread_mutex_init(&tally->lock, NULL);
	return tally;
}

void tally_free(struct tally *tally)
{
	if (!tally)
		return;
	tally_flush(tally, INT64_MAX - SUMMARY_EVERY);
	pthread_mutex_destroy(&tally->lock);
	free(tally);
}

void tally_connection(struct tally *tally)
{
	atomic_fetch_add_explicit(&tally->connections, 1, memory_order_relaxed);
}

void tally_request(struct tally *tally)
{
	atomic_fetch_add_explicit(&tally->requests, 1, memory_order_relaxed);
}

void tally_received(struct tally *tally)
{
	atomic_fetch_add_explicit(&tally->received, 1, memory_order_relaxed);
}

void tally_verified(struct tally *tally)
{
	atomic_fetch_add_explicit(&tally->verified, 1, memory_order_relaxed);
	atomic_store(&tally->wrong, 0);
}

uint64_t tally_wrong_signatures(struct tally *tally, int64_t now)
{
	const uint64_t wrong = atomic_load(&tally->wrong);

	return now - atomic_load(&tally->wrong_at) < LATELY ? wrong : 0;
}

void tally_refusal(struct tally *tally, enum tally_refusal why, const char *peer, int64_t now)
{
	struct quiet *quiet = &tally->quiet[why];

	atomic_fetch_add_explicit(&tally->refused[why], 1, memory_order_relaxed);
	if (why == REFUSED_BAD_SIGNATURE) {
		atomic_store(&tally->wrong_at, now);
		atomic_fetch_add(&tally->wrong, 1);
	}
	pthread_mutex_lock(&tally->lock);
	const bool first = now >= quiet->until && quiet->skipped == 0;
	if (first) {
		quiet->until = now + SUMMARY_EVERY;
	} else {
		quiet->skipped++;
		snprintf(quiet->peer, sizeof(quiet->peer), "%s", peer);
	}
	pthread_mutex_unlock(&tally->lock);
	if (first)
		log_event(LOG_LEVEL_WARN, "refused", "why", names[why], "peer", peer, NULL);
}

void tally_flush(struct tally *tally, int64_t now)
{
	for (int why = 0; why < REFUSALS; why++) {
		struct quiet *quiet = &tally->quiet[why];
		char count[24], peer[PEER_SIZE];

		pthread_mutex_lock(&tally->lock);
		const bool due = quiet->skipped > 0 && now >= quiet->until;
		if (due) {
			snprintf(count, sizeof(count), "%" PRIu64, quiet->skipped);
			snprintf(peer, sizeof(peer), "%s", quiet->peer);
			quiet->skipped = 0;
			quiet->until = now + SUMMARY_EVERY;
		}
		pthread_mutex_unlock(&tally->lock);
		if (due)
			log_event(LOG_LEVEL_WARN, "refused again", "why", names[why], "times",
				  count, "last_peer", peer, NULL);
	}
}

static void put(json_t *object, const char *name, atomic_uint_fast64_t *value)
{
	json_object_set_new(object, name, json_integer((json_int_t)atomic_load(value)));
}

json_t *tally_json(struct tally *tally)
{
	json_t *all = json_object(), *rejected = json_object();

	put(all, "connections", &tally->connections);
	put(all, "requests", &tally->requests);
	put(all, "received", &tally->received);
	put(all, "verified", &tally->verified);
	put(all, "slow_readers", &tally->refused[REFUSED_SLOW_READER]);
	for (int why = 0; why < REFUSED_SLOW_READER; why++)
		put(rejected, names[why], &tally->refused[why]);
	json_object_set_new(all, "rejected", rejected);
	return all;
}
