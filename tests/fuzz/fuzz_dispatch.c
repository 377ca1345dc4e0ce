/* What a control plane dispatches: whatever it holds is understood, refused, or taken for words,
 * and what was kept of it is understood the same way again. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct event *event)
{
	const struct store_event *stored = event_stored(event);
	struct err err;

	if (stored->source != SOURCE_TUNNEL || !stored->name || !stored->dedupe_key ||
	    !stored->dispatch_id || event_shape(event) == EVENT_UNKNOWN ||
	    (stored->kind == KIND_NONE) != !stored->join_key)
		abort();
	if (strlen(stored->dispatch_id) > 256 ||
	    (stored->issue_id && strlen(stored->issue_id) > 256))
		abort();

	struct event *again = event_restore(stored, &err);
	if (!again || event_shape(again) != event_shape(event) ||
	    event_is_empty(again) != event_is_empty(event) ||
	    strcmp(event_stored(again)->dedupe_key, stored->dedupe_key) != 0)
		abort();
	event_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err;
	json_t *payload = json_parse((const char *)data, size, &err);
	struct event *event = payload ? event_parse_dispatch(payload, 1790000000000, &err) : NULL;

	if (event)
		check(event);
	event_free(event);
	json_decref(payload);
	return 0;
}
