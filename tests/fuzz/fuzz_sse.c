/* Server-sent events: whole or byte by byte, the same is told, and every text ends. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tell(void *ctx, const char *kind, const char *data)
{
	struct buf *told = ctx;

	if (strchr(kind, '\n'))
		abort();
	buf_appendf(told, "%s(%s)", kind, data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sse whole = { 0 }, pieces = { 0 };
	struct buf at_once = { 0 }, one_by_one = { 0 };
	const char *bytes = (const char *)data;

	if (sse_take(&whole, bytes, size, tell, &at_once) < 0)
		abort();
	for (size_t i = 0; i < size; i++)
		if (sse_take(&pieces, bytes + i, 1, tell, &one_by_one) < 0)
			abort();
	if (at_once.len != one_by_one.len ||
	    (at_once.len > 0 && memcmp(at_once.bytes, one_by_one.bytes, at_once.len) != 0))
		abort();
	sse_done(&whole);
	sse_done(&pieces);
	buf_done(&at_once);
	buf_done(&one_by_one);
	return 0;
}
