#pragma once

/*
 * One HTTP exchange over libcurl: whole-call deadline, bounded response, no redirects, http and
 * https only, HTTP/1.1, certificates checked, no signals.  Proxies only as the environment names
 * them.  A `struct http` belongs to one thread and keeps its connections.
 *
 * Only GET goes over a connection that was used before: libcurl sends a request again by itself
 * when such a connection is closed without an answer, and a comment must not be posted twice.
 *
 * `public_only` is for addresses that others may choose: what a name resolves to is checked when
 * the connection is made, each time, so that no answer of a name server leads inside.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct http;

/* `stop` may be NULL; once it is true, calls end at once with ERR_CONFLICT. */
struct http *http_new(const atomic_bool *stop, struct err *err);
void http_free(struct http *http);

struct http_request {
	const char *method, *url;
	const char *unix_socket;    /* NULL: TCP */
	bool direct;		    /* past every proxy that the environment names */
	const char *bearer;	    /* NULL: none */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const void *body;	    /* NULL: none */
	size_t body_len;
	const char *content_type; /* of the body; NULL: application/json */
	bool public_only;	  /* no private address (http/address.h), and no proxy */
	int64_t timeout;	  /* ms for all of it */
	size_t max_response;	  /* bytes; more is ERR_FULL */
	/* May be NULL.  Takes the body as it arrives, whatever the status; response->body stays
	 * empty then. */
	void (*sink)(void *arg, const char *bytes, size_t len);
	void *sink_arg;
};

struct http_response {
	long status;
	struct buf body;
	int64_t date;	     /* the peer's `Date`, wall ms; 0: none */
	bool sent;	     /* false on -1: the request certainly did not reach the peer */
	bool refused;	     /* on -1: `public_only` kept it from an address */
	int64_t retry_after; /* ms, of the header with either form; -1: none */
};

/* 0: an answer came, whatever its status.  -1: none; response->sent says what is known.
 * http_response_done() in both cases. */
int http_call(struct http *http, const struct http_request *request, struct http_response *response,
	      struct err *err);
void http_response_done(struct http_response *response);
