#include "base/outcome.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
	[OUTCOME_NONE] = NULL,
	[OUTCOME_SUCCESS] = "success",
	[OUTCOME_FAILURE] = "failure",
	[OUTCOME_TIMEOUT] = "timeout",
	[OUTCOME_CANCELLED] = "cancelled",
	[OUTCOME_INTERRUPTED] = "interrupted",
};

#define COUNT (sizeof(names) / sizeof(names[0]))

const char *outcome_name(enum outcome outcome)
{
	return (size_t)outcome < COUNT ? names[outcome] : NULL;
}

enum outcome outcome_parse(const char *name)
{
	for (size_t i = 0; name && i < COUNT; i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return (enum outcome)i;
	return OUTCOME_NONE;
}
