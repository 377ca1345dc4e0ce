#pragma once

/*
 * The canonical text of a JSON value: what is signed.  It is what Rust's serde_json writes of what
 * it has read, so that both sides come to the same bytes however a text was written:
 *
 *   keys       in the order of their bytes, at every depth; of equal ones the last counts
 *   space      none
 *   strings    as they are, but \" \\ \b \f \n \r \t, and \u00XX (lower case) for the rest of 0..1f
 *   integers   as they are, -2^63 to 2^64-1
 *   the rest   doubles, shortest digits that read back as the same: 1.0, 100.0, 0.00001, 1e-6,
 * 1e16, -0.0
 *              (-0 and larger integers too)
 *
 * Strict where it reads: RFC 8259, UTF-8, no lone surrogates, no number beyond a double.
 */

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Deeper or larger texts are refused. */
#define CANONICAL_MAX_DEPTH 64
#define CANONICAL_MAX_VALUES 250000

/* A member of the outermost object. */
struct canonical_member {
	const char *name;
	struct buf text; /* canonical */
};

/*
 * Reads an object and hands out the canonical texts of those of its members that are named;
 * a member that is not there, leaves its text empty.  -1 with ERR_INVALID (not JSON, no object, too
 * much of it) or ERR_NOMEM.  buf_done() each text in both cases.
 */
int canonical_read(const char *text, size_t len, struct canonical_member *members, size_t count,
		   struct err *err);

/* Appends the canonical text of a whole value. */
int canonical_write(const char *text, size_t len, struct buf *out, struct err *err);
