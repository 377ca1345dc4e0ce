#include "policy_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "policy/peer.h"
#include "script/vm.h"

/* A real worker process behind the peer, but the test at the other end of its socket: a worker that
 * was taken over sends what it likes. */
struct fixture {
	struct place place;
	struct policy_host *host;
	struct policy_bundle *bundle;
	struct peer *peer;
	int theirs;
};

static bool is_zombie(pid_t pid)
{
	char path[64], line[256] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	return strstr(line, ") Z ") != NULL;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;
	int fd, ends[2];
	pid_t pid;

	fixture->host = policy_host_start(&err);
	assert_non_null(fixture->host);
	place_make(&fixture->place);
	fixture->place.config.policies.time_limit = 50;
	fixture->bundle = place_bundle(&fixture->place);
	assert_int_equal(host_spawn(fixture->host, bundle_fd(fixture->bundle), &pid, &fd, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	close(fd);
	while (!is_zombie(pid)) /* the true worker ends */
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	fixture->peer = peer_adopt(fixture->host, fixture->bundle, pid, ends[0], &err);
	assert_non_null(fixture->peer);
	fixture->theirs = ends[1];
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	peer_free(fixture->peer);
	if (fixture->theirs >= 0)
		close(fixture->theirs);
	policy_bundle_free(fixture->bundle);
	place_remove(&fixture->place);
	policy_host_free(fixture->host);
	free(fixture);
	return 0;
}

static void send_frame(const struct fixture *fixture, int kind, const char *bytes, size_t len)
{
	char head[PROTOCOL_HEAD];

	protocol_head(head, (enum frame_kind)kind, len);
	assert_int_equal(write(fixture->theirs, head, sizeof(head)), sizeof(head));
	assert_int_equal(write(fixture->theirs, bytes, len), (ssize_t)len);
}

static int lines_heard;
static char last_line[VM_LOG_BYTES + 1];

static void hear(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	lines_heard++;
	snprintf(last_line, sizeof(last_line), "%s", text);
}

static enum peer_end ask(const struct fixture *fixture, struct buf *answer, struct err *err)
{
	const struct buf question = { .bytes = (char *)"{}", .len = 2 };
	const struct peer_ears ears = { .log = hear };

	lines_heard = 0;
	err->text[0] = '\0';
	return peer_ask(fixture->peer, FRAME_DECIDE, &question, &ears, answer, err);
}

static void expect_lost(const struct fixture *fixture, enum err_code code, const char *needle)
{
	struct buf answer = { 0 };
	struct err err;

	assert_int_equal(ask(fixture, &answer, &err), PEER_LOST);
	if (!strstr(err.text, needle))
		fail_msg("no '%s' in: %s", needle, err.text);
	assert_int_equal(err.code, code);
	assert_false(peer_idle(fixture->peer));
	buf_done(&answer);
}

static void an_answer_with_all_that_comes_before(void **state)
{
	struct fixture *fixture = *state;
	struct buf answer = { 0 };
	struct err err;

	send_frame(fixture, FRAME_NOTE, "policies/filter.lua", 19);
	send_frame(fixture, FRAME_LOG, "\1hello\0\xff", 8);
	send_frame(fixture, FRAME_ANSWER, "{\"a\":1}", 7);
	assert_int_equal(ask(fixture, &answer, &err), PEER_ANSWERED);
	assert_string_equal(answer.bytes, "{\"a\":1}");
	assert_int_equal(lines_heard, 1);
	assert_string_equal(last_line, "hello\xef\xbf\xbd");
	assert_true(peer_idle(fixture->peer));
	buf_done(&answer);
}

static void a_failure_leaves_the_worker(void **state)
{
	struct fixture *fixture = *state;
	struct buf answer = { 0 };
	struct err err;

	send_frame(fixture, FRAME_FAILED, "\5policies/filter.lua:1: no", 26);
	assert_int_equal(ask(fixture, &answer, &err), PEER_FAILED);
	assert_int_equal(err.code, ERR_POLICY);
	assert_string_equal(err.text, "policies/filter.lua:1: no");
	assert_true(peer_idle(fixture->peer));
}

static void the_last_answer_ends_the_worker(void **state)
{
	struct fixture *fixture = *state;
	struct buf answer = { 0 };
	struct err err;

	send_frame(fixture, FRAME_LAST, "{}", 2);
	assert_int_equal(ask(fixture, &answer, &err), PEER_SPENT);
	assert_string_equal(answer.bytes, "{}");
	assert_false(peer_idle(fixture->peer));
	buf_done(&answer);
}

static void running_out_of_memory_ends_the_worker(void **state)
{
	struct fixture *fixture = *state;

	send_frame(fixture, FRAME_NOTE, "policies/\nroute.lua", 19);
	send_frame(fixture, FRAME_FAILED, "\1needs more", 11);
	expect_lost(fixture, ERR_NOMEM, "policies/ route.lua: needs more");
}

static void garbage_ends_the_worker(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(write(fixture->theirs, "HTTP/1.1 200 OK\r\n\r\n", 19), 19);
	expect_lost(fixture, ERR_POLICY, "no answer");
}

static void a_huge_frame_ends_the_worker(void **state)
{
	struct fixture *fixture = *state;
	char head[PROTOCOL_HEAD];

	protocol_head(head, FRAME_ANSWER, UINT32_MAX);
	assert_int_equal(write(fixture->theirs, head, sizeof(head)), sizeof(head));
	expect_lost(fixture, ERR_POLICY, "no answer");
}

static void an_unknown_code_ends_the_worker(void **state)
{
	send_frame(*state, FRAME_FAILED, "\x63 odd", 5);
	expect_lost(*state, ERR_POLICY, "no answer");
}

static void an_unknown_level_ends_the_worker(void **state)
{
	send_frame(*state, FRAME_LOG, "\x09 odd", 5);
	expect_lost(*state, ERR_POLICY, "no answer");
}

static int hooks_heard;

static void hear_lines(void *ctx, enum policy_hook hook, const char *bits, size_t len)
{
	(void)ctx;
	assert_int_equal(hook, HOOK_ROUTE);
	assert_int_equal(len, 1);
	assert_int_equal(bits[0], 2);
	hooks_heard++;
}

/* What came of one that says which lines ran. */
static enum peer_end on_trial(const struct fixture *fixture)
{
	const struct buf question = { .bytes = (char *)"{}", .len = 2 };
	const struct peer_ears ears = { .lines = hear_lines };
	struct buf answer = { 0 };
	struct err err;

	hooks_heard = 0;
	const enum peer_end how =
	    peer_ask(fixture->peer, FRAME_DECIDE, &question, &ears, &answer, &err);
	buf_done(&answer);
	return how;
}

static void lines_that_ran_are_heard_on_trial(void **state)
{
	send_frame(*state, FRAME_LINES, "\1\2", 2);
	send_frame(*state, FRAME_ANSWER, "{}", 2);
	assert_int_equal(on_trial(*state), PEER_ANSWERED);
	assert_int_equal(hooks_heard, 1);
	send_frame(*state, FRAME_LINES, "\1\2", 2);
	send_frame(*state, FRAME_LINES, "\1\2", 2); /* the same hook's once more */
	assert_int_equal(on_trial(*state), PEER_LOST);
	assert_int_equal(hooks_heard, 1);
}

static void lines_of_no_hook_end_the_worker(void **state)
{
	send_frame(*state, FRAME_LINES, "\4\2", 2);
	assert_int_equal(on_trial(*state), PEER_LOST);
	assert_int_equal(hooks_heard, 0);
}

static void lines_that_nobody_asked_for_end_the_worker(void **state)
{
	send_frame(*state, FRAME_LINES, "\1\2", 2);
	expect_lost(*state, ERR_POLICY, "no answer");
}

static void a_flood_of_lines_ends_the_worker(void **state)
{
	for (int i = 0; i <= VM_LOG_LINES; i++)
		send_frame(*state, FRAME_LOG, "\1line", 5);
	expect_lost(*state, ERR_POLICY, "no answer");
	assert_int_equal(lines_heard, VM_LOG_LINES);
}

static void two_answers_end_the_worker(void **state)
{
	send_frame(*state, FRAME_ANSWER, "{}", 2);
	send_frame(*state, FRAME_ANSWER, "{}", 2);
	struct fixture *fixture = *state;
	struct buf answer = { 0 };
	struct err err;

	assert_int_equal(ask(fixture, &answer, &err), PEER_LOST);
	assert_int_equal(err.code, ERR_POLICY);
	buf_done(&answer);
}

static void half_an_answer_and_the_end(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(write(fixture->theirs, "\x10\0\0\0\5half", 9), 9);
	assert_int_equal(shutdown(fixture->theirs, SHUT_WR), 0);
	expect_lost(fixture, ERR_POLICY, "ended without an answer");
}

static void one_that_speaks_unasked_is_not_idle(void **state)
{
	struct fixture *fixture = *state;

	assert_true(peer_idle(fixture->peer));
	send_frame(fixture, FRAME_ANSWER, "{}", 2);
	assert_false(peer_idle(fixture->peer));
}

static void one_that_died_is_not_idle(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->theirs);
	fixture->theirs = -1;
	assert_false(peer_idle(fixture->peer));
}

/* The wall clock's guard: two seconds, the least there is. */
static void silence_ends(void **state)
{
	const int64_t start = clock_mono();

	expect_lost(*state, ERR_TIMEOUT, "no answer within 2000 ms");
	assert_true(clock_mono() - start >= 2000);
}

static void *chatter(void *arg)
{
	const struct fixture *fixture = arg;
	char bytes[PROTOCOL_HEAD + 4];

	protocol_head(bytes, FRAME_NOTE, 4);
	memcpy(bytes + PROTOCOL_HEAD, "note", 4);
	while (send(fixture->theirs, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static void chatter_ends_too(void **state)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, chatter, *state), 0);
	expect_lost(*state, ERR_TIMEOUT, "note: no answer within 2000 ms");
	pthread_join(thread, NULL);
}

/* It does not read: a question larger than the socket's buffer is not waited for for ever. */
static void a_deaf_worker_ends(void **state)
{
	struct fixture *fixture = *state;
	const size_t len = 8u << 20;
	const struct peer_ears ears = { 0 };
	struct buf question = { .bytes = calloc(1, len), .len = len }, answer = { 0 };
	struct err err;

	assert_non_null(question.bytes);
	assert_int_equal(peer_ask(fixture->peer, FRAME_RENDER, &question, &ears, &answer, &err),
			 PEER_LOST);
	assert_int_equal(err.code, ERR_TIMEOUT);
	free(question.bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_with_all_that_comes_before),
		TEST(a_failure_leaves_the_worker),
		TEST(the_last_answer_ends_the_worker),
		TEST(running_out_of_memory_ends_the_worker),
		TEST(garbage_ends_the_worker),
		TEST(a_huge_frame_ends_the_worker),
		TEST(an_unknown_code_ends_the_worker),
		TEST(an_unknown_level_ends_the_worker),
		TEST(lines_that_ran_are_heard_on_trial),
		TEST(lines_of_no_hook_end_the_worker),
		TEST(lines_that_nobody_asked_for_end_the_worker),
		TEST(a_flood_of_lines_ends_the_worker),
		TEST(two_answers_end_the_worker),
		TEST(half_an_answer_and_the_end),
		TEST(one_that_speaks_unasked_is_not_idle),
		TEST(one_that_died_is_not_idle),
		TEST(silence_ends),
		TEST(chatter_ends_too),
		TEST(a_deaf_worker_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
