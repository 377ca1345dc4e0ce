/* As many connections as are allowed, and no busy loop when there are no descriptors. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_at_the_cap_the_oldest_goes),
		CASE(test_at_the_cap_a_complete_request_is_safe),
		CASE(test_hundreds_of_idle_clients),
		CASE(test_out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
