#include "base/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *bytes, size_t len)
{
	char *text = len > INT_MAX / 2 ? NULL : malloc((len + 2) / 3 * 4 + 1);

	if (text)
		EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
	return text;
}

/* OpenSSL's own decoder takes spaces and does not say how much padding there was. */
unsigned char *base64_decode(const char *text, size_t text_len, size_t *len)
{
	size_t pad = 0;

	if (text_len == 0 || text_len % 4 != 0 || text_len > INT_MAX / 2)
		return NULL;
	while (pad < 2 && text[text_len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < text_len - pad; i++)
		if (!text[i] || !strchr(alphabet, text[i]))
			return NULL;
	unsigned char *bytes = malloc(text_len / 4 * 3);
	if (!bytes || EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)text_len) < 0) {
		free(bytes);
		return NULL;
	}
	*len = text_len / 4 * 3 - pad;
	return bytes;
}
