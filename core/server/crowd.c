#include "server/crowd.h"

#include <pthread.h>
#include <stdlib.h>

struct crowd {
	const size_t max_members, max_held;
	crowd_wake_fn *const wake;
	void *const ctx;
	atomic_size_t held;

	pthread_mutex_t lock; /* of all below */
	size_t places;	      /* taken: members and reservations */
	bool waiting;	      /* a loop has been told that there is no place */
	struct crowd_member *members;
};

struct crowd *crowd_new(size_t max_members, size_t max_held, crowd_wake_fn *wake, void *ctx)
{
	struct crowd *crowd = malloc(sizeof(*crowd));
	const struct crowd init = {
		.max_members = max_members,
		.max_held = max_held,
		.wake = wake,
		.ctx = ctx,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};

	if (crowd)
		__builtin_memcpy(crowd, &init, sizeof(init));
	return crowd;
}

void crowd_free(struct crowd *crowd)
{
	if (!crowd)
		return;
	pthread_mutex_destroy(&crowd->lock);
	free(crowd);
}

bool crowd_reserve(struct crowd *crowd)
{
	pthread_mutex_lock(&crowd->lock);
	const bool room = crowd->places < crowd->max_members;
	if (room)
		crowd->places++;
	else
		crowd->waiting = true;
	pthread_mutex_unlock(&crowd->lock);
	return room;
}

void crowd_release(struct crowd *crowd)
{
	pthread_mutex_lock(&crowd->lock);
	crowd->places--;
	const bool wake = crowd->waiting;
	crowd->waiting = false;
	pthread_mutex_unlock(&crowd->lock);
	if (wake)
		crowd->wake(crowd->ctx, CROWD_ALL_LOOPS);
}

void crowd_enter(struct crowd *crowd, struct crowd_member *member, int loop, int64_t now)
{
	member->loop = loop;
	member->prev = NULL;
	atomic_store(&member->held, 0);
	atomic_store(&member->since, now);
	atomic_store(&member->doom, CROWD_SPARED);
	pthread_mutex_lock(&crowd->lock);
	member->next = crowd->members;
	if (member->next)
		member->next->prev = member;
	crowd->members = member;
	pthread_mutex_unlock(&crowd->lock);
}

void crowd_leave(struct crowd *crowd, struct crowd_member *member)
{
	pthread_mutex_lock(&crowd->lock);
	if (member->next)
		member->next->prev = member->prev;
	if (member->prev)
		member->prev->next = member->next;
	else
		crowd->members = member->next;
	pthread_mutex_unlock(&crowd->lock);
	atomic_fetch_sub(&crowd->held, atomic_exchange(&member->held, 0));
	crowd_release(crowd);
}

bool crowd_full(struct crowd *crowd)
{
	pthread_mutex_lock(&crowd->lock);
	const bool full = crowd->places >= crowd->max_members;
	pthread_mutex_unlock(&crowd->lock);
	return full;
}

void crowd_hold(struct crowd *crowd, struct crowd_member *member, size_t held)
{
	const size_t before = atomic_exchange(&member->held, held);

	if (held > before)
		atomic_fetch_add(&crowd->held, held - before);
	else
		atomic_fetch_sub(&crowd->held, before - held);
}

bool crowd_over(struct crowd *crowd)
{
	return atomic_load(&crowd->held) > crowd->max_held;
}

/* With the lock held.  Its bytes no longer count: they are about to be freed. */
static int doom(struct crowd *crowd, struct crowd_member *member, enum crowd_doom why)
{
	atomic_store(&member->doom, why);
	atomic_fetch_sub(&crowd->held, atomic_exchange(&member->held, 0));
	return member->loop;
}

static int doomed_by(struct crowd *crowd, int loop, int caller)
{
	if (loop >= 0 && loop != caller)
		crowd->wake(crowd->ctx, loop);
	return loop;
}

int crowd_doom_oldest(struct crowd *crowd, int caller)
{
	struct crowd_member *oldest = NULL;
	int64_t least = CROWD_BUSY - 1;
	int loop = -1;

	pthread_mutex_lock(&crowd->lock);
	for (struct crowd_member *member = crowd->members; member; member = member->next) {
		const int64_t since = atomic_load(&member->since);
		if (since <= least && /* of the same age, the one that entered first */
		    atomic_load(&member->doom) == CROWD_SPARED) {
			least = since;
			oldest = member;
		}
	}
	if (oldest)
		loop = doom(crowd, oldest, CROWD_OLDEST);
	pthread_mutex_unlock(&crowd->lock);
	return doomed_by(crowd, loop, caller);
}

int crowd_doom_heaviest(struct crowd *crowd, int caller)
{
	struct crowd_member *heaviest = NULL;
	size_t most = 0;
	int loop = -1;

	pthread_mutex_lock(&crowd->lock);
	for (struct crowd_member *member = crowd->members; member; member = member->next) {
		const size_t held = atomic_load(&member->held);
		if (held > most && atomic_load(&member->doom) == CROWD_SPARED) {
			most = held;
			heaviest = member;
		}
	}
	if (heaviest)
		loop = doom(crowd, heaviest, CROWD_HEAVIEST);
	pthread_mutex_unlock(&crowd->lock);
	return doomed_by(crowd, loop, caller);
}
