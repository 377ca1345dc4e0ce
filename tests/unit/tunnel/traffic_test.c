/*
 * What is handed to a link, in which order and how often.  The queue is the real one; the link and
 * the pipeline are played by this file, as the links of traffic to both are a handful of calls.
 */

#include "../store/helper_tunnel.h"

#include <stdatomic.h>

#include "tunnel/traffic.h"

/* ---- the link and the pipeline ---- */

static atomic_int wakes;
static bool dispatch_fails;
static enum err_code dispatch_code; /* with which it does */
static char dispatch_payload[256];
static pipeline_dispatched_fn *dispatch_done;
static void *dispatch_ctx;

void link_wake(struct link *link)
{
	(void)link;
	atomic_fetch_add(&wakes, 1);
}

int pipeline_dispatch(struct pipeline *pipeline, const json_t *payload,
		      pipeline_dispatched_fn *done, void *ctx, struct err *err)
{
	char *text = json_text(payload);

	(void)pipeline;
	snprintf(dispatch_payload, sizeof(dispatch_payload), "%s", text);
	free(text);
	dispatch_done = done;
	dispatch_ctx = ctx;
	return dispatch_fails ? err_set(err, dispatch_code, "no") : 0;
}

void pipeline_on_work(struct pipeline *pipeline, store_wake_fn *wake, void *ctx)
{
	store_on_work((struct store *)pipeline, wake, ctx);
}

/* ---- one tunnel ---- */

struct tunnel {
	struct place *place;
	struct traffic *traffic;
	struct link_traffic to;
};

static int setup(void **state)
{
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
	void *place = NULL;
	struct err err;

	if (place_setup(&place) < 0)
		return -1;
	tunnel->place = place;
	tunnel->traffic =
	    traffic_new((struct pipeline *)tunnel->place->store, tunnel->place->store, &err);
	tunnel->to = traffic_callbacks(tunnel->traffic);
	traffic_attach(tunnel->traffic, (struct link *)tunnel);
	dispatch_fails = false;
	*state = tunnel;
	return tunnel->traffic ? 0 : -1;
}

static int teardown(void **state)
{
	struct tunnel *tunnel = *state;
	void *place = tunnel->place;

	traffic_attach(tunnel->traffic, NULL);
	traffic_free(tunnel->traffic);
	free(tunnel);
	return place_teardown(&place);
}

static void up(struct tunnel *tunnel)
{
	tunnel->to.changed(tunnel->to.ctx, true, "");
}

/* A COMMIT's wake comes a moment behind its answer, and before the next job's. */
static void settle(struct tunnel *tunnel)
{
	ok(store_told(tunnel->place->store, 0, &err));
}

/* All that is handed out: "task.ack:r1 task.result:r1 "; the keys in `keys`. */
static const char *handed(struct tunnel *tunnel, char keys[16][LINK_KEY_SIZE])
{
	static char said[1024];
	struct link_message message;
	size_t count = 0;

	settle(tunnel);
	said[0] = '\0';
	while (tunnel->to.next(tunnel->to.ctx, &message)) {
		const char *subject = json_str(message.payload, "run_id");
		const char *reason = json_str(message.payload, "reason");
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s:%s ", message.type,
			 strcmp(message.type, "error") == 0 ? reason : subject);
		assert_true(count < 16);
		memcpy(keys[count++], message.key, LINK_KEY_SIZE);
		json_decref(message.payload);
	}
	return said;
}

static void receive_json(struct tunnel *tunnel, const char *type, const char *text)
{
	json_t *payload = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(payload);
	tunnel->to.received(tunnel->to.ctx, type, payload);
	json_decref(payload);
}

#define queue(tunnel) ((tunnel)->place->store)

static void all_is_handed_out_once_on_a_connection(void **state)
{
	struct tunnel *tunnel = *state;
	char keys[16][LINK_KEY_SIZE];

	receive(queue(tunnel), dispatched("r1"), ACTION_ACCEPT);
	run_to(queue(tunnel), OUTCOME_SUCCESS);
	up(tunnel);
	assert_string_equal(handed(tunnel, keys), "task.ack:r1 task.result:r1 ");
	assert_string_equal(handed(tunnel, keys), "");
	receive(queue(tunnel), dispatched("r2"), ACTION_NO_AGENT);
	assert_string_equal(handed(tunnel, keys), "task.ack:r2 task.result:r2 ");
}

static void what_was_not_confirmed_is_handed_out_again(void **state)
{
	struct tunnel *tunnel = *state;
	char keys[16][LINK_KEY_SIZE], again[16][LINK_KEY_SIZE];

	receive(queue(tunnel), dispatched("r1"), ACTION_NO_AGENT);
	receive(queue(tunnel), dispatched("r2"), ACTION_NO_AGENT);
	up(tunnel);
	handed(tunnel, keys);
	tunnel->to.confirmed(tunnel->to.ctx, keys[0]);
	tunnel->to.confirmed(tunnel->to.ctx, keys[3]);
	tunnel->to.confirmed(tunnel->to.ctx, ""); /* of something that nobody asked about */
	receive(queue(tunnel), dispatched("r3"), ACTION_ACCEPT); /* on disk behind both */
	tunnel->to.changed(tunnel->to.ctx, false, "gone");
	up(tunnel);
	assert_string_equal(handed(tunnel, again), "task.result:r1 task.ack:r2 task.ack:r3 ");
}

