/* Requests that come before the one in front is answered. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "client.h"
#include "fixture.h"

#define POST "POST /webhook HTTP/1.1\r\n"
#define GET "GET /health HTTP/1.1\r\n"
#define HOST "Host: h\r\n"

static int setup(void **state)
{
	static struct fixture fixture;

	fixture_up(&fixture);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_down(*state);
	return 0;
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
	struct fixture *fixture = *state;
	size_t len;
	char *webhook = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len), *all;
	const int fd = client_connect(fixture->port);
	struct client_answer answer;
	const int all_len = asprintf(&all,
				     "%s" GET HOST "\r\n%s\r\n%s" POST HOST
				     "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
				     "GET /nowhere HTTP/1.1\r\n" HOST "\r\n%s",
				     webhook, webhook, webhook, webhook);
	static const int expected[] = { 202, 200, 202, 202, 401, 404, 202 };

	/* In one write, and again in pieces that fall across requests. */
	client_send(fd, all, (size_t)all_len);
	for (size_t i = 0; i < 7; i++) {
		client_read(fd, &answer);
		assert_int_equal(answer.status, expected[i]);
	}
	for (int at = 0; at < all_len; at += 37) {
		client_send(fd, all + at, (size_t)(all_len - at < 37 ? all_len - at : 37));
		usleep(500);
	}
	for (size_t i = 0; i < 7; i++) {
		client_read(fd, &answer);
		assert_int_equal(answer.status, expected[i]);
	}
	assert_true(client_quiet(fd, 20));
	close(fd);
	free(all);
	free(webhook);
}

/*
 * More than one turn of the loop takes, and more bytes come meanwhile: in order, and not one poll
 * (250 ms) for each.
 */
static void test_a_long_pipeline(void **state)
{
	struct fixture *fixture = *state;
	struct client_answer answer;
	size_t len;
	char *webhook = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);
	const int fd = client_connect(fixture->port);
	const int64_t start = clock_mono();
	char all[16384] = "";

	for (int i = 0; i < 100; i++)
		strcat(all, i % 2 ? GET HOST "\r\n" : "GET /nowhere HTTP/1.1\r\n" HOST "\r\n");
	for (int i = 0; i < 5; i++) {
		client_say(fd, all);
		client_send(fd, webhook, len);
	}
	for (int i = 0; i < 5; i++) {
		for (int j = 0; j < 100; j++) {
			client_read(fd, &answer);
			assert_int_equal(answer.status, j % 2 ? 200 : 404);
		}
		client_read(fd, &answer);
		assert_int_equal(answer.status, 202);
	}
	assert_true(clock_mono() - start < 20000);
	close(fd);
	free(webhook);
}

/* A bad head behind a good request: the good one is answered, the bad one refused, never parsed. */
static void test_a_bad_head_behind_a_good_request(void **state)
{
	struct fixture *fixture = *state;
	size_t len;
	char *webhook = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len), *both;
	const int fd = client_connect(fixture->port);
	struct client_answer answer;

	/* One write, so that both come in one read. */
	const int both_len = asprintf(&both,
				      "%s" POST HOST "Content-Length: 2\r\n"
				      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
				      webhook);
	client_send(fd, both, (size_t)both_len);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 202);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 400);
	assert_true(client_closed(fd));
	close(fd);
	free(both);
	free(webhook);
	assert_int_equal(stand_in_submitted(fixture->pipeline, 1), 1);
}

/* Behind a request without a length, bytes are the next request and not its body. */
static void test_a_body_without_a_length_is_the_next_request(void **state)
{
	struct fixture *fixture = *state;
	const int fd = client_connect(fixture->port);
	struct client_answer answer;

	client_say(fd, POST HOST "\r\n{\"not\":\"a body\"}\r\n");
	client_read(fd, &answer);
	assert_int_equal(answer.status, 401);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 400);
	assert_true(client_closed(fd));
	close(fd);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_pipelined_requests_are_answered_in_order),
		CASE(test_a_long_pipeline),
		CASE(test_a_bad_head_behind_a_good_request),
		CASE(test_a_body_without_a_length_is_the_next_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
