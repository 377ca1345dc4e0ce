#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/control.h"
#include "exec/run_result.h"
#include "base/redact.h"

/* The wire between daemon and runner, and what the daemon makes of the last frame. */

struct wire {
	int ends[2];
	struct control_reader reader;
};

static int make_wire(void **state)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	struct err err;

	*state = wire;
	return wire ? control_pair(wire->ends, &err) : -1;
}

static int drop_wire(void **state)
{
	struct wire *wire = *state;

	for (int i = 0; i < 2; i++)
		if (wire->ends[i] >= 0)
			close(wire->ends[i]);
	control_done(&wire->reader);
	free(wire);
	return 0;
}

static void hang_up(struct wire *wire)
{
	close(wire->ends[0]);
	wire->ends[0] = -1;
}

static void send_bytes(struct wire *wire, const void *bytes, size_t len)
{
	assert_int_equal(send(wire->ends[0], bytes, len, 0), len);
}

static void test_frames(void **state)
{
	struct wire *wire = *state;
	json_t *frame = json_pack("{s:s}", "stop", "cancel");

	assert_null(control_read(&wire->reader, wire->ends[1]));
	assert_int_equal(control_send(wire->ends[0], frame, true), 0);
	assert_int_equal(control_send(wire->ends[0], frame, false), 0);
	hang_up(wire);
	for (int i = 0; i < 2; i++) {
		json_t *got = control_read(&wire->reader, wire->ends[1]);
		assert_true(json_equal(got, frame));
		assert_false(wire->reader.over);
		json_decref(got);
	}
	assert_null(control_read(&wire->reader, wire->ends[1]));
	assert_true(wire->reader.over);
	assert_false(wire->reader.broken);
	json_decref(frame);
}

static void test_frame_in_pieces(void **state)
{
	struct wire *wire = *state;
	const uint32_t len = 7;
	char bytes[11];

	memcpy(bytes, &len, 4);
	memcpy(bytes + 4, "{\"a\":1}", 7);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_null(control_read(&wire->reader, wire->ends[1]));
		send_bytes(wire, bytes + i, 1);
	}
	json_t *got = control_read(&wire->reader, wire->ends[1]);
	assert_int_equal(json_int(got, "a", 0), 1);
	json_decref(got);
}

static void broken(struct wire *wire, const char *bytes, size_t len, uint32_t told)
{
	send_bytes(wire, &told, sizeof(told));
	send_bytes(wire, bytes, len);
	assert_null(control_read(&wire->reader, wire->ends[1]));
	assert_true(wire->reader.broken);
	assert_null(control_read(&wire->reader, wire->ends[1]));
}

static void test_not_an_object(void **state)
{
	broken(*state, "[1]", 3, 3);
}

static void test_not_json(void **state)
{
	broken(*state, "{\"a\":", 5, 5);
}

static void test_not_utf8(void **state)
{
	broken(*state, "{\"a\":\"\xff\"}", 9, 9);
}

static void test_empty_frame(void **state)
{
	broken(*state, "x", 1, 0);
}

static void test_too_long(void **state)
{
	broken(*state, "x", 1, CONTROL_MOST + 1);
}

static void test_half_a_frame_is_no_frame(void **state)
{
	struct wire *wire = *state;
	const uint32_t len = 100;

	send_bytes(wire, &len, sizeof(len));
	send_bytes(wire, "{\"end\":", 7);
	hang_up(wire);
	assert_null(control_read(&wire->reader, wire->ends[1]));
	assert_true(wire->reader.over);
}

