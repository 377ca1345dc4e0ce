/* Any bytes: repaired text is UTF-8 without NUL, good text is left alone, a clip splits nothing. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t len;
	char *repaired = utf8_repair(text, size, &len);

	if (!repaired || !utf8_valid(repaired, len) || strlen(repaired) != len)
		abort();
	if (utf8_valid(text, size) && (size == 0 || !memchr(text, '\0', size)) &&
	    (len != size || memcmp(text, repaired, len) != 0))
		abort();
	for (size_t max = 0; max <= len && max < 64; max++) {
		const size_t clip = utf8_clip(repaired, len, max);

		if (clip > max || max - clip > 3 || !utf8_valid(repaired, clip))
			abort();
	}
	free(repaired);
	return 0;
}
