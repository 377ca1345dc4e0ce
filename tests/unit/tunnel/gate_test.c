#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/gate.h"

#define BYTES(text) ((const unsigned char *)(text)), (sizeof(text) - 1)

/* The code after these bytes (0: all may go on), which must not depend on how they were cut. */
static int code_of(const unsigned char *bytes, size_t len)
{
	struct gate whole = { .max_message = 1000 };
	const size_t passed = gate_pass(&whole, bytes, len, 0);

	for (size_t cut = 1; cut <= len; cut++) {
		struct gate gate = { .max_message = 1000 };
		size_t sum = 0;

		for (size_t at = 0; at < len; at += cut) {
			const size_t piece = cut < len - at ? cut : len - at;
			const size_t step = gate_pass(&gate, bytes + at, piece, 0);

			sum += step;
			assert_true(step == piece || gate.code != 0);
		}
		assert_int_equal(gate.code, whole.code);
		/* of the frame that is refused nothing but its header can have gone on */
		assert_in_range(sum, passed, passed + 10);
	}
	assert_true(whole.code ? whole.why != NULL && passed < len : passed == len);
	return whole.code;
}

static void sound_frames_go_on(void **state)
{
	(void)state;
	assert_int_equal(code_of(BYTES("")), 0);
	assert_int_equal(code_of(BYTES("\x81\x03"
				       "abc\x82\x01x\x89\x00\x8a\x01y\x81\x00")),
			 0);
	assert_int_equal(code_of(BYTES("\x01\x01"
				       "a\x89\x00\x00\x01"
				       "b\x80\x01"
				       "c\x88\x02\x03\xe8")),
			 0);
	assert_int_equal(code_of(BYTES("\x81\x7e\x00\x7e")), 0);
}

static void frames_that_no_server_sends_are_errors(void **state)
{
	(void)state;
	assert_int_equal(code_of(BYTES("\x81\x00\x81\x84wxyzabcd")), 1002);
	for (int bit = 0x10; bit <= 0x40; bit <<= 1) {
		const unsigned char frame[] = { (unsigned char)(0x81 | bit), 0 };

		assert_int_equal(code_of(frame, 2), 1002);
	}
	for (unsigned char opcode = 3; opcode < 16; opcode++) {
		const unsigned char frame[] = { (unsigned char)(0x80 | opcode), 0 };

		assert_int_equal(code_of(frame, 2), opcode >= 8 && opcode <= 10 ? 0 : 1002);
	}
	assert_int_equal(code_of(BYTES("\x09\x00")), 1002);
	assert_int_equal(code_of(BYTES("\x89\x7e\x00\x7e")), 1002);
	assert_int_equal(code_of(BYTES("\x88\x01\x03")), 1002);
	assert_int_equal(code_of(BYTES("\x81\x7e\x00\x7d")), 1002);
	assert_int_equal(code_of(BYTES("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff")), 1002);
	assert_int_equal(code_of(BYTES("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00")), 1002);
	assert_int_equal(code_of(BYTES("\x80\x00")), 1002);
	assert_int_equal(code_of(BYTES("\x01\x00\x01\x00")), 1002);
	assert_int_equal(code_of(BYTES("\x01\x00\x80\x00\x80\x00")), 1002);
}

static void messages_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(code_of(BYTES("\x81\x7e\x03\xe8")), 0);
	assert_int_equal(code_of(BYTES("\x81\x7e\x03\xe9")), 1009);
	assert_int_equal(code_of(BYTES("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff")), 1009);
	unsigned char parts[4 + 1000 + 4] = { 0x01, 0x7e, 0x03, 0xe8 };

	memcpy(parts + 1004, "\x80\x01", 2);
	assert_int_equal(code_of(parts, 1006), 1009);
	memcpy(parts + 1004, "\x80\x00\x81\x01", 4);
	assert_int_equal(code_of(parts, sizeof(parts)), 0);
}

static void fragments_are_counted(void **state)
{
	struct gate gate = { .max_message = 1000 };

	(void)state;
	assert_int_equal(gate_pass(&gate, BYTES("\x01\x00"), 0), 2);
	for (int i = 1; i < GATE_MAX_FRAGMENTS; i++)
		assert_int_equal(gate_pass(&gate, BYTES("\x00\x00"), 0), 2);
	struct gate enough = gate;

	assert_int_equal(gate_pass(&gate, BYTES("\x00\x00"), 0), 0);
	assert_int_equal(gate.code, 1008);
	assert_int_equal(gate_pass(&enough, BYTES("\x80\x00"), 0), 0);
	assert_int_equal(enough.code, 1008);
	/* the next message begins anew */
	struct gate next = { .max_message = 1000 };

	for (int i = 0; i < 3 * GATE_MAX_FRAGMENTS; i++)
		assert_int_equal(gate_pass(&next, BYTES("\x01\x00\x80\x00"), 0), 4);
}

static void control_frames_are_counted_by_time(void **state)
{
	struct gate gate = { .max_message = 1000 };

	(void)state;
	for (int64_t now = 0; now < 5 * GATE_CONTROLS_WINDOW; now += GATE_CONTROLS_WINDOW)
		for (int i = 0; i < GATE_MAX_CONTROLS; i++)
			assert_int_equal(gate_pass(&gate, BYTES("\x89\x00"), now), 2);
	assert_int_equal(gate_pass(&gate, BYTES("\x8a\x00"), 5 * GATE_CONTROLS_WINDOW - 1), 0);
	assert_int_equal(gate.code, 1008);
}

static void nothing_goes_on_after_an_error(void **state)
{
	struct gate gate = { .max_message = 1000 };

	(void)state;
	assert_int_equal(gate_pass(&gate,
				   BYTES("\x81\x01"
					 "a\x83\x00\x81\x01"
					 "b"),
				   0),
			 3);
	assert_int_equal(gate_pass(&gate,
				   BYTES("\x81\x01"
					 "c"),
				   0),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_frames_go_on),
		cmocka_unit_test(frames_that_no_server_sends_are_errors),
		cmocka_unit_test(messages_are_bounded),
		cmocka_unit_test(fragments_are_counted),
		cmocka_unit_test(control_frames_are_counted_by_time),
		cmocka_unit_test(nothing_goes_on_after_an_error),
	};

	return cmocka_run_group_tests_name("tunnel/gate", tests, NULL, NULL);
}
