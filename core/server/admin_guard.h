#pragma once

/*
 * Who may ask over the admin listener.  A browser is never one of them: a page from elsewhere can
 * make it send requests to this machine's own addresses (cross-site requests name their Origin,
 * rebound names come as Host), so both are refused, on the unix socket too.  Over TCP a request
 * carries the token.  Bytes from outside: fuzzed by tests/fuzz/fuzz_guard.c.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct admin_guard;

/*
 * `address`: "host:port" that is listened on, or NULL for a unix socket; then nothing else counts.
 * `any_host`: other machines may name this one as they like.  All is copied.
 */
struct admin_guard *admin_guard_new(const char *address, const char *token, bool any_host,
				    struct err *err);
void admin_guard_free(struct admin_guard *guard); /* accepts NULL */

/* A header's value, not NUL-terminated; text NULL: the request has none. */
struct admin_value {
	const char *text;
	size_t len;
};

/* 0: it may; else the HTTP status to refuse it with, 401 or 403, and *why as static text. */
int admin_guard_check(struct admin_guard *guard, struct admin_value host, struct admin_value origin,
		      struct admin_value authorization, const char **why);
