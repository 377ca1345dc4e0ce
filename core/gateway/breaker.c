#include "gateway/breaker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TARGETS 256	 /* that are remembered; a working one makes room for a new one */
#define FAILURES 5	 /* in a row, until it opens */
#define OPEN_FIRST 10000 /* ms that it stays open, doubling with each failed try */
#define OPEN_MOST 300000
#define PROBE_MOST 1800000 /* ms after which a try whose end was never told is forgotten */

struct breaker {
	char *target;
	int failures;	    /* in a row */
	int64_t open_until; /* 0: closed */
	int64_t open_for;
	int64_t probe_at; /* when the one try began; 0: none is on its way */
};

enum change { NONE, OPENED, CLOSED };

struct breakers {
	breaker_change *change;
	void *ctx;
	pthread_mutex_t lock;
	struct breaker all[TARGETS];
	size_t count;
};

struct breakers *breakers_new(breaker_change *change, void *ctx)
{
	struct breakers *breakers = calloc(1, sizeof(*breakers));

	if (!breakers)
		return NULL;
	breakers->change = change;
	breakers->ctx = ctx;
	pthread_mutex_init(&breakers->lock, NULL);
	return breakers;
}

void breakers_free(struct breakers *breakers)
{
	if (!breakers)
		return;
	for (size_t i = 0; i < breakers->count; i++)
		free(breakers->all[i].target);
	pthread_mutex_destroy(&breakers->lock);
	free(breakers);
}

static struct breaker *find(struct breakers *breakers, const char *target)
{
	for (size_t i = 0; i < breakers->count; i++)
		if (strcmp(breakers->all[i].target, target) == 0)
			return &breakers->all[i];
	return NULL;
}

/* A new one, in the place of one that works where there is no room; NULL: none. */
static struct breaker *add(struct breakers *breakers, const char *target)
{
	struct breaker *breaker = NULL;
	char *copy = strdup(target);

	if (!copy)
		return NULL;
	if (breakers->count < TARGETS) {
		breaker = &breakers->all[breakers->count++];
	} else {
		for (size_t i = 0; i < TARGETS && !breaker; i++)
			if (breakers->all[i].open_until == 0)
				breaker = &breakers->all[i];
		if (!breaker) {
			free(copy);
			return NULL;
		}
		free(breaker->target);
	}
	*breaker = (struct breaker){ .target = copy };
	return breaker;
}

static bool may_send(struct breaker *breaker, int64_t now, int64_t *wait)
{
	if (breaker->open_until == 0)
		return true;
	if (now < breaker->open_until) {
		*wait = breaker->open_until - now;
		return false;
	}
	if (breaker->probe_at != 0 && now - breaker->probe_at < PROBE_MOST) {
		*wait = OPEN_FIRST;
		return false;
	}
	breaker->probe_at = now;
	return true;
}

bool breakers_ask(struct breakers *breakers, const char *target, int64_t now, int64_t *wait)
{
	pthread_mutex_lock(&breakers->lock);
	struct breaker *breaker = find(breakers, target);
	const bool may = !breaker || may_send(breaker, now, wait);
	pthread_mutex_unlock(&breakers->lock);
	return may;
}

static enum change failed(struct breaker *breaker, int64_t now)
{
	const bool was_open = breaker->open_until != 0;

	breaker->failures++;
	if (breaker->failures < FAILURES)
		return NONE;
	if (was_open && breaker->probe_at == 0)
		return NONE; /* sent before it opened */
	breaker->open_for = was_open ? breaker->open_for * 2 : OPEN_FIRST;
	if (breaker->open_for > OPEN_MOST)
		breaker->open_for = OPEN_MOST;
	breaker->open_until = now + breaker->open_for;
	breaker->probe_at = 0;
	return was_open ? NONE : OPENED;
}

static enum change take(struct breakers *breakers, const char *target, int64_t now, bool known,
			bool worked)
{
	struct breaker *breaker = find(breakers, target);

	if (!known) {
		if (breaker)
			breaker->probe_at = 0;
		return NONE;
	}
	if (!worked)
		return breaker || (breaker = add(breakers, target)) ? failed(breaker, now) : NONE;
	if (!breaker)
		return NONE;
	const bool was_open = breaker->open_until != 0;
	*breaker = (struct breaker){ .target = breaker->target };
	return was_open ? CLOSED : NONE;
}

void breakers_tell(struct breakers *breakers, const char *target, int64_t now, bool known,
		   bool worked)
{
	pthread_mutex_lock(&breakers->lock);
	const enum change change = take(breakers, target, now, known, worked);
	pthread_mutex_unlock(&breakers->lock);
	if (change != NONE && breakers->change)
		breakers->change(breakers->ctx, target, change == OPENED);
}

json_t *breakers_reasons(struct breakers *breakers, int64_t now)
{
	json_t *reasons = json_array();

	pthread_mutex_lock(&breakers->lock);
	for (size_t i = 0; i < breakers->count; i++) {
		const struct breaker *breaker = &breakers->all[i];
		const int64_t wait =
		    breaker->open_until > now ? (breaker->open_until - now + 999) / 1000 : 0;
		if (breaker->open_until == 0)
			continue;
		json_array_append_new(
		    reasons, json_sprintf("%s has failed %d times in a row, next try in %d s",
					  breaker->target, breaker->failures, (int)wait));
	}
	pthread_mutex_unlock(&breakers->lock);
	return reasons;
}
