#include "policy_test.h"

#include <pthread.h>
#include <sys/socket.h>

#include "base/lines.h"
#include "policy/protocol.h"

static size_t put_frame(char *out, enum frame_kind kind, const char *text)
{
	protocol_head(out, kind, strlen(text));
	memcpy(out + PROTOCOL_HEAD, text, strlen(text));
	return PROTOCOL_HEAD + strlen(text);
}

static void frames_come_out_one_by_one(void **state)
{
	char bytes[256];
	struct frame frame;
	size_t len, used;

	(void)state;
	len = put_frame(bytes, FRAME_NOTE, "policies/route.lua");
	len += put_frame(bytes + len, FRAME_ANSWER, "{}");
	assert_int_equal(protocol_scan(bytes, len, &frame, &used), 1);
	assert_int_equal(frame.kind, FRAME_NOTE);
	assert_int_equal(frame.len, 18);
	assert_memory_equal(frame.bytes, "policies/route.lua", 18);
	assert_int_equal(protocol_scan(bytes + used, len - used, &frame, &used), 1);
	assert_int_equal(frame.kind, FRAME_ANSWER);
	assert_memory_equal(frame.bytes, "{}", 2);
}

static void a_cut_frame_waits_for_the_rest(void **state)
{
	char bytes[64];
	struct frame frame;
	size_t used;
	const size_t len = put_frame(bytes, FRAME_ANSWER, "{\"a\":1}");

	(void)state;
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(protocol_scan(bytes, cut, &frame, &used), 0);
	assert_int_equal(protocol_scan(bytes, len, &frame, &used), 1);
	assert_int_equal(used, len);
}

/* Refused by the head alone: nothing waits for four gigabytes. */
static void what_no_worker_sends_is_refused(void **state)
{
	static const struct {
		int kind;
		size_t len;
	} bad[] = {
		{ FRAME_LOAD, 2 },
		{ FRAME_DECIDE, 2 },
		{ FRAME_RULES, 0 },
		{ FRAME_LINES, 0 },
		{ FRAME_LINES, LINES_MOST / 8 + 3 },
		{ FRAME_LINES + 1, 0 },
		{ 255, 0 },
		{ FRAME_ANSWER, (size_t)PROTOCOL_MOST + 1 },
		{ FRAME_LAST, UINT32_MAX },
		{ FRAME_FAILED, 0 },
		{ FRAME_FAILED, 514 },
		{ FRAME_LOG, 0 },
		{ FRAME_LOG, 502 },
		{ FRAME_NOTE, 101 },
	};
	char head[PROTOCOL_HEAD];
	struct frame frame;
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		protocol_head(head, (enum frame_kind)bad[i].kind, bad[i].len);
		assert_int_equal(protocol_scan(head, sizeof(head), &frame, &used), -1);
	}
}

static void *write_large(void *arg)
{
	const int fd = *(const int *)arg;
	char *bytes = calloc(1, 3u << 20);

	assert_non_null(bytes);
	assert_int_equal(protocol_write(fd, FRAME_DECIDE, bytes, 3u << 20), 0);
	assert_int_equal(protocol_write(fd, FRAME_RULES, NULL, 0), 0);
	free(bytes);
	close(fd);
	return NULL;
}

static void a_worker_reads_whole_frames(void **state)
{
	int ends[2];
	pthread_t writer;
	struct buf bytes = { 0 };
	enum frame_kind kind;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_large, &ends[1]), 0);
	assert_int_equal(protocol_read(ends[0], &kind, &bytes), 0);
	assert_int_equal(kind, FRAME_DECIDE);
	assert_int_equal(bytes.len, 3u << 20);
	assert_int_equal(protocol_read(ends[0], &kind, &bytes), 0);
	assert_int_equal(kind, FRAME_RULES);
	assert_int_equal(bytes.len, 0);
	assert_int_equal(protocol_read(ends[0], &kind, &bytes), -1); /* the daemon is gone */
	pthread_join(writer, NULL);
	buf_done(&bytes);
	close(ends[0]);
}

static void the_guards_come_one_after_another(void **state)
{
	static const int64_t limits[] = { 1, 50, 100, 1000, 60000 };

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		for (int kind = FRAME_LOAD; kind <= FRAME_RULES; kind++) {
			const int64_t soft = protocol_time((enum frame_kind)kind, limits[i]);
			const int64_t hard = protocol_kill_time((enum frame_kind)kind, limits[i]);
			const int64_t wall = protocol_wall_time((enum frame_kind)kind, limits[i]);
			assert_true(soft >= limits[i]);
			assert_true(hard >= soft + 20);
			assert_true(wall >= 2000 && wall > hard);
		}
	}
	assert_int_equal(protocol_time(FRAME_DECIDE, 50), 100); /* filter and route */
	assert_int_equal(protocol_time(FRAME_RENDER, 50), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_out_one_by_one),
		cmocka_unit_test(a_cut_frame_waits_for_the_rest),
		cmocka_unit_test(what_no_worker_sends_is_refused),
		cmocka_unit_test(a_worker_reads_whole_frames),
		cmocka_unit_test(the_guards_come_one_after_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
