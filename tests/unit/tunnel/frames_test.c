#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tunnel/frames.h"

#define SEND(text) send_bytes((text), sizeof(text) - 1)

/* The other side: bytes on their way in, and what came out. */
static struct {
	char in[300000];
	size_t in_len, in_at;
	bool ended;
	size_t takes; /* bytes that a write may take; the rest has to wait */
	struct buf out;
	char texts[256];
	uint64_t pongs;
} peer;

static struct frames *frames;

static ssize_t on_read(void *ctx, void *bytes, size_t size, struct err *err)
{
	const size_t left = peer.in_len - peer.in_at, step = left < size ? left : size;

	(void)ctx;
	if (step == 0 && peer.ended)
		return err_set(err, ERR_NOTFOUND, "it ended");
	memcpy(bytes, peer.in + peer.in_at, step);
	peer.in_at += step;
	return (ssize_t)step;
}

static ssize_t on_write(void *ctx, const void *bytes, size_t len, struct err *err)
{
	const size_t step = len < peer.takes ? len : peer.takes;

	(void)ctx, (void)err;
	peer.takes -= step;
	assert_int_equal(buf_append(&peer.out, bytes, step), 0);
	return (ssize_t)step;
}

static void on_text(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	assert_true(strlen(peer.texts) + len + 2 < sizeof(peer.texts));
	strncat(peer.texts, text, len);
	strcat(peer.texts, "|");
}

static void on_pong(void *ctx, uint64_t number)
{
	(void)ctx;
	peer.pongs += number;
}

static int start(void **state)
{
	const struct frames_io io = { on_read, on_write, NULL };
	const struct frames_events events = { on_text, on_pong, NULL };
	struct err err;

	(void)state;
	memset(&peer, 0, sizeof(peer));
	peer.takes = SIZE_MAX;
	frames = frames_new(&io, &events, 100000, &err);
	return frames ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	frames_free(frames);
	buf_done(&peer.out);
	return 0;
}

static void send_bytes(const char *bytes, size_t len)
{
	struct err err = { 0 };
	int rc;

	memcpy(peer.in + peer.in_len, bytes, len);
	peer.in_len += len;
	do
		rc = frames_receive(frames, 0, &err);
	while (rc > 0);
	assert_int_equal(rc, 0);
	assert_int_equal(frames_send(frames, &err), 0);
}

/* The nth frame that came out, its mask undone: first byte, then payload. */
static size_t frame_out(int n, unsigned char *first, char *payload)
{
	const unsigned char *at = (const unsigned char *)peer.out.bytes;

	for (;; n--) {
		const size_t len = at[1] & 0x7f;

		assert_true((at[1] & 0x80) && len < 126); /* masked, as a client's must be */
		*first = at[0];
		for (size_t i = 0; i < len; i++)
			payload[i] = (char)(at[6 + i] ^ at[2 + i % 4]);
		at += 6 + len;
		assert_true(at <= (unsigned char *)peer.out.bytes + peer.out.len);
		if (n == 0)
			return len;
	}
}

static void closed_with(int code)
{
	unsigned char first;
	char payload[128];
	const size_t len = frame_out(0, &first, payload);

	assert_int_equal(first, 0x88);
	assert_true(len >= 2);
	assert_int_equal((unsigned char)payload[0] << 8 | (unsigned char)payload[1], code);
	assert_true(frames_closing(frames));
	assert_true(frames_why(frames)[0] != '\0');
}

static void messages_come_out_whole(void **state)
{
	(void)state;
	SEND("\x81\x03one\x01\x02tw\x89\x00\x80\x01o\x82\x03xyz\x81\x00");
	assert_string_equal(peer.texts, "one|two||");
	assert_false(frames_closing(frames));
}

static void pings_are_answered_and_pongs_told(void **state)
{
	unsigned char first;
	char payload[128];
	struct err err;

	(void)state;
	SEND("\x89\x02hi\x8a\x00");
	assert_int_equal(frame_out(0, &first, payload), 2);
	assert_int_equal(first, 0x8a);
	assert_memory_equal(payload, "hi", 2);
	assert_int_equal(frames_ping(frames, 77, &err), 0);
	assert_int_equal(frames_send(frames, &err), 0);
	assert_int_equal(frame_out(1, &first, payload), 8);
	assert_int_equal(first, 0x89);
	char pong[10] = "\x8a\x08";

	memcpy(pong + 2, payload, 8);
	send_bytes(pong, 10);
	assert_int_equal(peer.pongs, 77);
}

