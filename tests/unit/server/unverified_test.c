/* What is buffered of bodies that nobody has verified is bounded over all connections. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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
		CASE(test_the_one_that_holds_most_goes),
		CASE(test_verified_bodies_do_not_count),
		CASE(test_a_flood_of_bodies),
		CASE(test_room_counts_like_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