static void the_link_is_woken_by_what_is_owed(void **state)
{
	struct tunnel *tunnel = *state;
	const int before = atomic_load(&wakes);

	receive(queue(tunnel), dispatched("r1"), ACTION_NO_AGENT);
	settle(tunnel);
	assert_true(atomic_load(&wakes) > before);
}

static void a_dispatch_goes_to_the_pipeline(void **state)
{
	struct tunnel *tunnel = *state;
	char keys[16][LINK_KEY_SIZE];

	receive_json(tunnel, "task.dispatch", "{\"run_id\":\"r1\"}");
	assert_string_equal(dispatch_payload, "{\"run_id\":\"r1\"}");
	dispatch_done(dispatch_ctx, "r1", NULL);
	assert_string_equal(handed(tunnel, keys), ""); /* the ack is the queue's to tell */
}

static void what_is_not_taken_gets_an_error(void **state)
{
	static const struct {
		enum err_code code;
		const char *said;
	} codes[] = { { ERR_INVALID, "error:invalid_dispatch " },
		      { ERR_FULL, "error:busy " },
		      { ERR_NOMEM, "error:busy " } };
	struct tunnel *tunnel = *state;
	char keys[16][LINK_KEY_SIZE];
	struct err err;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		dispatch_fails = true;
		dispatch_code = codes[i].code;
		receive_json(tunnel, "task.dispatch", "{\"run_id\":\"r1\"}");
		assert_string_equal(handed(tunnel, keys), codes[i].said);
	}
	dispatch_fails = false;
	receive_json(tunnel, "task.dispatch", "{\"run_id\":\"r1\"}");
	err_set(&err, ERR_IO, "the disk is full");
	dispatch_done(dispatch_ctx, "r1", &err);
	assert_string_equal(handed(tunnel, keys), "error:unavailable ");
}

static void errors_are_bounded(void **state)
{
	struct tunnel *tunnel = *state;
	struct link_message message;
	int count = 0;

	dispatch_fails = true;
	dispatch_code = ERR_FULL;
	for (int i = 0; i < 1000; i++)
		receive_json(tunnel, "task.dispatch", "7");
	while (tunnel->to.next(tunnel->to.ctx, &message)) {
		json_decref(message.payload);
		count++;
	}
	assert_int_equal(count, 64);
}

static void a_cancel_is_answered_by_the_result(void **state)
{
	struct tunnel *tunnel = *state;
	char keys[16][LINK_KEY_SIZE];

	receive(queue(tunnel), dispatched("r1"), ACTION_ACCEPT);
	up(tunnel);
	receive_json(tunnel, "task.cancel", "{\"run_id\":\"r1\"}");
	assert_string_equal(handed(tunnel, keys), "task.ack:r1 task.result:r1 ");
}

static void a_cancel_of_nothing_is_a_mistake(void **state)
{
	static const char *const payloads[] = { "{}", "7", "{\"run_id\":\"\"}", "{\"run_id\":1}" };
	struct tunnel *tunnel = *state;
	char keys[16][LINK_KEY_SIZE];

	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		receive_json(tunnel, "task.cancel", payloads[i]);
		assert_string_equal(handed(tunnel, keys), "error:invalid_cancel ");
	}
}

static void other_types_are_ignored(void **state)
{
	struct tunnel *tunnel = *state;
	char keys[16][LINK_KEY_SIZE];

	receive_json(tunnel, "task.pause", "{\"run_id\":\"r1\"}");
	receive_json(tunnel, "heartbeat", "{\"alive\":true}");
	assert_string_equal(handed(tunnel, keys), "");
}

static void a_state_is_told_when_it_changes(void **state)
{
	struct tunnel *tunnel = *state;
	char keys[16][LINK_KEY_SIZE], run_id[ID_SIZE];

	up(tunnel);
	receive(queue(tunnel), dispatched("r1"), ACTION_ACCEPT);
	start(queue(tunnel), run_id);
	assert_string_equal(handed(tunnel, keys), "task.ack:r1 task.progress:r1 ");
	assert_string_equal(keys[1], ""); /* nobody waits for its confirmation */
	tunnel->to.confirmed(tunnel->to.ctx, keys[0]);
	assert_string_equal(handed(tunnel, keys), "");
	up(tunnel); /* a new peer is told the present state */
	assert_string_equal(handed(tunnel, keys), "task.progress:r1 ");
}

static void nothing_is_told_of_progress_behind_the_result(void **state)
{
	struct tunnel *tunnel = *state;
	char keys[16][LINK_KEY_SIZE], run_id[ID_SIZE];

	receive(queue(tunnel), dispatched("r1"), ACTION_ACCEPT);
	start(queue(tunnel), run_id);
	end(queue(tunnel), run_id, OUTCOME_SUCCESS);
	up(tunnel);
	assert_string_equal(handed(tunnel, keys), "task.ack:r1 task.result:r1 ");
}

#define tunnel_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tunnel_test(all_is_handed_out_once_on_a_connection),
		tunnel_test(what_was_not_confirmed_is_handed_out_again),
		tunnel_test(the_link_is_woken_by_what_is_owed),
		tunnel_test(a_dispatch_goes_to_the_pipeline),
		tunnel_test(what_is_not_taken_gets_an_error),
		tunnel_test(errors_are_bounded),
		tunnel_test(a_cancel_is_answered_by_the_result),
		tunnel_test(a_cancel_of_nothing_is_a_mistake),
		tunnel_test(other_types_are_ignored),
		tunnel_test(a_state_is_told_when_it_changes),
		tunnel_test(nothing_is_told_of_progress_behind_the_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
