#include "base/sha1.h"

#include <openssl/evp.h>

int sha1(const void *data, size_t len, unsigned char out[SHA1_SIZE], struct err *err)
{
	unsigned int size = 0;

	if (EVP_Digest(data, len, out, &size, EVP_sha1(), NULL) != 1 || size != SHA1_SIZE)
		return err_set(err, ERR_IO, "OpenSSL offers no SHA-1");
	return 0;
}
