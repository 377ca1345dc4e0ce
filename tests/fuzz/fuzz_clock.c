/* RFC 3339 from a signed body: no crash, and what was read can be written and read again. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	char out[CLOCK_TEXT_SIZE];
	int64_t ms, back;

	if (!text)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (clock_parse(text, &ms) == 0) {
		clock_format(ms, out);
		/* An offset may lead out of the years that can be written. */
		if (ms >= -62167219200000 && ms <= 253402300799999 &&
		    (clock_parse(out, &back) < 0 || back != ms))
			abort();
	}
	free(text);
	return 0;
}
