#pragma once

/*
 * Whether a body was signed with one of the configured secrets (openpr-contract 1.1).  One
 * `struct signature` belongs to one thread.  Bytes from outside: fuzzed by
 * tests/fuzz/fuzz_signature.c.
 */

#include <stddef.h>

#include "base/err.h"
#include "config/config.h"

/* Values of signature headers that are looked at; a sender needs one. */
#define SIGNATURE_VALUES 8

struct signature;

/* With the secrets of config->webhook; they are copied. */
struct signature *signature_new(const struct config *config, struct err *err);
void signature_free(struct signature *signature); /* accepts NULL */

/* One header's value, not NUL-terminated. */
struct signature_value {
	const char *text;
	size_t len;
};

enum signature_verdict {
	SIGNATURE_GOOD,
	SIGNATURE_MISSING,   /* no value at all */
	SIGNATURE_MALFORMED, /* not one value is 64 hex digits, or there are too many */
	SIGNATURE_WRONG,     /* none is of this body by any secret */
};

/*
 * Good when at least one of the values is the HMAC of the body under at least one secret.  Every
 * value is compared with every secret, in constant time, whichever matches.
 *
 * Why any and not all: only a holder of a secret can make a value that matches, so a second header
 * beside it (a proxy's, or a sender in transition to a new secret) proves nothing against it.
 */
enum signature_verdict signature_verify(struct signature *signature, const void *body, size_t len,
					const struct signature_value *values, size_t count);

/* Why it is not good, for the sender; static text. */
const char *signature_text(enum signature_verdict verdict);
