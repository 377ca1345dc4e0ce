/* What an outsider can grow is bounded: connections, unverified bytes, time. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "client.h"
#include "fixture.h"

#define HEALTH "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"

static struct fixture fixture;

static int setup(void **state)
{
	fixture_defaults(&fixture);
	*state = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_down(&fixture);
	return 0;
}

static void healthy(void)
{
	struct client_answer answer;

	assert_int_equal(client_ask(fixture.port, HEALTH, &answer), 200);
}

/* Says it and leaves the connection open. */
static int begin(const char *text)
{
	const int fd = client_connect(fixture.port);

	client_say(fd, text);
	return fd;
}

/* ---- time ---- */

/* One of these would be served for ever; each is cut, and the rest is not harmed. */
static void test_what_never_completes_is_cut(void **state)
{
	static const char *const starts[] = {
		"POST /webhook HTTP/1.1\r\nHost: h\r\nX-Slow: ",
		"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc",
		"POST /webhook HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
		"POST /webhook HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: ",
	};
	struct client_answer answer;
	int fds[4];

	(void)state;
	fixture.config.webhook.head_timeout = 300;
	fixture_start(&fixture, 2);
	for (int i = 0; i < 4; i++)
		fds[i] = begin(starts[i]);
	for (int i = 0; i < 4; i++) {
		client_read(fds[i], &answer);
		assert_int_equal(answer.status, 408);
		assert_true(client_closed(fds[i]));
		close(fds[i]);
	}
	assert_int_equal(fixture_count(&fixture, "rejected.timeout", 4), 4);
	healthy();
}

/* Every drip comes long before the deadline: it is a total one. */
static void test_dripping_does_not_help(void **state)
{
	static const char head[] =
	    "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
	const int64_t start = clock_mono();
	bool open = true;

	(void)state;
	fixture.config.webhook.head_timeout = 400;
	fixture.config.webhook.max_body = 1 << 20;
	fixture_start(&fixture, 1);
	const int slow_head = begin("GET /health HTTP/1.1\r\nHost: h\r\nX: "),
		  slow_body = begin(head);
	while (open && clock_mono() < start + CLIENT_PATIENCE) {
		open = client_try(slow_head, "a", 1);
		open = client_try(slow_body, "a", 1) && open;
		usleep(10000);
	}
	assert_false(open);
	assert_true(client_closed(slow_head));
	assert_true(client_closed(slow_body));
	close(slow_head);
	close(slow_body);
	assert_int_equal(fixture_count(&fixture, "rejected.timeout", 2), 2);
}

static void test_idle_connections_are_closed(void **state)
{
	struct client_answer answer;

	(void)state;
	fixture.config.webhook.head_timeout = 200;
	fixture_start(&fixture, 2);
	const int fresh = client_connect(fixture.port), used = begin(HEALTH);
	client_read(used, &answer);
	assert_int_equal(answer.status, 200);
	assert_true(client_closed(fresh));
	assert_true(client_closed(used));
	close(fresh);
	close(used);
	/* Nothing was refused: nothing was asked. */
	assert_int_equal(fixture_count(&fixture, "rejected.timeout", 0), 0);
}

/* The deadline is for the client, not for the pipeline. */
static void test_a_pending_answer_may_take_longer(void **state)
{
	struct client_answer answer;
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);

	(void)state;
	fixture.config.webhook.head_timeout = 100;
	fixture_start(&fixture, 1);
	stand_in_hold(fixture.pipeline, true);
	const int fd = client_connect(fixture.port);
	client_send(fd, request, len);
	assert_true(client_quiet(fd, 500));
	stand_in_hold(fixture.pipeline, false);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 202);
	close(fd);
	free(request);
}

/*
 * Asks and never reads.  When the kernel's buffers are full the answer cannot be written; libh2o
 * would wait for ever.
 */
