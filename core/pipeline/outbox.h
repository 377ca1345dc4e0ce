#pragma once

/* One outbox row on its way to OpenPR. */

#include "pipeline/parts.h"

enum outbox_fate {
	OUTBOX_DELIVERED,
	OUTBOX_DROPPED,	 /* not sent on purpose; `why` says it */
	OUTBOX_AGAIN,	 /* later, with back-off */
	OUTBOX_PAUSED,	 /* the token is not good: its bot waits for a reload */
	OUTBOX_DEAD,	 /* given up */
	OUTBOX_EXPANDED, /* a FORMAT row: its calls stand in its place already */
};

struct outbox_end {
	enum outbox_fate fate;
	bool outcome_known; /* AGAIN: it certainly did not arrive */
	struct err why;	    /* all but DELIVERED and EXPANDED */
};

/* Blocks on OpenPR or on a policy worker. */
struct outbox_end outbox_send(struct pipeline *pipeline, const struct config *config,
			      struct openpr *openpr, const struct store_report *report);

/* What OpenPR would be told by a FORMAT row; outbox_words_done(). */
struct outbox_words {
	char *comment;	/* signed and without secrets; NULL: none */
	char *state;	/* NULL: none */
	struct err why; /* code 0, or why the callback policy failed and the built-in words stand */
};
/* -1: no policy worker was to be had, or no memory. */
int outbox_word(struct pipeline *pipeline, const struct store_report *report, int64_t now,
		struct outbox_words *words, struct err *err);
void outbox_words_done(struct outbox_words *words);

/* The line by which a comment of ours is found again; `started` tells the start's from the end's.
 */
#define OUTBOX_MARK_SIZE 64
void outbox_mark(const char *run_id, bool started, char mark[OUTBOX_MARK_SIZE]);

/* The report that is sent when the callback policy fails; the caller frees, NULL: no memory. */
char *outbox_builtin(const json_t *run);

/* How long to wait, in ms, after `attempts` earlier sends: 1 s, doubling to 5 min, give or take a
 * fifth. */
int64_t outbox_back_off(int attempts);

/* A report that could not be delivered is given up 24 h after it was made; `now` in wall ms. */
bool outbox_is_overdue(const struct store_report *report, int64_t now);
