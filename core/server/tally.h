#pragma once

/*
 * What was received and what was refused, by reason: counts since start, and log lines that a flood
 * cannot multiply (the first of each reason at once, then one summary a minute).  Any thread may
 * call.
 */

#include <stdint.h>

#include "base/json.h"

enum tally_refusal {
	REFUSED_BAD_HEAD,
	REFUSED_TOO_LARGE,
	REFUSED_NO_SIGNATURE,
	REFUSED_BAD_SIGNATURE,
	REFUSED_BAD_METHOD,
	REFUSED_NOT_FOUND,
	REFUSED_TIMEOUT,
	REFUSED_CONNECTIONS,
	REFUSED_UNVERIFIED,
	REFUSED_SLOW_READER, /* has its answer, and does not take it: no request was refused */
	REFUSALS,
};

struct tally;

struct tally *tally_new(void);	      /* NULL: out of memory */
void tally_free(struct tally *tally); /* accepts NULL; writes the last summaries */

void tally_connection(struct tally *tally);
void tally_request(struct tally *tally);
/* One for each request but those for health, whole or not; each is refused or verified. */
void tally_received(struct tally *tally);
/* A body whose signature is good. */
void tally_verified(struct tally *tally);

/*
 * How many signatures in a row were wrong, the last of them not long before `now`; 0 when any was
 * good since: a secret that is not OpenPR's shows like this.
 */
uint64_t tally_wrong_signatures(struct tally *tally, int64_t now);
/* `peer`: an address for the log; `now`: monotonic ms. */
void tally_refusal(struct tally *tally, enum tally_refusal why, const char *peer, int64_t now);

/* Writes the summaries that are due; called now and then. */
void tally_flush(struct tally *tally, int64_t now);

/* {"connections":n,"requests":n,"received":n,"verified":n,"slow_readers":n,"rejected":
 * {"bad_head":n,...}}; json_decref(). */
json_t *tally_json(struct tally *tally);