static void test_a_client_that_never_reads_is_closed(void **state)
{
	const int size = 4096;
	char *body = malloc(60000);
	struct client_answer answer;
	size_t len;

	(void)state;
	fixture.config.webhook.head_timeout = 500;
	fixture_start(&fixture, 1);
	memset(body, 'x', 59999);
	body[59999] = '\0';
	stand_in_answer(fixture.pipeline, 200, body, 0);
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);
	const int fd = client_connect(fixture.port);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	const int64_t until = clock_mono() + CLIENT_PATIENCE;
	bool open = true;
	while (open && clock_mono() < until) {
		if (send(fd, request, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			continue;
		open = errno == EAGAIN;
		usleep(2000);
	}
	assert_false(open);
	assert_int_equal(fixture_count(&fixture, "rejected.timeout", 1), 1);
	close(fd);
	free(request);
	free(body);
	stand_in_answer(fixture.pipeline, 200, "{}", 0);
	assert_int_equal(client_ask(fixture.port, HEALTH, &answer), 200);
}

/* ---- connections ---- */

/* The (n+1)th is served, the one that has been incomplete longest goes. */
static void test_at_the_cap_the_oldest_goes(void **state)
{
	struct client_answer answer;
	int fds[8];

	(void)state;
	fixture.config.webhook.max_connections = 8;
	fixture_start(&fixture, 1);
	for (int i = 0; i < 8; i++) {
		fds[i] = begin("GET /health HTTP/1.1\r\nHost: h\r\nX: ");
		assert_int_equal(fixture_count(&fixture, "connections", i + 1), i + 1);
	}
	assert_true(client_quiet(fds[0], 20));
	healthy();
	assert_true(client_closed(fds[0]));
	for (int i = 1; i < 8; i++) {
		client_say(fds[i], "y\r\n\r\n");
		client_read(fds[i], &answer);
		assert_int_equal(answer.status, 200);
		close(fds[i]);
	}
	close(fds[0]);
	assert_int_equal(fixture_count(&fixture, "rejected.too_many_connections", 1), 1);
}

/* A request that waits for its answer is nobody's victim; the newcomer waits instead. */
static void test_at_the_cap_a_complete_request_is_safe(void **state)
{
	struct client_answer answer;
	int fds[4];
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);

	(void)state;
	fixture.config.webhook.max_connections = 4;
	fixture_start(&fixture, 2);
	stand_in_hold(fixture.pipeline, true);
	for (int i = 0; i < 4; i++) {
		fds[i] = client_connect(fixture.port);
		client_send(fds[i], request, len);
	}
	stand_in_submitted(fixture.pipeline, 4);
	const int late = begin(HEALTH);
	assert_true(client_quiet(late, 200));
	stand_in_hold(fixture.pipeline, false);
	for (int i = 0; i < 4; i++) {
		client_read(fds[i], &answer);
		assert_int_equal(answer.status, 202);
	}
	client_read(late, &answer);
	assert_int_equal(answer.status, 200);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	close(late);
	free(request);
}

/* Far more clients than places, over several loops: the newest is always served. */
static void test_hundreds_of_idle_clients(void **state)
{
	int fds[700];

	(void)state;
	fixture.config.webhook.max_connections = 512;
	fixture_start(&fixture, 3);
	for (int i = 0; i < 700; i++) {
		fds[i] = begin(i % 2 ? "POST /webhook HTTP/1.1\r\n" : "P");
		if (i % 50 == 49)
			healthy();
	}
	healthy();
	assert_true(fixture_count(&fixture, "rejected.too_many_connections", 188) >= 188);
	for (int i = 0; i < 700; i++)
		close(fds[i]);
	for (int i = 0; i < 20; i++)
		healthy();
}

static int64_t cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

/* Out of descriptors accept() fails while the listener stays readable: no busy loop, and served as
 * soon as there are descriptors again. */
static void test_out_of_descriptors(void **state)
{
	struct rlimit before, few;
	struct client_answer answer;
	int taken[4096], count = 0;

	(void)state;
	fixture_start(&fixture, 2);
	const int fd = client_connect(fixture.port);
	client_say(fd, HEALTH);
	client_read(fd, &answer);
	const int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (count < 4096 && (taken[count] = dup(fd)) >= 0)
		count++;
	/* A descriptor above the limit that exists already can still connect. */
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(late, (struct sockaddr *)&address, len), 0);
	client_say(late, HEALTH);
	const int64_t used = cpu_ms();
	assert_true(client_quiet(late, 1000));
	/* A busy loop would use about all of this second on each loop. */
	assert_true(cpu_ms() - used < 500);
	for (int i = 0; i < count; i++)
		close(taken[i]);
	client_read(late, &answer);
	assert_int_equal(answer.status, 200);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(late);
	close(fd);
}

/* ---- unverified bytes ---- */

static char *junk(size_t size)
{
	char *bytes = malloc(size);

	memset(bytes, 'j', size);
	return bytes;
}

/* Announces a body of `size` and sends `sent` of it. */
static int half_a_body(size_t size, const char *bytes, size_t sent)
{
	char head[256];
	const int fd = client_connect(fixture.port);

	snprintf(head, sizeof(head),
		 "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", size);
	client_say(fd, head);
	client_try(fd, bytes, sent);
	return fd;
}

