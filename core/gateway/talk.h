#pragma once

/*
 * A conversation as its type sees it, on the conversation's own thread; private to core/gateway/.
 * A type says what became of the work with exactly one of talk_success(), talk_fail() and
 * talk_later(); what it leaves unsaid is a failure.
 */

#include "base/buf.h"
#include "gateway/gateway.h"
#include "gateway/request.h"
#include "http/http.h"

#define TALK_ANSWER_MOST (4u * 1024 * 1024) /* bytes of an answer */
#define TALK_ADMISSION 30000		    /* ms for an answer that only says "taken" */

struct talk_type {
	const char *name; /* as people call it: "OpenClaw" */
	/* The request that asks for the work.  -1: it cannot be made, which is final. */
	int (*ask)(const struct gateway_spec *spec, struct request *request, struct err *err);
	/* What its answer means. */
	void (*judge)(struct gateway *talk, const struct request *request,
		      const struct http_response *response);
	/* NULL; or goes on with work that an earlier run had begun.  False: there is none. */
	bool (*resume)(struct gateway *talk);
	bool repeatable; /* the other side knows the key: the request may be sent again when it is
			    not known whether it came */
};

extern const struct talk_type talk_openclaw, talk_openclaw_message, talk_openprx,
    talk_openprx_signal, talk_webhook;

const struct gateway_spec *talk_spec(const struct gateway *talk);
const char *talk_name(const struct gateway *talk);

/*
 * Sends it, at most until the deadline; http_response_done() in any case.  0: there is an answer.
 * -1: none, err says why.
 */
int talk_call(struct gateway *talk, const struct request *request, struct http_response *response,
	      struct err *err);

/* False when it was stopped or its time is over; then talk_stopped() says how it ended. */
bool talk_goes_on(struct gateway *talk);
/* It ends because the daemon does, not the work. */
bool talk_interrupted(struct gateway *talk);
bool talk_pause(struct gateway *talk, int64_t ms); /* waits; talk_goes_on() afterwards */
/* Ends it as cancelled, interrupted or timed out.  More about it behind the usual words, or NULL.
 */
void talk_stopped(struct gateway *talk, const char *more);

/* The other side has the work, under this name (NULL: it did not say).  Once or more often. */
void talk_taken(struct gateway *talk, const char *session);
/* The work began `elapsed` ms ago, before this run: its time began then. */
void talk_began(struct gateway *talk, int64_t elapsed);

void talk_text(struct gateway *talk, const char *text, size_t len); /* success, and what it says */
__attribute__((format(printf, 2, 3))) void talk_success(struct gateway *talk, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void talk_fail(struct gateway *talk, const char *fmt, ...);
/* Not taken: again, not before `wait` ms (-1: the pipeline's own back-off). */
__attribute__((format(printf, 3, 4))) void talk_later(struct gateway *talk, int64_t wait,
						      const char *fmt, ...);

/* What an answer means that does not take the work, where the type knows nothing better. */
void talk_refused(struct gateway *talk, const struct http_response *response);

/* What an answer says is wrong, on one line, or "" (bytes from outside). */
#define TALK_WORDS 256
void talk_words(const char *body, size_t len, char words[TALK_WORDS]);

/* A call of one's own, beside the conversation and when it is over already: 5 s, its end is only
 * noted. */
void talk_aside(struct gateway *talk, const struct request *request);
