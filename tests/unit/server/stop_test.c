/* The end: what has begun is answered, nothing is waited for without bound, late answers go
 * nowhere. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
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
	*state = NULL;
	fixture_up(&fixture);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_down(&fixture);
	return 0;
}

static void *stop(void *data)
{
	(void)data;
	server_stop(fixture.server);
	return NULL;
}

static void *stop_soon(void *data)
{
	(void)data;
	server_stop_within(fixture.server, 1);
	return NULL;
}

static bool connects(void)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(fixture.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const bool done = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	return done;
}

static void test_stops_at_once_when_idle(void **state)
{
	struct client_answer answer;
	const int fresh = client_connect(fixture.port), used = client_connect(fixture.port);

	(void)state;
	client_say(used, HEALTH);
	client_read(used, &answer);
	const int64_t start = clock_mono();
	server_stop(fixture.server);
	assert_true(clock_mono() - start < 8000); /* and not the 10 s that work may take */
	assert_true(client_closed(fresh));
	assert_true(client_closed(used));
	assert_false(connects());
	server_stop(fixture.server); /* again, for nothing */
	close(fresh);
	close(used);
}

static void test_answers_what_is_pending(void **state)
{
	struct client_answer answer;
	pthread_t stopper;
	int fds[10];
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);

	(void)state;
	stand_in_hold(fixture.pipeline, true);
	for (int i = 0; i < 10; i++) {
		fds[i] = client_connect(fixture.port);
		client_send(fds[i], request, len);
	}
	stand_in_submitted(fixture.pipeline, 10);
	assert_int_equal(pthread_create(&stopper, NULL, stop, NULL), 0);
	while (connects())
		usleep(2000);
	stand_in_hold(fixture.pipeline, false);
	for (int i = 0; i < 10; i++) {
		client_read(fds[i], &answer);
		assert_int_equal(answer.status, 202);
		assert_string_equal(client_header(&answer, "connection"), "close");
		assert_true(client_closed(fds[i]));
		close(fds[i]);
	}
	pthread_join(stopper, NULL);
	free(request);
}

/* A request that has begun to come in is taken to its end. */
static void test_takes_the_rest_of_a_request(void **state)
{
	struct client_answer answer;
	pthread_t stopper;
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);
	const int fd = client_connect(fixture.port);

	(void)state;
	client_send(fd, request, len - 1);
	assert_int_equal(fixture_count(&fixture, "connections", 1), 1);
	assert_true(client_quiet(fd, 100)); /* the loop has read it */
	assert_int_equal(pthread_create(&stopper, NULL, stop, NULL), 0);
	while (connects())
		usleep(2000);
	client_send(fd, request + len - 1, 1);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 202);
	assert_true(client_closed(fd));
	pthread_join(stopper, NULL);
	close(fd);
	free(request);
}

/* What waits in the backlog has reached us: it is served before the listener closes. */
static void test_takes_the_backlog(void **state)
{
	struct client_answer answer;
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);
	int fds[100];
	pthread_t stopper;

	(void)state;
	fixture_down(&fixture);
	fixture_defaults(&fixture);
	fixture.config.webhook.max_connections = 200;
	fixture_start(&fixture, 1);
	stand_in_block(fixture.pipeline, true);
	const int blocker = client_connect(fixture.port);
	client_say(blocker, "GET /ready HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(fixture_count(&fixture, "requests", 1), 1);
	for (int i = 0; i < 100; i++) {
		fds[i] = client_connect(fixture.port);
		client_send(fds[i], request, len);
	}
	assert_int_equal(pthread_create(&stopper, NULL, stop, NULL), 0);
	usleep(20000); /* so that the order to stop is there when the loop goes on */
	stand_in_block(fixture.pipeline, false);
	for (int i = 0; i < 100; i++) {
		client_read(fds[i], &answer);
		assert_int_equal(answer.status, 202);
		close(fds[i]);
	}
	pthread_join(stopper, NULL);
	close(blocker);
	free(request);
}

/*
 * A pipeline that does not answer in time does not hold the daemon, and its answers that come after
 * the loops have gone touch nothing of theirs (ASan would tell).
 */
static void test_does_not_wait_for_ever(void **state)
{
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);
	int fds[6];

	(void)state;
	stand_in_hold(fixture.pipeline, true);
	for (int i = 0; i < 6; i++) {
		fds[i] = client_connect(fixture.port);
		client_send(fds[i], request, len);
	}
	stand_in_submitted(fixture.pipeline, 6);
	server_stop_within(fixture.server, 300);
	for (int i = 0; i < 6; i++) {
		assert_true(client_closed(fds[i]));
		close(fds[i]);
	}
	server_free(fixture.server);
	stand_in_hold(fixture.pipeline, false);
	stand_in_free(fixture.pipeline); /* answers all six first */
	free(request);
	fixture_up(&fixture);
}

/* Answers that come in the very moment in which the loops end. */
static void test_answers_race_with_the_end(void **state)
{
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);
	int fds[8];

	(void)state;
	for (int round = 0; round < 40; round++) {
		pthread_t stopper;

		fixture_down(&fixture);
		fixture_up(&fixture);
		stand_in_hold(fixture.pipeline, true);
		for (int i = 0; i < 8; i++) {
			fds[i] = client_connect(fixture.port);
			client_send(fds[i], request, len);
		}
		stand_in_submitted(fixture.pipeline, 8);
		assert_int_equal(pthread_create(&stopper, NULL, stop_soon, NULL), 0);
		usleep((useconds_t)(round * 100));
		stand_in_hold(fixture.pipeline, false);
		pthread_join(stopper, NULL);
		for (int i = 0; i < 8; i++) {
			assert_true(client_closed(fds[i]));
			close(fds[i]);
		}
	}
	free(request);
}

/* Refusals that are being written in the very moment in which the loops end. */
static void test_refusals_race_with_the_end(void **state)
{
	int fds[40];

	(void)state;
	for (int round = 0; round < 30; round++) {
		fixture_down(&fixture);
		fixture_defaults(&fixture);
		fixture.config.webhook.head_timeout = 30;
		fixture_start(&fixture, 2);
		for (int i = 0; i < 40; i++) {
			fds[i] = client_connect(fixture.port);
			client_say(fds[i], "GET ");
		}
		server_stop_within(fixture.server, 10 + round);
		for (int i = 0; i < 40; i++) {
			assert_true(client_closed(fds[i]));
			close(fds[i]);
		}
	}
}

static void test_reload_after_the_end(void **state)
{
	struct err err;

	(void)state;
	server_stop(fixture.server);
	assert_int_equal(server_reload(fixture.server, &fixture.config, &err), 0);
}

static void test_starts_and_stops_many_times(void **state)
{
	struct client_answer answer;

	(void)state;
	for (int i = 0; i < 20; i++) {
		fixture_down(&fixture);
		fixture_defaults(&fixture);
		fixture_start(&fixture, 1 + i % 4);
		assert_int_equal(client_ask(fixture.port, HEALTH, &answer), 200);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_stops_at_once_when_idle),	CASE(test_answers_what_is_pending),
		CASE(test_takes_the_rest_of_a_request), CASE(test_takes_the_backlog),
		CASE(test_does_not_wait_for_ever),	CASE(test_answers_race_with_the_end),
		CASE(test_refusals_race_with_the_end),	CASE(test_reload_after_the_end),
		CASE(test_starts_and_stops_many_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
