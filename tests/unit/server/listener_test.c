#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "fixture.h"
#include "server/listener.h"

#define HEALTH "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"

static void serves_on(const char *listen)
{
	struct client_answer answer;
	struct fixture fixture;
	char address[64];

	fixture_defaults(&fixture);
	strcpy(address, listen);
	fixture.config.webhook.listen = address;
	fixture_start(&fixture, 2);
	assert_int_equal(client_ask(fixture.port, HEALTH, &answer), 200);
	fixture_down(&fixture);
}

static void test_takes_every_kind_of_address(void **state)
{
	(void)state;
	serves_on("127.0.0.1:0");
	serves_on("0.0.0.0:0");
	serves_on(":0");
}

static void test_takes_an_ipv6_address(void **state)
{
	int fds[2];
	uint16_t port = 0;
	struct err err;

	(void)state;
	if (access("/proc/net/if_inet6", R_OK) < 0)
		skip();
	assert_int_equal(listener_bind("webhook.listen", "[::1]:0", 2, fds, &port, &err), 0);
	assert_true(port > 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_says_what_is_wrong_with_an_address(void **state)
{
	static const char *const wrong[] = {
		"8091", "nosuchhost.invalid:1", "127.0.0.1:http5", "192.0.2.1:8091", "",
	};
	int fds[1];
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err err = { 0 };
		assert_int_equal(listener_bind("webhook.listen", wrong[i], 1, fds, &port, &err),
				 -1);
		assert_true(strlen(err.text) > 10);
	}
}

/* SO_REUSEPORT would hand half of the connections to a second daemon without a word. */
static void test_a_port_in_use_is_refused(void **state)
{
	struct fixture fixture;
	char address[32];
	int fds[2];
	uint16_t port;
	struct err err;

	(void)state;
	fixture_up(&fixture);
	snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)fixture.port);
	assert_int_equal(listener_bind("webhook.listen", address, 2, fds, &port, &err), -1);
	assert_non_null(strstr(err.text, address));
	assert_int_equal(err.code, ERR_IO);
	fixture.config.webhook.listen = address;
	assert_null(server_start(&fixture.config, fixture.pipeline, 2, &err));
	fixture_down(&fixture);
	/* It is free at once. */
	assert_int_equal(listener_bind("webhook.listen", address, 2, fds, &port, &err), 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_needs_enough_descriptors(void **state)
{
	struct rlimit limit;
	struct err err;

	(void)state;
	assert_int_equal(listener_descriptors(512, &err), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit.rlim_cur, limit.rlim_max);
	if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > 1 << 30)
		skip();
	assert_int_equal(listener_descriptors((int)limit.rlim_max, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.text, "webhook.max_connections"));
}

static void test_counts_connections_of_all_loops(void **state)
{
	struct fixture fixture;
	struct client_answer answer;

	(void)state;
	fixture_up(&fixture);
	for (int i = 0; i < 200; i++)
		assert_int_equal(client_ask(fixture.port, HEALTH, &answer), 200);
	assert_int_equal(fixture_count(&fixture, "connections", 200), 200);
	assert_int_equal(fixture_count(&fixture, "requests", 200), 200);
	fixture_down(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_every_kind_of_address),
		cmocka_unit_test(test_takes_an_ipv6_address),
		cmocka_unit_test(test_says_what_is_wrong_with_an_address),
		cmocka_unit_test(test_a_port_in_use_is_refused),
		cmocka_unit_test(test_needs_enough_descriptors),
		cmocka_unit_test(test_counts_connections_of_all_loops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
