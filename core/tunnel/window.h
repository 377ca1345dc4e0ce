#pragma once

/*
 * Messages on their way: sent, and not known to be read.  A ping that follows them asks; its pong
 * says that all before it were read.  How many there may be is bounded, which also keeps what
 * waited for long from going out all at once.  Knows no time and no connection.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel/link.h"

#define WINDOW_MESSAGES 32
#define WINDOW_BYTES ((size_t)256 * 1024) /* a message more than that may pass, alone */

struct window_item {
	char key[LINK_KEY_SIZE];
	size_t bytes;
};

struct window {
	struct window_item items[WINDOW_MESSAGES]; /* a ring; oldest at `first` */
	size_t first, count, bytes;
	size_t asked;	 /* how many of them the ping under way covers */
	uint64_t number; /* of the last ping; 0: none yet */
	bool asking;	 /* a ping is under way */
};

bool window_has_room(const struct window *window);
void window_add(struct window *window, const char *key, size_t bytes); /* when there is room */

/* Whether there are messages that no ping covers. */
bool window_wants_ping(const struct window *window);
/* A ping goes out behind all of them now; its number.  Only one may be under way. */
uint64_t window_ping(struct window *window);

/* A pong.  false: it answers no ping of ours.  `confirmed` is called for each key that is not
 * empty. */
bool window_pong(struct window *window, uint64_t number, void (*confirmed)(void *, const char *),
		 void *ctx);