static void what_waits_is_kept_in_order(void **state)
{
	struct err err;
	unsigned char first;
	char payload[128];

	(void)state;
	peer.takes = 3;
	assert_int_equal(frames_text(frames, "first", 5, &err), 0);
	assert_int_equal(frames_text(frames, "second", 6, &err), 0);
	assert_int_equal(frames_send(frames, &err), 0);
	assert_int_equal(frames_queued(frames), 2);
	assert_true(frames_wants_write(frames));
	assert_int_equal(frames_ping(frames, 1, &err), 0);
	peer.takes = SIZE_MAX;
	assert_int_equal(frames_send(frames, &err), 0);
	assert_int_equal(frames_queued(frames), 0);
	assert_false(frames_wants_write(frames));
	assert_int_equal(frame_out(0, &first, payload), 5);
	assert_memory_equal(payload, "first", 5);
	assert_int_equal(frame_out(1, &first, payload), 8);
	assert_int_equal(first, 0x89); /* a control frame goes before the next message */
	assert_int_equal(frame_out(2, &first, payload), 6);
}

static void what_the_gate_refuses_is_closed_with_its_code(void **state)
{
	(void)state;
	SEND("\x81\x01"
	     "a\x81\x81wxyza");
	assert_string_equal(peer.texts, "a|");
	closed_with(1002);
	SEND("\x81\x01"
	     "b");
	assert_string_equal(peer.texts, "a|");
}

static void a_message_too_large_is_closed_with_1009(void **state)
{
	(void)state;
	SEND("\x81\x7f\x00\x00\x00\x00\x01\x00\x00\x00");
	closed_with(1009);
}

static void text_that_is_not_utf8_is_closed_with_1007(void **state)
{
	(void)state;
	SEND("\x01\x01\xc3\x80\x01\x28");
	closed_with(1007);
	assert_string_equal(peer.texts, "");
}

static void a_goodbye_is_answered(void **state)
{
	(void)state;
	SEND("\x88\x06\x03\xe9late");
	closed_with(1001);
	assert_true(frames_closed(frames));
	assert_string_equal(frames_why(frames), "the peer closed with code 1001: late");
}

static void our_goodbye_ends_delivery(void **state)
{
	struct err err;

	(void)state;
	frames_close(frames, 1001, "bye");
	assert_int_equal(frames_text(frames, "x", 1, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	SEND("\x81\x01"
	     "a");
	assert_string_equal(peer.texts, "");
	closed_with(1001);
	assert_false(frames_closed(frames));
	SEND("\x88\x02\x03\xe9");
	assert_true(frames_closed(frames));
}

static void the_end_of_the_stream_is_told(void **state)
{
	struct err err = { 0 };

	(void)state;
	peer.ended = true;
	assert_int_equal(frames_receive(frames, 0, &err), -1);
	assert_int_equal(err.code, ERR_NOTFOUND);
	assert_string_equal(err.text, "it ended");
}

static void one_turn_takes_one_piece(void **state)
{
	struct err err;
	int turns = 1;

	(void)state;
	for (int i = 0; i < 50000; i++)
		memcpy(peer.in + 4 * i, "\x82\x02xy", 4);
	peer.in_len = 200000;
	for (; frames_receive(frames, 0, &err) > 0; turns++)
		assert_true(peer.in_at <= (size_t)FRAMES_TURN * (size_t)turns);
	assert_int_equal(peer.in_at, 200000);
	assert_true(turns > 200000 / FRAMES_TURN);
}

static void what_was_glued_to_the_handshake_comes_first(void **state)
{
	(void)state;
	frames_preload(frames, "\x81\x05wh", 4);
	SEND("ole\x81\x01!");
	assert_string_equal(peer.texts, "whole|!|");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_come_out_whole),
		TEST(pings_are_answered_and_pongs_told),
		TEST(what_waits_is_kept_in_order),
		TEST(what_the_gate_refuses_is_closed_with_its_code),
		TEST(a_message_too_large_is_closed_with_1009),
		TEST(text_that_is_not_utf8_is_closed_with_1007),
		TEST(a_goodbye_is_answered),
		TEST(our_goodbye_ends_delivery),
		TEST(the_end_of_the_stream_is_told),
		TEST(one_turn_takes_one_piece),
		TEST(what_was_glued_to_the_handshake_comes_first),
	};

	return cmocka_run_group_tests_name("tunnel/frames", tests, NULL, NULL);
}
