#include "server/signature.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hmac.h"

struct signature {
	struct hmac **keys;
	size_t count;
};

struct signature *signature_new(const struct config *config, struct err *err)
{
	const size_t count = config->webhook.secret_count;
	struct signature *signature = calloc(1, sizeof(*signature));

	if (signature)
		signature->keys = calloc(count ? count : 1, sizeof(signature->keys[0]));
	if (!signature || !signature->keys) {
		signature_free(signature);
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	for (; signature->count < count; signature->count++) {
		const char *secret = config->webhook.secrets[signature->count];

		signature->keys[signature->count] = hmac_new(secret, strlen(secret), err);
		if (!signature->keys[signature->count]) {
			signature_free(signature);
			return NULL;
		}
	}
	return signature;
}

void signature_free(struct signature *signature)
{
	if (!signature)
		return;
	for (size_t i = 0; i < signature->count; i++)
		hmac_free(signature->keys[i]);
	free(signature->keys);
	free(signature);
}

/* Returns how many of the values are digests; they fill `digests`. */
static size_t parse(const struct signature_value *values, size_t count,
		    unsigned char digests[SIGNATURE_VALUES][HMAC_SIZE])
{
	size_t parsed = 0;

	for (size_t i = 0; i < count; i++)
		if (hmac_parse_hex(values[i].text, values[i].len, digests[parsed]) == 0)
			parsed++;
	return parsed;
}

enum signature_verdict signature_verify(struct signature *signature, const void *body, size_t len,
					const struct signature_value *values, size_t count)
{
	unsigned char digests[SIGNATURE_VALUES][HMAC_SIZE], mac[HMAC_SIZE];
	bool good = false;
	struct err err;

	if (count == 0)
		return SIGNATURE_MISSING;
	if (count > SIGNATURE_VALUES)
		return SIGNATURE_MALFORMED;
	const size_t parsed = parse(values, count, digests);
	if (parsed == 0)
		return SIGNATURE_MALFORMED;
	for (size_t key = 0; key < signature->count; key++) {
		if (hmac_sign(signature->keys[key], body, len, mac, &err) < 0)
			continue;
		for (size_t i = 0; i < parsed; i++)
			good |= hmac_equal(mac, digests[i]);
	}
	return good ? SIGNATURE_GOOD : SIGNATURE_WRONG;
}

const char *signature_text(enum signature_verdict verdict)
{
	static const char *const texts[] = {
		[SIGNATURE_GOOD] = "the signature is good",
		[SIGNATURE_MISSING] = "no signature: X-Webhook-Signature (or X-OpenPR-Signature) "
				      "with the HMAC-SHA256 of the body is missing",
		[SIGNATURE_MALFORMED] = "the signature is not 64 hex digits, with or without "
					"sha256= before them",
		[SIGNATURE_WRONG] = "the signature matches no configured secret",
	};

	return texts[verdict];
}
