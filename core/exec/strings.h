#pragma once

/* A growing, NULL-terminated list of owned strings: what execve() takes.  Zero-initialise. */

#include <stddef.h>

struct strings {
	char **items; /* NULL-terminated once anything was added */
	size_t count, cap;
};

/* Both return 0, or -1 when memory is short. */
int strings_add(struct strings *list, const char *text);
/* "name=value", in the place of an earlier one of that name. */
int strings_set(struct strings *list, const char *name, const char *value);

void strings_done(struct strings *list);