static void test_the_one_that_holds_most_goes(void **state)
{
	char *bytes = junk(1 << 20);
	struct client_answer answer;
	size_t len;

	(void)state;
	fixture.config.webhook.max_body = 1 << 20;
	fixture.config.webhook.max_unverified = 1 << 20;
	fixture_start(&fixture, 2);
	const int small = half_a_body(1 << 20, bytes, 100 << 10);
	const int large = half_a_body(1 << 20, bytes, 600 << 10);
	assert_true(client_quiet(small, 50));
	assert_true(client_quiet(large, 50));
	const int middle = half_a_body(1 << 20, bytes, 400 << 10);
	assert_true(client_closed(large));
	assert_true(client_quiet(small, 50));
	assert_true(client_quiet(middle, 50));
	/* A signed body that fits is taken meanwhile. */
	char *request = client_webhook(FIXTURE_SECRET, bytes, 64 << 10, "", &len);
	const int good = client_connect(fixture.port);
	client_send(good, request, len);
	client_read(good, &answer);
	assert_int_equal(answer.status, 202);
	assert_int_equal(fixture_count(&fixture, "rejected.unverified_bytes", 1), 1);
	close(good);
	close(small);
	close(middle);
	close(large);
	free(request);
	free(bytes);
}

/* Bodies that are verified do not count, however long their answers take. */
static void test_verified_bodies_do_not_count(void **state)
{
	char *bytes = junk(256 << 10);
	struct client_answer answer;
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, bytes, 256 << 10, "", &len);
	int fds[16];

	(void)state;
	fixture.config.webhook.max_body = 1 << 20;
	fixture.config.webhook.max_unverified = 1 << 20;
	fixture_start(&fixture, 2);
	stand_in_hold(fixture.pipeline, true);
	for (int i = 0; i < 16; i++) {
		fds[i] = client_connect(fixture.port);
		client_send(fds[i], request, len);
		assert_int_equal(stand_in_submitted(fixture.pipeline, (size_t)i + 1), i + 1);
	}
	stand_in_hold(fixture.pipeline, false);
	for (int i = 0; i < 16; i++) {
		client_read(fds[i], &answer);
		assert_int_equal(answer.status, 202);
		close(fds[i]);
	}
	assert_int_equal(fixture_count(&fixture, "rejected.unverified_bytes", 0), 0);
	free(request);
	free(bytes);
}

static size_t resident(void)
{
	size_t size = 0, pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%zu %zu", &size, &pages), 2);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Many clients that send megabytes each: what is held stays near the bound, and service goes on. */
static void test_a_flood_of_bodies(void **state)
{
	char *bytes = junk(1 << 20);
	int fds[60];

	(void)state;
	fixture.config.webhook.max_body = 4 << 20;
	fixture.config.webhook.max_unverified = 4 << 20;
	fixture_start(&fixture, 2);
	healthy();
	const size_t before = resident();
	for (int i = 0; i < 60; i++) {
		fds[i] = half_a_body(4 << 20, bytes, 1 << 20);
		if (i % 10 == 9)
			healthy();
	}
	assert_true(fixture_count(&fixture, "rejected.unverified_bytes", 54) >= 54);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(resident() - before < (32 << 20));
#else
	(void)before; /* a sanitizer keeps freed memory */
#endif
	for (int i = 0; i < 60; i++)
		close(fds[i]);
	free(bytes);
}

/*
 * Chunk extensions are thrown away after they were read: nothing is held, but the room they came in
 * is.  It counts.  The loop stands still while they are sent, so that each comes in one read.
 */
static void test_room_counts_like_bytes(void **state)
{
	static const char head[] = "POST /webhook HTTP/1.1\r\nHost: h\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n1;";
	char *bytes = junk(160 << 10);
	int fds[40];

	(void)state;
	fixture.config.webhook.max_body = 4 << 20;
	fixture.config.webhook.max_unverified = 1 << 20;
	fixture_start(&fixture, 1);
	memcpy(bytes, head, sizeof(head) - 1);
	stand_in_block(fixture.pipeline, true);
	const int blocker = begin("GET /ready HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(fixture_count(&fixture, "requests", 1), 1);
	for (int i = 0; i < 40; i++) {
		fds[i] = client_connect(fixture.port);
		client_send(fds[i], bytes, 160 << 10);
	}
	stand_in_block(fixture.pipeline, false);
	assert_true(fixture_count(&fixture, "rejected.unverified_bytes", 30) >= 30);
	healthy();
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	close(blocker);
	free(bytes);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_what_never_completes_is_cut),
		CASE(test_dripping_does_not_help),
		CASE(test_idle_connections_are_closed),
		CASE(test_a_pending_answer_may_take_longer),
		CASE(test_a_client_that_never_reads_is_closed),
		CASE(test_at_the_cap_the_oldest_goes),
		CASE(test_at_the_cap_a_complete_request_is_safe),
		CASE(test_hundreds_of_idle_clients),
		CASE(test_out_of_descriptors),
		CASE(test_the_one_that_holds_most_goes),
		CASE(test_verified_bodies_do_not_count),
		CASE(test_a_flood_of_bodies),
		CASE(test_room_counts_like_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
