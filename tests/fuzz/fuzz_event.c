/* Verified bodies are still written by strangers: issue titles, comments, and whatever a newer
 * OpenPR sends. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err;
	struct event *event = event_parse(data, size, 1790000000000, &err);

	if (!event)
		return 0;
	const struct store_event *stored = event_stored(event);
	if (event_shape(event) != EVENT_UNKNOWN &&
	    (!stored->dedupe_key || !stored->name ||
	     (stored->kind == KIND_NONE) != !stored->join_key))
		abort();
	event_free(event);
	return 0;
}
