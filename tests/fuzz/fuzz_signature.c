/*
 * Signature headers, from anybody: lines of values, an empty line, the body.  Good exactly when one
 * of the values spells the body's HMAC.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hmac.h"
#include "server/signature.h"

static char secret[] = "s3cret", older[] = "older";
static char *secrets[] = { secret, older };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool spells(const struct signature_value *value, const char *hex)
{
	const bool prefixed = value->len == 71 && memcmp(value->text, "sha256=", 7) == 0;
	const char *digits = value->text + (prefixed ? 7 : 0);

	return (prefixed || value->len == 64) && strncasecmp(digits, hex, 64) == 0;
}

static void hex_of(const char *key, const void *body, size_t len, char hex[65])
{
	unsigned char mac[HMAC_SIZE];
	struct err err;
	struct hmac *hmac = hmac_new(key, strlen(key), &err);

	if (!hmac || hmac_sign(hmac, body, len, mac, &err) < 0)
		abort();
	hmac_free(hmac);
	for (int i = 0; i < HMAC_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", mac[i]);
}

static size_t split(const char **at, const char *end,
		    struct signature_value values[SIGNATURE_VALUES])
{
	size_t count = 0;

	while (*at < end && count < SIGNATURE_VALUES) {
		const char *lf = memchr(*at, '\n', (size_t)(end - *at));
		const char *stop = lf ? lf : end;

		values[count] = (struct signature_value){ *at, (size_t)(stop - *at) };
		*at = lf ? lf + 1 : end;
		if (values[count++].len == 0)
			break;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct signature *signature;
	struct signature_value values[SIGNATURE_VALUES];
	const char *body = (const char *)data, *end = body + size;
	char hex[2][65];
	bool expected = false;
	struct err err;

	if (!signature) {
		const struct config config = { .webhook = { .secrets = secrets,
							    .secret_count = 2 } };
		signature = signature_new(&config, &err);
	}
	const size_t count = split(&body, end, values);
	hex_of(secret, body, (size_t)(end - body), hex[0]);
	hex_of(older, body, (size_t)(end - body), hex[1]);
	for (size_t i = 0; i < count; i++)
		expected |= spells(&values[i], hex[0]) || spells(&values[i], hex[1]);
	const enum signature_verdict verdict =
	    signature_verify(signature, body, (size_t)(end - body), values, count);
	if ((verdict == SIGNATURE_GOOD) != expected || !signature_text(verdict))
		abort();
	return 0;
}
