/* JSON from outside: no crash, and what was read comes back equal when written and read again. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err;
	json_t *value = json_parse((const char *)data, size, &err);

	if (!value)
		return 0;
	char *text = json_text(value);
	json_t *again = text ? json_parse(text, strlen(text), &err) : NULL;

	if (!again || !json_equal(value, again))
		abort();
	json_at(value, "data.issue.id");
	json_str(value, "event");
	json_int(value, "payload.attempt", 0);
	json_decref(again);
	json_decref(value);
	free(text);
	return 0;
}
