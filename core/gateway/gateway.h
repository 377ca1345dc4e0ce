#pragma once

/*
 * One conversation with an agent that lives behind HTTP, seen from the dispatcher: what exec/run.h
 * is for a program.  A thread each, because asking, waiting and asking again is straight code; the
 * dispatcher's caps bound how many there are.
 *
 *   openclaw  POST /hooks/agent, then the same request waiting for completion; or a chat message
 *   openprx   POST /webhook?mode=async, then its job is asked for until it ends; or a Signal
 * message webhook   one signed request
 *
 * Until the other side has taken the work, nothing has happened: such a conversation is given up
 * (GATEWAY_LATER) and the task waits in the queue for the next try, which sends the same key.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "config/config.h"
#include "exec/run.h"
#include "gateway/breaker.h"

struct gateway;

/* A plain request, for what is neither openclaw nor openprx. */
struct gateway_http {
	const char *method, *url; /* "POST", http or https */
	const struct config_pair *headers;
	size_t header_count;
	const void *body;
	size_t body_len;
	const char *content_type; /* unless the headers say one */
	const char *what;	  /* how success is said; NULL: "The event was handed on to" */
	const char *secret;	  /* NULL: not signed */
	bool standard_webhooks; /* signed as their specification says, too; `secret` is whsec_... */
	bool allow_private;	/* the target may have a private address */
};

/* All is borrowed until gateway_free(). */
struct gateway_spec {
	const struct config_agent *agent;
	const char *run_id;
	const char *key; /* by which the other side knows the work again: the same for a run and for
			    those that take its place after a crash of ours */
	bool key_sent;	 /* it may have been sent before */
	const char *session; /* what an earlier run with this key was told about its work; NULL */
	const char *prompt;  /* openclaw, openprx */
	size_t prompt_len;
	const struct gateway_http *http; /* NULL for openclaw and openprx: see gateway_http_of() */
	const char *event, *delivery;	 /* X-Webhook-Event, X-Webhook-Delivery; NULL: none */
	int64_t timeout;		 /* ms for all of it */
	const char *log_path;		 /* what is said is noted here, once the work is taken */
	struct breakers *breakers;	 /* NULL: none */
};

/* True when this agent is talked to and not run. */
bool gateway_speaks(const struct config_agent *agent);

/* What a webhook agent's configuration says about its request; the body is left to the caller. */
struct gateway_http gateway_http_of(const struct config_agent *agent);

/* NULL with err filled when there is no memory or no thread. */
struct gateway *gateway_start(const struct gateway_spec *spec, struct err *err);

/* Readable when there is news; for poll(). */
int gateway_fd(const struct gateway *gateway);

enum gateway_event {
	GATEWAY_NOTHING,
	GATEWAY_TAKEN,	 /* the other side has the work: it counts from now on */
	GATEWAY_SESSION, /* the name by which the other side knows it */
	GATEWAY_LATER,	 /* it was not taken; the conversation is over */
	GATEWAY_ENDED,
};

struct gateway_news {
	const char *session;	   /* SESSION; borrowed until gateway_free() */
	int64_t retry_after;	   /* LATER: ms that the other side asks for; -1: it did not say */
	const char *reason;	   /* LATER: one line, redacted; borrowed until gateway_free() */
	struct run_result *result; /* ENDED: is filled; run_result_done() */
};

/*
 * The next piece of news, in the order TAKEN, SESSION, then LATER or ENDED, once each; never
 * blocks.  A run that ends without having been taken (refused for good, cancelled) has no TAKEN.
 */
enum gateway_event gateway_read(struct gateway *gateway, struct gateway_news *news);

/*
 * Asks for the end.  CANCEL ends the work on the other side where it can be told to; INTERRUPT
 * leaves it alone, so that the next daemon finds it again by key and session.
 */
void gateway_stop(struct gateway *gateway, enum run_stop why);

void gateway_free(struct gateway *gateway); /* accepts NULL; waits for its thread */

/*
 * What gateway_start() would send first, without sending anything: {"method", "url", "headers":
 * [names], "body" (text; NULL where it is not UTF-8)}, without secrets.  NULL with err filled.
 */
json_t *gateway_describe(const struct gateway_spec *spec, struct err *err);
