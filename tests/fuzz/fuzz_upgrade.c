/* The answer to the tunnel's handshake: what is taken must hold what the handshake stands on. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tunnel/upgrade.h"

#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* RFC 6455 section 1.3 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct err err;
	const ssize_t end = upgrade_end(bytes, size, &err);

	if (end > 0 && (size_t)end > size)
		abort();
	if (end <= 0 || upgrade_judge(bytes, (size_t)end, "dGhlIHNhbXBsZSBub25jZQ==", &err) < 0)
		return 0;
	if (memcmp(bytes, "HTTP/1.1 101", 12) != 0 ||
	    !memmem(bytes, (size_t)end, ACCEPT, strlen(ACCEPT)) || memchr(bytes, '\0', (size_t)end))
		abort();
	return 0;
}
