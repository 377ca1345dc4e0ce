#include "base/hmac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

struct hmac {
	EVP_MAC_CTX *context;
};

static EVP_MAC_CTX *new_context(void)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac); /* the context holds its own reference */
	return context;
}

struct hmac *hmac_new(const void *key, size_t key_len, struct err *err)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
				OSSL_PARAM_construct_end() };
	struct hmac *hmac = NULL;

	if (key_len == 0) {
		err_set(err, ERR_INVALID, "an empty key would let anyone sign");
		return NULL;
	}
	hmac = calloc(1, sizeof(*hmac));
	if (!hmac) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	hmac->context = new_context();
	if (!hmac->context || EVP_MAC_init(hmac->context, key, key_len, params) != 1) {
		err_set(err, ERR_IO, "OpenSSL offers no HMAC-SHA256");
		hmac_free(hmac);
		return NULL;
	}
	return hmac;
}

void hmac_free(struct hmac *hmac)
{
	if (!hmac)
		return;
	EVP_MAC_CTX_free(hmac->context);
	free(hmac);
}

int hmac_sign(struct hmac *hmac, const void *data, size_t len, unsigned char out[HMAC_SIZE],
	      struct err *err)
{
	unsigned char sum[HMAC_SIZE];
	size_t size = 0;

	/* A NULL key keeps the one of hmac_new(). */
	if (EVP_MAC_init(hmac->context, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(hmac->context, data, len) != 1 ||
	    EVP_MAC_final(hmac->context, sum, &size, sizeof(sum)) != 1 || size != HMAC_SIZE)
		return err_set(err, ERR_IO, "OpenSSL could not compute HMAC-SHA256");
	memcpy(out, sum, HMAC_SIZE);
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hmac_parse_hex(const char *text, size_t len, unsigned char out[HMAC_SIZE])
{
	static const char prefix[] = "sha256=";
	const size_t prefix_len = sizeof(prefix) - 1;
	unsigned char bytes[HMAC_SIZE];

	if (len == prefix_len + 2 * HMAC_SIZE && memcmp(text, prefix, prefix_len) == 0) {
		text += prefix_len;
		len -= prefix_len;
	}
	if (len != 2 * HMAC_SIZE)
		return -1;
	for (size_t i = 0; i < HMAC_SIZE; i++) {
		const int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		bytes[i] = (unsigned char)(high << 4 | low);
	}
	memcpy(out, bytes, HMAC_SIZE);
	return 0;
}

bool hmac_equal(const unsigned char a[HMAC_SIZE], const unsigned char b[HMAC_SIZE])
{
	return CRYPTO_memcmp(a, b, HMAC_SIZE) == 0;
}
