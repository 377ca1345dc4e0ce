/*
 * Envelopes from outside.  What is taken unsigned has one canonical form, which is taken again and
 * says the same; nothing passes a signature that was not made for it.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/canonical.h"
#include "tunnel/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_canonical(const char *text, size_t len)
{
	struct buf once = { 0 }, twice = { 0 };
	struct err err;

	if (canonical_write(text, len, &once, &err) == 0) {
		json_t *value = json_parse(once.bytes, once.len, &err);

		if (canonical_write(once.bytes, once.len, &twice, &err) < 0 ||
		    once.len != twice.len || memcmp(once.bytes, twice.bytes, once.len) != 0)
			abort();
		/* The one thing that jansson likes less: U+0000 in a name. */
		if (!value && !strstr(once.bytes, "\\u0000"))
			abort();
		json_decref(value);
	}
	buf_done(&once);
	buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hmac *hmac;
	static struct seen *seen;
	const char *text = (const char *)data, *reason = NULL;
	struct envelope envelope;
	struct err err;

	if (!hmac)
		hmac = hmac_new("a secret that no input knows", 28, &err);
	if (!seen)
		seen = seen_new(&err);
	const struct envelope_rules open = { .agent_id = "h" };
	const struct envelope_rules closed = { .agent_id = "h", .hmac = hmac, .seen = seen };

	check_canonical(text, size);
	if (envelope_read(&open, text, size, 0, &envelope, &reason, &err) == 0) {
		if (!envelope.id || !envelope.type || !envelope.payload)
			abort();
	} else if (!reason) {
		abort();
	}
	envelope_done(&envelope);
	if (envelope_read(&closed, text, size, 0, &envelope, &reason, &err) == 0 || !reason)
		abort();
	envelope_done(&envelope);
	return 0;
}
