#include "tunnel/window.h"

#include <string.h>

bool window_has_room(const struct window *window)
{
	return window->count < WINDOW_MESSAGES && window->bytes < WINDOW_BYTES;
}

void window_add(struct window *window, const char *key, size_t bytes)
{
	struct window_item *item =
	    &window->items[(window->first + window->count) % WINDOW_MESSAGES];

	strncpy(item->key, key, sizeof(item->key) - 1);
	item->key[sizeof(item->key) - 1] = '\0';
	item->bytes = bytes;
	window->bytes += bytes;
	window->count++;
}

bool window_wants_ping(const struct window *window)
{
	return window->count > window->asked;
}

uint64_t window_ping(struct window *window)
{
	window->asking = true;
	window->asked = window->count;
	return ++window->number;
}

bool window_pong(struct window *window, uint64_t number, void (*confirmed)(void *, const char *),
		 void *ctx)
{
	if (!window->asking || number != window->number)
		return false;
	window->asking = false;
	for (; window->asked > 0; window->asked--) {
		const struct window_item item = window->items[window->first];

		window->first = (window->first + 1) % WINDOW_MESSAGES;
		window->bytes -= item.bytes;
		window->count--;
		if (item.key[0])
			confirmed(ctx, item.key);
	}
	return true;
}
