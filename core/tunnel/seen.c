#include "tunnel/seen.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hmac.h"
#include "base/random.h"

#define MOST (SEEN_MOST / 2) /* of a generation */
#define SLOTS (MOST * 2)     /* a power of two */
#define KEY_SIZE 16

struct generation {
	unsigned char (*keys)[KEY_SIZE]; /* SLOTS; all zeros: free */
	size_t count;
	int64_t newest; /* ts */
};

struct seen {
	struct hmac *hmac; /* under a key of our own: nobody finds ids that fall together */
	struct generation now, before;
	int64_t forgotten; /* the newest ts of what was forgotten */
};

static int make_generation(struct generation *generation)
{
	generation->keys = calloc(SLOTS, KEY_SIZE);
	generation->count = 0;
	generation->newest = INT64_MIN;
	return generation->keys ? 0 : -1;
}

struct seen *seen_new(struct err *err)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	unsigned char key[HMAC_SIZE];

	random_fill(key, sizeof(key));
	if (!seen || make_generation(&seen->now) < 0 || make_generation(&seen->before) < 0) {
		err_set(err, ERR_NOMEM, "out of memory");
		goto fail;
	}
	seen->forgotten = INT64_MIN;
	seen->hmac = hmac_new(key, sizeof(key), err);
	if (seen->hmac)
		return seen;
fail:
	seen_free(seen);
	return NULL;
}

void seen_free(struct seen *seen)
{
	if (!seen)
		return;
	hmac_free(seen->hmac);
	free(seen->now.keys);
	free(seen->before.keys);
	free(seen);
}

/* Where the key is, or the free slot where it would be. */
static unsigned char *find(const struct generation *generation, const unsigned char *key)
{
	static const unsigned char none[KEY_SIZE];
	uint32_t at;

	memcpy(&at, key, sizeof(at));
	for (;; at++) {
		unsigned char *slot = generation->keys[at % SLOTS];

		if (memcmp(slot, key, KEY_SIZE) == 0 || memcmp(slot, none, KEY_SIZE) == 0)
			return slot;
	}
}

static bool holds(const struct generation *generation, const unsigned char *key)
{
	return memcmp(find(generation, key), key, KEY_SIZE) == 0;
}

static void forget_oldest(struct seen *seen)
{
	const struct generation oldest = seen->before;

	if (oldest.newest > seen->forgotten)
		seen->forgotten = oldest.newest;
	memset(oldest.keys, 0, (size_t)SLOTS * KEY_SIZE);
	seen->before = seen->now;
	seen->now = (struct generation){ .keys = oldest.keys, .newest = INT64_MIN };
}

enum seen_answer seen_add(struct seen *seen, const char *id, int64_t ts, struct err *err)
{
	unsigned char key[HMAC_SIZE];

	if (ts <= seen->forgotten)
		return SEEN_TOO_OLD;
	if (hmac_sign(seen->hmac, id, strlen(id), key, err) < 0)
		return SEEN_FAILED;
	if (holds(&seen->now, key) || holds(&seen->before, key))
		return SEEN_BEFORE;
	if (seen->now.count == MOST)
		forget_oldest(seen);
	memcpy(find(&seen->now, key), key, KEY_SIZE);
	seen->now.count++;
	if (ts > seen->now.newest)
		seen->now.newest = ts;
	return SEEN_NEW;
}
