#pragma once

/* Dispatches of the tunnel, and what the control plane is told of them. */

#include "helper.h"
#include "store/dispatch.h"

/* A dispatch that joins nothing. */
static inline struct store_event dispatched(const char *run_id)
{
	static char keys[64][64];
	static int next;
	char *key = keys[next++ % 64];

	snprintf(key, 64, "tunnel:%s", run_id);
	struct store_event event = webhook("tunnel.dispatch", KIND_NONE, NULL, T0);
	event.source = SOURCE_TUNNEL;
	event.dedupe_key = key;
	event.dispatch_id = run_id;
	event.bot_id = NULL;
	event.bot_name = NULL;
	return event;
}

/* A webhook event that came through the tunnel. */
static inline struct store_event carried(const char *run_id, struct store_event event,
					 const char *delivery)
{
	const struct store_event bare = dispatched(run_id);

	event.source = SOURCE_TUNNEL;
	event.dedupe_key = bare.dedupe_key;
	event.dispatch_id = run_id;
	event.delivery = delivery;
	return event;
}

/* The next telling behind *seq, which moves; the payload is the caller's.  NULL: none. */
static inline json_t *next_telling(struct store *store, int64_t *seq, bool *ack)
{
	struct store_telling telling = { .seq = 0 };
	struct err err = { .text = "" };
	const int rc = store_next_telling(store, *seq, &telling, &err);

	if (rc < 0)
		fail_msg("store_next_telling: %s", err.text);
	if (rc == 0)
		return NULL;
	*seq = telling.seq;
	*ack = telling.ack;
	return telling.payload;
}

/* Everything that is owed, told or not told afterwards: "ack:r1 success:r1 ". */
static inline const char *owed(struct store *store, bool tell)
{
	static char said[1024];
	int64_t seq = 0;
	bool ack;
	json_t *payload;

	said[0] = '\0';
	while ((payload = next_telling(store, &seq, &ack))) {
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s:%s ",
			 ack ? "ack" : json_str(payload, "status"), json_str(payload, "run_id"));
		json_decref(payload);
		if (tell)
			ok(store_told(store, seq, &err));
	}
	return said;
}

/* The result that is owed next, acks told on the way; json_decref(). */
static inline json_t *result(struct store *store)
{
	int64_t seq = 0;
	bool ack = true;
	json_t *payload = NULL;

	while ((payload = next_telling(store, &seq, &ack)) && ack)
		json_decref(payload);
	assert_non_null(payload);
	return payload;
}

#define assert_field(object, path, expected)                                                       \
	do {                                                                                       \
		const char *found = json_str((object), (path));                                    \
		assert_non_null(found);                                                            \
		assert_string_equal(found, (expected));                                            \
	} while (0)
