/* Nobody is waited for without bound. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
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
	assert_int_equal(fixture_count(&fixture, "slow_readers", 1), 1);
	assert_int_equal(fixture_count(&fixture, "rejected.timeout", 0), 0);
	close(fd);
	free(request);
	free(body);
	stand_in_answer(fixture.pipeline, 200, "{}", 0);
	assert_int_equal(client_ask(fixture.port, HEALTH, &answer), 200);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