static void test_a_file_arrives_and_nothing_else_does(void **state)
{
	struct wire *wire = *state;
	struct stat sent, got;
	struct err err;
	const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(control_send_file(wire->ends[0], file, &err), 0);
	const int arrived = control_receive_file(wire->ends[1], &err);
	assert_true(arrived >= 0);
	assert_int_equal(fcntl(arrived, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fstat(file, &sent), 0);
	assert_int_equal(fstat(arrived, &got), 0);
	assert_int_equal(sent.st_rdev, got.st_rdev);
	close(arrived);
	close(file);
	send_bytes(wire, "F", 1);
	assert_int_equal(control_receive_file(wire->ends[1], &err), -1);
	hang_up(wire);
	assert_int_equal(control_receive_file(wire->ends[1], &err), -1);
}

static void test_sending_to_nobody(void **state)
{
	struct wire *wire = *state;
	json_t *frame = json_pack("{s:s}", "stop", "cancel");
	struct err err;

	close(wire->ends[1]);
	wire->ends[1] = -1;
	assert_int_equal(control_send(wire->ends[0], frame, true), -1); /* and no SIGPIPE */
	assert_int_equal(control_send_file(wire->ends[0], 0, &err), -1);
	json_decref(frame);
}

/* ---- the last frame ---- */

static void test_result_of_wrong_types(void **state)
{
	struct run_result result;
	json_t *end =
	    json_pack("{s:s, s:s, s:[], s:i, s:{}, s:n, s:s, s:s, s:s}", "outcome", "failure",
		      "exit_code", "1", "cause", "final_text", 4, "tail", "session", "input_tokens",
		      "x", "cost_usd", "1", "truncated", "yes");

	(void)state;
	run_result_init(&result);
	assert_int_equal(run_result_read(&result, end), 0);
	assert_int_equal(result.outcome, OUTCOME_FAILURE);
	assert_int_equal(result.exit_code, -1);
	assert_null(result.cause);
	assert_null(result.final_text);
	assert_null(result.tail);
	assert_null(result.session_id);
	assert_int_equal(result.input_tokens, -1);
	assert_true(result.cost_usd < 0);
	assert_false(result.truncated);
	run_result_done(&result);
	json_object_set_new(end, "outcome", json_string("splendid"));
	assert_int_equal(run_result_read(&result, end), -1);
	json_decref(end);
	assert_int_equal(run_result_read(&result, NULL), -1);
}

/* A secret that the cut goes through must not leave half of itself. */
static void test_cuts_do_not_halve_a_secret(void **state)
{
	static const char secret[] = "hunter22-hunter22-hunter22";
	struct run_result result;
	char *text = malloc(80001);

	(void)state;
	redact_add(secret);
	run_result_init(&result);
	for (size_t at = 65536 - sizeof(secret); at <= 65536; at++) {
		memset(text, 'x', 68 * 1024);
		memcpy(text + at, secret, sizeof(secret) - 1);
		text[68 * 1024] = '\0';
		json_t *end = json_pack("{s:s, s:s}", "outcome", "success", "final_text", text);
		assert_int_equal(run_result_read(&result, end), 0);
		assert_true(strlen(result.final_text) <= 65536);
		assert_null(strstr(result.final_text, "hunt"));
		json_decref(end);
	}
	for (size_t from_end = 8192 - 2; from_end <= 8192 + sizeof(secret); from_end++) {
		memset(text, 'x', 12 * 1024);
		memcpy(text + 12 * 1024 - from_end, secret, sizeof(secret) - 1);
		text[12 * 1024] = '\0';
		json_t *end = json_pack("{s:s, s:s}", "outcome", "success", "tail", text);
		assert_int_equal(run_result_read(&result, end), 0);
		assert_true(strlen(result.tail) <= 8192);
		assert_null(strstr(result.tail, "ter22"));
		json_decref(end);
	}
	run_result_done(&result);
	redact_clear();
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frames, make_wire, drop_wire),
		cmocka_unit_test_setup_teardown(test_frame_in_pieces, make_wire, drop_wire),
		cmocka_unit_test_setup_teardown(test_not_an_object, make_wire, drop_wire),
		cmocka_unit_test_setup_teardown(test_not_json, make_wire, drop_wire),
		cmocka_unit_test_setup_teardown(test_not_utf8, make_wire, drop_wire),
		cmocka_unit_test_setup_teardown(test_empty_frame, make_wire, drop_wire),
		cmocka_unit_test_setup_teardown(test_too_long, make_wire, drop_wire),
		cmocka_unit_test_setup_teardown(test_half_a_frame_is_no_frame, make_wire,
						drop_wire),
		cmocka_unit_test_setup_teardown(test_a_file_arrives_and_nothing_else_does,
						make_wire, drop_wire),
		cmocka_unit_test_setup_teardown(test_sending_to_nobody, make_wire, drop_wire),
		cmocka_unit_test(test_result_of_wrong_types),
		cmocka_unit_test(test_cuts_do_not_halve_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
