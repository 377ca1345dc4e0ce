#pragma once

/*
 * Reads one JSON text as it arrives, in constant memory, and tells of its strings and plain values.
 * It tracks structure, not grammar: a text that it calls whole may still not be JSON, but every
 * JSON text up to SCAN_MAX_DEPTH is read right.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_MAX_DEPTH 32
#define SCAN_WORD_MAX 15

struct json_scan;

/* All are called; none may feed the same scan. */
struct json_scan_handler {
	/* An array or object begins; depth and key are still those of the value it is. */
	void (*open)(void *arg, const struct json_scan *scan, bool object);
	/* One byte of a string value; \uXXXX above ASCII is given as 0xff. */
	void (*byte)(void *arg, const struct json_scan *scan, unsigned char byte);
	/* A string value has ended. */
	void (*string)(void *arg, const struct json_scan *scan);
	/* A number, true, false or null, as written; "" when it is too long. */
	void (*word)(void *arg, const struct json_scan *scan, const char *word);
	void *arg;
};

/* Zero-initialise but for handler; there is nothing to free. */
struct json_scan {
	struct json_scan_handler handler;
	/* The key of the value at hand, "" in arrays and for keys too long; what depth it is at: 1
	 * is the outermost object. */
	char key[SCAN_WORD_MAX + 1];
	unsigned depth;

	enum { SCAN_BETWEEN, SCAN_STRING, SCAN_ESCAPE, SCAN_HEX, SCAN_WORD } state;
	uint32_t objects; /* bit per open level: it is an object */
	bool is_key, want_key, started, broken;
	char word[SCAN_WORD_MAX + 1];
	size_t word_len;
	unsigned hex, hex_left;
};

void json_scan_feed(struct json_scan *scan, const char *bytes, size_t len);

/* Whether what was fed is one complete object or array. */
bool json_scan_whole(const struct json_scan *scan);
