/* The admin listener over its real socket. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "server/admin.h"
#include "server/listener.h"
#include "stand_in.h"

static char folder[64], path[128];
static struct pipeline *pipeline;
static struct admin *admin;
static int reloads;
static struct config config;

static int on_reload(void *ctx, struct buf *mistakes, struct err *err)
{
	(void)mistakes, (void)err;
	++*(int *)ctx;
	return 0;
}

static const struct admin_hooks hooks = { .reload = on_reload, .ctx = &reloads };

static int setup(void **state)
{
	struct err err;

	*state = NULL;
	memset(&stand_in_fails, 0, sizeof(stand_in_fails));
	strcpy(folder, "/tmp/opw-admin-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/admin.sock", folder);
	memset(&config, 0, sizeof(config));
	config.admin.socket = path;
	pipeline = stand_in_new();
	reloads = 0;
	admin = admin_start(&config, NULL, pipeline, &hooks, &err);
	return admin ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	admin_stop(admin);
	stand_in_free(pipeline);
	return rmdir(folder);
}

static int ask(const char *request, struct client_answer *answer)
{
	const int fd = client_connect_path(path);

	assert_true(fd >= 0);
	client_say(fd, request);
	client_read(fd, answer);
	close(fd);
	return answer->status;
}

static void test_answers_as_json(void **state)
{
	struct client_answer answer;

	(void)state;
	assert_int_equal(ask("GET /api/runs?limit=2 HTTP/1.1\r\nHost: localhost\r\n\r\n", &answer),
			 200);
	assert_string_equal(answer.body, "[{\"run_id\":\"r1\"}]");
	assert_string_equal(client_header(&answer, "content-type"), "application/json");
	assert_int_equal(ask("POST /api/reload HTTP/1.1\r\nHost: localhost\r\n\r\n", &answer), 200);
	assert_int_equal(ask("POST /api/reload HTTP/1.1\r\nHost: localhost\r\n"
			     "Content-Length: 2\r\n\r\n{}",
			     &answer),
			 200);
	assert_int_equal(reloads, 2);
	assert_int_equal(ask("GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n", &answer), 200);
	assert_non_null(strstr(answer.body, "\"received\":7"));
	assert_int_equal(ask("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", &answer), 404);
	assert_int_equal(ask("PUT /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n", &answer), 405);
	assert_string_equal(client_header(&answer, "allow"), "GET");
	err_set(&stand_in_fails, ERR_NOTFOUND, "no such run");
	assert_int_equal(ask("GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n", &answer), 404);
	assert_string_equal(answer.body, "{\"error\":\"no such run\"}");
}

static void test_keeps_the_connection(void **state)
{
	struct client_answer answer;
	const int fd = client_connect_path(path);

	(void)state;
	for (int i = 0; i < 10; i++) {
		client_say(fd, "GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n");
		client_read(fd, &answer);
		assert_int_equal(answer.status, 200);
	}
	close(fd);
}

static void test_is_as_strict_as_the_webhook(void **state)
{
	struct client_answer answer;

	(void)state;
	assert_int_equal(ask("GET /api/runs HTTP/1.1\r\n\r\n", &answer), 400);
	assert_int_equal(ask("POST /api/drain HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n"
			     "Transfer-Encoding: chunked\r\n\r\n",
			     &answer),
			 400);
	assert_int_equal(
	    ask("POST /api/drain HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n", &answer),
	    413);
	assert_false(stand_in_drained(pipeline));
}

static void test_more_clients_than_places(void **state)
{
	struct client_answer answer;
	int fds[100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		fds[i] = client_connect_path(path);
		assert_true(fds[i] >= 0);
		client_say(fds[i], "GET ");
	}
	assert_int_equal(ask("GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n", &answer), 200);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
}

static void test_a_second_one_is_refused(void **state)
{
	struct err err;

	(void)state;
	assert_null(admin_start(&config, NULL, pipeline, &hooks, &err));
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_true(client_connect_path(path) >= 0);
}

static void test_no_web_page_gets_in(void **state)
{
	struct client_answer answer;

	(void)state;
	assert_int_equal(
	    ask("POST /api/drain HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", &answer),
	    403);
	assert_false(stand_in_drained(pipeline));
	assert_null(client_header(&answer, "access-control-allow-origin"));
}

/* A port that is free now. */
static uint16_t free_port(void)
{
	uint16_t port;
	struct err err;
	int fd;

	assert_int_equal(listener_bind("x", "127.0.0.1:0", 1, &fd, &port, &err), 0);
	close(fd);
	return port;
}

static void test_over_tcp_with_a_token(void **state)
{
	static char token[] = "0123456789abcdef0123", address[32];
	struct config remote = { .admin = { .address = address } };
	struct client_answer answer;
	struct err err;
	const uint16_t port = free_port();

	(void)state;
	snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)port);
	assert_null(admin_start(&remote, NULL, pipeline, &hooks, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	remote.admin.token = token;
	struct admin *over_tcp = admin_start(&remote, NULL, pipeline, &hooks, &err);
	assert_non_null(over_tcp);
	assert_null(admin_start(&remote, NULL, pipeline, &hooks, &err));
	assert_int_equal(err.code, ERR_IO);

	client_ask(port, "POST /api/drain HTTP/1.1\r\nHost: localhost\r\n\r\n", &answer);
	assert_int_equal(answer.status, 401);
	assert_string_equal(client_header(&answer, "www-authenticate"), "Bearer");
	client_ask(port,
		   "POST /api/drain HTTP/1.1\r\nHost: localhost\r\n"
		   "Authorization: Bearer 0123456789abcdef012\r\n\r\n",
		   &answer);
	assert_int_equal(answer.status, 401);
	client_ask(port,
		   "POST /api/drain HTTP/1.1\r\nHost: evil.example\r\n"
		   "Authorization: Bearer 0123456789abcdef0123\r\n\r\n",
		   &answer);
	assert_int_equal(answer.status, 403);
	assert_false(stand_in_drained(pipeline));
	client_ask(port,
		   "GET /api/runs HTTP/1.1\r\nHost: localhost:1\r\n"
		   "authorization: bearer 0123456789abcdef0123\r\n\r\n",
		   &answer);
	assert_int_equal(answer.status, 200);
	admin_stop(over_tcp);
}

static void test_stops_and_starts(void **state)
{
	struct client_answer answer;
	struct err err;

	(void)state;
	const int idle = client_connect_path(path);
	admin_stop(admin);
	assert_true(client_closed(idle));
	close(idle);
	assert_int_equal(access(path, F_OK), -1);
	admin = admin_start(&config, NULL, pipeline, &hooks, &err);
	assert_non_null(admin);
	assert_int_equal(ask("GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n", &answer), 200);
	admin_stop(NULL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_answers_as_json),
		CASE(test_keeps_the_connection),
		CASE(test_is_as_strict_as_the_webhook),
		CASE(test_more_clients_than_places),
		CASE(test_a_second_one_is_refused),
		CASE(test_no_web_page_gets_in),
		CASE(test_over_tcp_with_a_token),
		CASE(test_stops_and_starts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
