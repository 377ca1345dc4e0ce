#pragma once

/*
 * The strict check of a raw request head, before libh2o sees it.
 *
 * libh2o 2.2.5 takes the first of two Content-Lengths, prefers Transfer-Encoding over
 * Content-Length, and accepts bare LF, folded lines and a missing Host (tried): each of these lets
 * a proxy in front and this server disagree on where a request ends (RFC 9112 11.2).  Bytes from
 * outside: fuzzed by tests/fuzz/fuzz_head.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_MAX 16384	/* bytes, with the blank line */
#define HEAD_FIELDS 100 /* libh2o's own limit */

enum head_state { HEAD_INCOMPLETE, HEAD_COMPLETE, HEAD_REFUSED };

/* Zero-initialise for each request; only offsets are kept, so the bytes may move between two calls.
 */
struct head {
	enum head_state state;
	size_t len;	   /* of a complete head, with the blank line */
	int status;	   /* refused: 400, 417 or 431 */
	const char *error; /* refused: why; static text */

	bool chunked, has_length;
	uint64_t content_length;

	/* where the parser stands */
	size_t line, seen;
	bool started, http10;
	int fields, hosts, lengths, encodings, expects;
};

/*
 * Looks at all bytes that have come so far of one request; called again with more.  What follows
 * the head is not looked at.
 */
enum head_state head_check(struct head *head, const char *bytes, size_t len);
