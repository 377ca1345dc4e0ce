#pragma once

/*
 * All connections of one listener, over all its loops, and who has to go when there are too many of
 * them or when they hold too much that nobody has verified.
 *
 * A victim is only marked here; the loop that owns it closes it.  Any thread may call.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crowd;

#define CROWD_BUSY INT64_MAX /* its request is complete: it is nobody's victim */

enum crowd_doom { CROWD_SPARED, CROWD_OLDEST, CROWD_HEAVIEST };

/* Part of a connection, which owns it. */
struct crowd_member {
	int loop;
	atomic_size_t held;    /* unverified bytes */
	_Atomic int64_t since; /* monotonic ms since when it has been incomplete, or CROWD_BUSY */
	_Atomic enum crowd_doom doom; /* chosen; its loop closes it */
	struct crowd_member *next, *prev;
};

/* `wake` is called when a loop has something to do: victims to close, or room again. */
typedef void crowd_wake_fn(void *ctx, int loop);
#define CROWD_ALL_LOOPS (-1)

struct crowd *crowd_new(size_t max_members, size_t max_held, crowd_wake_fn *wake, void *ctx);
void crowd_free(struct crowd *crowd); /* accepts NULL */

/*
 * Takes a place.  False when all are taken; crowd_wake_fn then comes as soon as one is free.
 */
bool crowd_reserve(struct crowd *crowd);
/* Gives a place back that nobody entered. */
void crowd_release(struct crowd *crowd);
/* Enters on a reserved place; `now`: monotonic ms. */
void crowd_enter(struct crowd *crowd, struct crowd_member *member, int loop, int64_t now);
/* Leaves and frees the place. */
void crowd_leave(struct crowd *crowd, struct crowd_member *member);

/* True when every place is taken. */
bool crowd_full(struct crowd *crowd);

/* How many unverified bytes this one holds now. */
void crowd_hold(struct crowd *crowd, struct crowd_member *member, size_t held);
/* True when all of them together hold too much. */
bool crowd_over(struct crowd *crowd);

/* Marks the one that has been incomplete longest.  Returns its loop, or -1: none is incomplete. */
int crowd_doom_oldest(struct crowd *crowd, int caller);
/* Marks the one that holds most.  Returns its loop, or -1: none holds anything. */
int crowd_doom_heaviest(struct crowd *crowd, int caller);
