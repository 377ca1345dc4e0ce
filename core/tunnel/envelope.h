#pragma once

/*
 * What goes over the tunnel in a text frame:
 *
 *   {"id":...,"type":...,"ts":...,"agent_id":...,"payload":...,"sig":"sha256=..."}
 *
 * `sig` is HMAC-SHA256 over the canonical text (tunnel/canonical.h) of the object without it, keys
 * in this order.  docs/tunnel.md describes all of it.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hmac.h"
#include "base/json.h"
#include "tunnel/seen.h"

#define ENVELOPE_WINDOW 300 /* s that `ts` may lie in the past or the future */
#define ENVELOPE_MAX_ID 128 /* bytes */

struct envelope_rules {
	const char *agent_id; /* ours: what we write, and what must stand in what we get */
	struct hmac *hmac;    /* NULL: nothing is signed or checked, nor is time or repetition */
	struct seen *seen;
};

struct envelope {
	json_t *value; /* owns the rest; the whole object */
	const char *id, *type;
	json_t *payload;
};

/*
 * Reads and checks one.  -1: refused, and *reason is a word of the protocol: invalid_json,
 * missing_signature, bad_signature, wrong_agent, stale_ts, repeated_id (checked in this order); or
 * NULL with memory short.  err has it in more words.  envelope->id is known where it could be read
 * (else NULL).  now: s since 1970.  envelope_done() in both cases.
 */
int envelope_read(const struct envelope_rules *rules, const char *text, size_t len, int64_t now,
		  struct envelope *envelope, const char **reason, struct err *err);
void envelope_done(struct envelope *envelope);

/* Appends one with a new id, signed when there is a key. */
int envelope_write(const struct envelope_rules *rules, const char *type, const json_t *payload,
		   int64_t now, struct buf *out, struct err *err);
