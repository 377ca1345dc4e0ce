#include <arpa/inet.h>
#include <poll.h>
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

#include "http/wire.h"

/* What a name of this machine resolves to, TLS and proxies: tests/integration/linking_spec.lua */

static int listener;
static char url[64];

static int start(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	(void)state;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/path", ntohs(address.sin_port));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	close(listener);
	return 0;
}

static struct wire *open_wire(struct err *err)
{
	const struct wire_target target = { .url = url, .loopback = true, .timeout = 5000 };

	return wire_open(&target, err);
}

static ssize_t read_some(struct wire *wire, char *bytes, size_t size, struct err *err)
{
	for (;;) {
		struct pollfd fd = { .fd = wire_fd(wire), .events = POLLIN };
		const ssize_t got = wire_read(wire, bytes, size, err);

		if (got != 0)
			return got;
		assert_int_equal(poll(&fd, 1, 10000), 1);
	}
}

static void bytes_go_both_ways_and_nothing_else(void **state)
{
	char bytes[16];
	struct err err;

	(void)state;
	struct wire *wire = open_wire(&err);
	const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_non_null(wire);
	assert_int_equal(wire_read(wire, bytes, sizeof(bytes), &err), 0);
	assert_int_equal(wire_write(wire, "hello", 5, &err), 5);
	assert_false(wire_waiting(wire));
	assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 5);
	assert_memory_equal(bytes, "hello", 5);
	assert_int_equal(send(fd, "there", 5, 0), 5);
	assert_int_equal(read_some(wire, bytes, sizeof(bytes), &err), 5);
	close(fd);
	assert_int_equal(read_some(wire, bytes, sizeof(bytes), &err), -1);
	assert_int_equal(err.code, ERR_NOTFOUND);
	wire_free(wire);
}

static void what_the_kernel_does_not_take_waits(void **state)
{
	static char piece[16384], got[65536];
	size_t sent = 0, received = 0;
	struct err err;

	(void)state;
	struct wire *wire = open_wire(&err);
	const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_non_null(wire);
	for (int i = 0; !wire_waiting(wire) && i < 10000; i++) {
		memset(piece, 'a' + i % 26, sizeof(piece));
		sent += (size_t)wire_write(wire, piece, sizeof(piece), &err);
	}
	assert_true(wire_waiting(wire));
	assert_int_equal(wire_write(wire, "x", 1, &err), 0);
	while (received < sent) {
		const ssize_t n = recv(fd, got, sizeof(got), 0);

		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++, received++)
			assert_int_equal(got[i], 'a' + (int)(received / sizeof(piece) % 26));
		assert_int_equal(wire_flush(wire, &err), 0);
	}
	assert_false(wire_waiting(wire));
	close(fd);
	wire_free(wire);
}

static void who_does_not_answer_is_an_error(void **state)
{
	const atomic_bool stopped = true;
	struct err err;

	(void)state;
	const struct wire_target halted = { .url = "https://127.0.0.1:9/",
					    .timeout = 5000,
					    .stop = &stopped };
	assert_null(wire_open(&halted, &err));
	assert_int_equal(err.code, ERR_CONFLICT);
	close(listener);
	listener = -1;
	assert_null(open_wire(&err));
	assert_int_equal(err.code, ERR_IO);
}

static void a_certificate_file_that_is_none_is_said(void **state)
{
	const struct wire_target target = { .url = "https://127.0.0.1:9/",
					    .ca_file = "/dev/null",
					    .timeout = 5000 };
	struct err err;

	(void)state;
	assert_null(wire_open(&target, &err));
}

static void urls_come_apart(void **state)
{
	static const char *const urls[][3] = {
		{ "wss://h.example/a/b/?c=d%20e", "h.example", "/a/b/?c=d%20e" },
		{ "wss://h.example:444", "h.example:444", "/" },
		{ "ws://[::1]:80/x", "[::1]:80", "/x" },
		{ "https://h?q", "h", "/?q" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		char *host = NULL, *target = NULL;

		assert_int_equal(wire_split_url(urls[i][0], &host, &target, &err), 0);
		assert_string_equal(host, urls[i][1]);
		assert_string_equal(target, urls[i][2]);
		free(host);
		free(target);
	}
	char *host, *target;

	assert_int_equal(wire_split_url("nothing", &host, &target, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_go_both_ways_and_nothing_else, start, stop),
		cmocka_unit_test_setup_teardown(what_the_kernel_does_not_take_waits, start, stop),
		cmocka_unit_test_setup_teardown(who_does_not_answer_is_an_error, start, stop),
		cmocka_unit_test(a_certificate_file_that_is_none_is_said),
		cmocka_unit_test(urls_come_apart),
	};

	return cmocka_run_group_tests_name("http/wire", tests, NULL, NULL);
}
