#pragma once

/* Looking back: events with what was decided about them then, for `rules`, `explain` and `replay`.
 */

#include "store/store.h"

/* How often each rule decided: {"events": n, "since": ms, "filter": {rule: n}, "route": {rule: n}}.
 * json_decref(). */
json_t *past_hits(struct store *store, struct err *err);

/* The bots that reports were delivered as, which is whom the daemon writes as: an array of ids;
 * json_decref(). */
json_t *past_identities(struct store *store, struct err *err);

/* A stored event with what was decided about it then. */
struct past {
	char id[ID_SIZE];
	int64_t received_at;
	char *name, *status;
	/* What was answered; and what the policies said, which joining or a cancellation may have
	 * overruled: NULL where they were not asked, or before that was kept. */
	char *rule, *reason;
	char *verdict, *filter_rule, *own_rule;
	char *issue_key; /* may be NULL */
	json_t *agents;	 /* names that the policies named, as an array; NULL where not known */
	char *body;	 /* NULL: not kept any more */
	size_t body_len;
	char *completion; /* may be NULL */
};
void past_free(struct past *past); /* accepts NULL */

/* By our id; ERR_NOTFOUND. */
int past_find(struct store *store, const char *event_id, struct past **past, struct err *err);

/* Goes through them, oldest first; zero-initialised it begins with the first of all. */
struct past_walk {
	int64_t received_at;
	char id[ID_SIZE];
};
/* Begins with the oldest of the newest `last` (0: all) that came at `since` (wall ms) or later;
 * *count: how many there are. */
int past_walk_from(struct store *store, int64_t since, size_t last, struct past_walk *walk,
		   size_t *count, struct err *err);
/* The next one; 0 with *past NULL behind the last.  Repetitions of AI tasks are left out. */
int past_walk_next(struct store *store, struct past_walk *walk, struct past **past,
		   struct err *err);
