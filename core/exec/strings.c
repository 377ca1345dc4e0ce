#include "exec/strings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int take(struct strings *list, char *text)
{
	if (!text)
		return -1;
	if (list->count + 2 > list->cap) {
		const size_t cap = list->cap ? 2 * list->cap : 32;
		char **items = realloc(list->items, cap * sizeof(*items));
		if (!items) {
			free(text);
			return -1;
		}
		list->items = items;
		list->cap = cap;
	}
	list->items[list->count++] = text;
	list->items[list->count] = NULL;
	return 0;
}

int strings_add(struct strings *list, const char *text)
{
	return take(list, strdup(text));
}

int strings_set(struct strings *list, const char *name, const char *value)
{
	const size_t len = strlen(name);
	char *text = NULL;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		return -1;
	for (size_t i = 0; i < list->count; i++) {
		if (strncmp(list->items[i], text, len + 1) == 0) {
			free(list->items[i]);
			list->items[i] = text;
			return 0;
		}
	}
	return take(list, text);
}

void strings_done(struct strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct strings){ 0 };
}
