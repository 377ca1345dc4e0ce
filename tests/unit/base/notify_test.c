#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/notify.h"

/* The manager's end: a socket in a folder of its own, or with an abstract name. */
struct manager {
	int fd;
	char folder[32], name[64];
	char said[1024];
};

static void listen_at(struct manager *manager, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const size_t len = strlen(name);

	snprintf(manager->name, sizeof(manager->name), "%s", name);
	memcpy(address.sun_path, name, len);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(manager->fd >= 0);
	assert_int_equal(bind(manager->fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

static int set_up(void **state)
{
	struct manager *manager = calloc(1, sizeof(*manager));
	char name[64];

	snprintf(manager->folder, sizeof(manager->folder), "/tmp/notify-XXXXXX");
	assert_non_null(mkdtemp(manager->folder));
	snprintf(name, sizeof(name), "%s/socket", manager->folder);
	listen_at(manager, name);
	*state = manager;
	return 0;
}

static int tear_down(void **state)
{
	struct manager *manager = *state;

	close(manager->fd);
	if (manager->name[0] == '/')
		unlink(manager->name);
	rmdir(manager->folder);
	free(manager);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

/* The next datagram, which is there already; NULL when none is. */
static const char *heard(struct manager *manager)
{
	const ssize_t len = recv(manager->fd, manager->said, sizeof(manager->said) - 1, 0);

	if (len < 0)
		return NULL;
	manager->said[len] = '\0';
	return manager->said;
}

static void test_says_each_state_in_a_datagram(void **state)
{
	struct manager *manager = *state;
	struct notify notify;
	struct err err;

	assert_int_equal(notify_open(&notify, &err), 0);
	assert_null(heard(manager));
	notify_ready(&notify, "listening");
	assert_string_equal(heard(manager), "READY=1\nSTATUS=listening");
	notify_alive(&notify);
	assert_string_equal(heard(manager), "WATCHDOG=1");
	notify_stopping(&notify, "draining");
	assert_string_equal(heard(manager), "STOPPING=1\nSTATUS=draining");
	notify_close(&notify);
	notify_ready(&notify, "gone");
	assert_null(heard(manager));
}

static void test_a_reload_carries_the_time(void **state)
{
	struct manager *manager = *state;
	struct notify notify;
	struct err err;
	long long usec = 0;

	assert_int_equal(notify_open(&notify, &err), 0);
	const int64_t before = clock_mono() * 1000;
	notify_reloading(&notify);
	assert_int_equal(sscanf(heard(manager), "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=", &usec),
			 1);
	assert_true(usec >= before && usec <= clock_mono() * 1000);
	notify_close(&notify);
}

static void test_speaks_to_an_abstract_name(void **state)
{
	struct manager *manager = *state;
	struct notify notify;
	struct err err;
	char name[64];

	close(manager->fd);
	unlink(manager->name);
	snprintf(name, sizeof(name), "@%s", manager->folder);
	listen_at(manager, name);
	assert_int_equal(notify_open(&notify, &err), 0);
	notify_alive(&notify);
	assert_string_equal(heard(manager), "WATCHDOG=1");
	notify_close(&notify);
}

static void test_a_status_stays_one_short_line(void **state)
{
	struct manager *manager = *state;
	struct notify notify;
	struct err err;
	char text[4096];

	assert_int_equal(notify_open(&notify, &err), 0);
	notify_ready(&notify, "one\nMAINPID=1\r\ttwo");
	assert_string_equal(heard(manager), "READY=1\nSTATUS=one MAINPID=1  two");
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	notify_ready(&notify, text);
	assert_int_equal(strlen(heard(manager)), 255);
	notify_close(&notify);
}

static void test_the_variables_are_no_childs(void **state)
{
	struct notify notify;
	struct err err;

	(void)state;
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_open(&notify, &err), 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	notify_close(&notify);
}

static int64_t watchdog_of(const char *usec, const char *pid, const char *socket)
{
	struct notify notify;
	struct err err;

	setenv("NOTIFY_SOCKET", socket, 1);
	setenv("WATCHDOG_USEC", usec, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_open(&notify, &err), 0);
	const int64_t watchdog = notify.watchdog;
	notify_close(&notify);
	return watchdog;
}

static void test_the_watchdog_is_half_and_ours(void **state)
{
	struct manager *manager = *state;
	char own[32];

	snprintf(own, sizeof(own), "%ld", (long)getpid());
	assert_int_equal(watchdog_of("30000000", NULL, manager->name), 15000);
	assert_int_equal(watchdog_of("30000000", own, manager->name), 15000);
	assert_int_equal(watchdog_of("30000000", "1", manager->name), 0);
	assert_int_equal(watchdog_of("1", NULL, manager->name), 1);
	assert_int_equal(watchdog_of("0", NULL, manager->name), 0);
	assert_int_equal(watchdog_of("-5000", NULL, manager->name), 0);
	assert_int_equal(watchdog_of("30s", NULL, manager->name), 0);
	assert_int_equal(watchdog_of("", NULL, manager->name), 0);
	assert_int_equal(watchdog_of("99999999999999999999999", NULL, manager->name), 0);
	assert_int_equal(watchdog_of("30000000", NULL, ""), 0);
}

static void test_nobody_listens(void **state)
{
	struct manager *manager = *state;
	struct notify notify;
	struct err err;

	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_open(&notify, &err), 0);
	notify_ready(&notify, "listening"); /* to no one */
	assert_null(heard(manager));
	notify_close(&notify);
}

static void test_an_address_that_is_none_is_said(void **state)
{
	static const char *const bad[] = {
		"relative/socket",
		"/",
		"@",
		"vsock:2:1234",
		"/tmp/a-folder-that-is-not-there/socket",
		"/"
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct notify notify;
		struct err err = { 0 };

		setenv("NOTIFY_SOCKET", bad[i], 1);
		assert_int_equal(notify_open(&notify, &err), -1);
		assert_non_null(strstr(err.text, "NOTIFY_SOCKET"));
		assert_null(getenv("NOTIFY_SOCKET"));
		notify_ready(&notify, "listening");
		notify_close(&notify);
	}
}

static void test_a_full_socket_stops_nobody(void **state)
{
	struct manager *manager = *state;
	struct notify notify;
	struct err err;
	int count = 0;

	assert_int_equal(notify_open(&notify, &err), 0);
	for (int i = 0; i < 5000; i++)
		notify_alive(&notify);
	while (heard(manager))
		count++;
	assert_true(count > 0 && count < 5000);
	close(manager->fd);
	manager->fd = -1;
	notify_alive(&notify); /* refused: no signal, no end */
	notify_close(&notify);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_says_each_state_in_a_datagram),
		TEST(test_a_reload_carries_the_time),
		TEST(test_speaks_to_an_abstract_name),
		TEST(test_a_status_stays_one_short_line),
		TEST(test_the_variables_are_no_childs),
		TEST(test_the_watchdog_is_half_and_ours),
		TEST(test_nobody_listens),
		TEST(test_an_address_that_is_none_is_said),
		TEST(test_a_full_socket_stops_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
