/* Raw bytes against a real listener: smuggling shapes, splits, routes. */

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

/* Each on a connection of its own; what is refused is closed as well. */
static const struct {
	const char *request;
	int status;
} refused[] = {
	/* two ideas of where the request ends */
	{ POST HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400 },
	{ POST HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400 },
	{ POST HOST "Content-Length: 5, 5\r\n\r\nhello", 400 },
	{ POST HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  400 },
	{ POST HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding: x\r\n\r\n0\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding:\x0c"
		    "chunked\r\n\r\n0\r\n\r\n",
	  400 },
	{ POST HOST "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
	{ POST HOST "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
	{ POST HOST "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
	{ "POST /webhook HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
	{ POST HOST "Content-Length: +5\r\n\r\nhello", 400 },
	{ POST HOST "Content-Length: -5\r\n\r\nhello", 400 },
	{ POST HOST "Content-Length: 0x5\r\n\r\nhello", 400 },
	{ POST HOST "Content-Length: 5 5\r\n\r\nhello", 400 },
	{ POST HOST "Content-Length: \r\n\r\nhello", 400 },
	{ POST HOST "Content-Length: 99999999999999999999\r\n\r\nhello", 400 },

	/* lines */
	{ "GET /health HTTP/1.1\nHost: h\n\n", 400 },
	{ GET "Host: h\n\r\n", 400 },
	{ GET HOST "\n", 400 },
	{ GET HOST "X: a\r\n b\r\n\r\n", 400 },
	{ GET HOST "X: a\r\n\tb\r\n\r\n", 400 },
	{ GET HOST "X: a\x01\r\n\r\n", 400 },
	{ GET HOST "X y: a\r\n\r\n", 400 },
	{ GET HOST "no colon\r\n\r\n", 400 },
	{ "\r\n\r\n" GET HOST "\r\n", 400 },

	/* Host */
	{ GET "\r\n", 400 },
	{ GET HOST "Host: other\r\n\r\n", 400 },
	{ GET HOST HOST "\r\n", 400 },
	{ GET "Host: a/b\r\n\r\n", 400 },

	/* not HTTP/1.1 */
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400 },
	{ "GET /health HTTP/2.0\r\n" HOST "\r\n", 400 },
	{ "GET /health HTTP/1.9\r\n" HOST "\r\n", 400 },
	{ "GET /health\r\n", 400 },
	{ "\x16\x03\x01\x02\x01\x01\r\n", 400 },
	{ "GET  /health HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /health HTTP/1.1 \r\n" HOST "\r\n", 400 },

	/* bodies */
	{ POST HOST "Expect: something\r\nContent-Length: 5\r\n\r\nhello", 417 },
	{ POST HOST "Content-Length: 65537\r\n\r\n", 413 },
	{ POST HOST "Content-Length: 65537\r\nExpect: 100-continue\r\n\r\n", 413 },
	{ POST HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400 },
	{ POST HOST "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400 },
};

static void test_refuses_and_closes(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const int fd = client_connect(fixture->port);
		struct client_answer answer;

		client_say(fd, refused[i].request);
		client_read(fd, &answer);
		if (answer.status != refused[i].status)
			fail_msg("%d and not %d for %s", answer.status, refused[i].status,
				 refused[i].request);
		assert_string_equal(client_header(&answer, "content-type"), "application/json");
		assert_string_equal(client_header(&answer, "connection"), "close");
		json_t *body = json_loadb(answer.body, answer.len, 0, NULL);
		assert_non_null(json_str(body, "error"));
		json_decref(body);
		assert_null(client_header(&answer, "server"));
		assert_true(client_closed(fd));
		close(fd);
	}
	assert_int_equal(stand_in_submitted(fixture->pipeline, 0), 0);
	assert_true(fixture_count(fixture, "rejected.bad_head", 40) >= 40);
	assert_int_equal(fixture_count(fixture, "rejected.too_large", 2), 2);
}

static const struct {
	const char *request;
	int status;
	const char *allow; /* NULL: no such header */
} routed[] = {
	{ GET HOST "\r\n", 200, NULL },
	{ "\r\n" GET HOST "\r\n", 200, NULL },
	{ "GET /health?x=y HTTP/1.1\r\n" HOST "\r\n", 200, NULL },
	{ "GET /health HTTP/1.0\r\n\r\n", 200, NULL },
	{ "GET /ready HTTP/1.1\r\n" HOST "\r\n", 200, NULL },
	{ "POST /health HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 405, "GET, HEAD" },
	{ "DELETE /ready HTTP/1.1\r\n" HOST "\r\n", 405, "GET, HEAD" },
	{ "GET /webhook HTTP/1.1\r\n" HOST "\r\n", 405, "POST" },
	{ "PUT /webhook HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 405, "POST" },
	{ "post /webhook HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 405, "POST" },
	{ "GET / HTTP/1.1\r\n" HOST "\r\n", 404, NULL },
	{ "POST /webhook/ HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 404, NULL },
	{ "POST //webhook HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 404, NULL },
	{ "POST /webhook/x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 404, NULL },
	{ "POST /webhookx HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 404, NULL },
	{ "POST /%77ebhook HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 404, NULL },
	{ "POST /a/../webhook HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 404, NULL },
	{ "POST /WEBHOOK HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 404, NULL },
	{ "GET /api/status HTTP/1.1\r\n" HOST "\r\n", 404, NULL },
	{ "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 404, NULL },
	/* h2c is not taken up */
	{ GET HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
		   "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
	  200, NULL },
	{ POST HOST "Content-Length: 2\r\n\r\n{}", 401, NULL },
	{ POST HOST "\r\n", 401, NULL },
};

static void test_routes_by_the_exact_path(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(routed) / sizeof(routed[0]); i++) {
		struct client_answer answer;

		if (client_ask(fixture->port, routed[i].request, &answer) != routed[i].status)
			fail_msg("%d and not %d for %s", answer.status, routed[i].status,
				 routed[i].request);
		const char *allow = client_header(&answer, "allow");
		if (routed[i].allow)
			assert_string_equal(allow, routed[i].allow);
		else
			assert_null(allow);
	}
	assert_int_equal(fixture_count(fixture, "rejected.not_found", 10), 10);
	assert_int_equal(fixture_count(fixture, "rejected.bad_method", 5), 5);
}

static void test_health_and_ready(void **state)
{
	struct fixture *fixture = *state;
	struct client_answer answer;

	assert_int_equal(client_ask(fixture->port, GET HOST "\r\n", &answer), 200);
	assert_string_equal(answer.body, "ok");
	assert_string_equal(client_header(&answer, "content-length"), "2");
	assert_int_equal(client_ask(fixture->port, "GET /ready HTTP/1.1\r\n" HOST "\r\n", &answer),
			 200);
	assert_string_equal(answer.body, "ready");
	stand_in_unready(fixture->pipeline, "the disk at /secret/place is full");
	assert_int_equal(client_ask(fixture->port, "GET /ready HTTP/1.1\r\n" HOST "\r\n", &answer),
			 503);
	assert_string_equal(answer.body, "not ready");
	assert_int_equal(client_ask(fixture->port, GET HOST "\r\n", &answer), 200);
}

static void test_a_head_request_has_no_body(void **state)
{
	struct fixture *fixture = *state;
	const int fd = client_connect(fixture->port);
	char bytes[1024] = "";

	client_say(fd, "HEAD /health HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	assert_true(recv(fd, bytes, sizeof(bytes) - 1, MSG_WAITALL) > 0);
	assert_memory_equal(bytes, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(bytes, "Content-Length: 2\r\n"));
	assert_string_equal(strstr(bytes, "\r\n\r\n"), "\r\n\r\n");
	close(fd);
}

static void test_a_large_head_is_refused_before_it_ends(void **state)
{
	struct fixture *fixture = *state;
	const int fd = client_connect(fixture->port);
	struct client_answer answer;
	char line[1024];

	memset(line, 'a', sizeof(line));
	client_say(fd, GET HOST "X: ");
	for (int i = 0; i < 16; i++)
		client_send(fd, line, sizeof(line));
	client_read(fd, &answer);
	assert_int_equal(answer.status, 431);
	assert_true(client_closed(fd));
	close(fd);
}

/* The same request, cut into two writes at every place. */
static void test_any_split_is_the_same_request(void **state)
{
	struct fixture *fixture = *state;
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{\"a\":1}", 7, "", &len);
	const int fd = client_connect(fixture->port);

	for (size_t at = 1; at < len; at++) {
		struct client_answer answer;

		client_send(fd, request, at);
		if (at % 8 == 0)
			usleep(2000); /* let the server see the first half alone */
		client_send(fd, request + at, len - at);
		client_read(fd, &answer);
		assert_int_equal(answer.status, 202);
	}
	close(fd);
	assert_int_equal(stand_in_submitted(fixture->pipeline, len - 1), len - 1);
	free(request);
}

static void test_byte_by_byte_is_the_same_request(void **state)
{
	struct fixture *fixture = *state;
	size_t len, got;
	char *request = client_webhook(FIXTURE_SECRET, "{\"a\":1}", 7, "", &len);
	const int fd = client_connect(fixture->port);
	struct client_answer answer;

	for (size_t at = 0; at < len; at++)
		client_send(fd, request + at, 1);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 202);
	char *body = stand_in_body(fixture->pipeline, &got);
	assert_string_equal(body, "{\"a\":1}");
	free(body);
	free(request);
	close(fd);
}

static void test_half_a_request_and_away(void **state)
{
	struct fixture *fixture = *state;
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{\"a\":1}", 7, "", &len);
	struct client_answer answer;

	for (size_t at = 0; at < len; at += 3) {
		const int fd = client_connect(fixture->port);
		const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

		client_send(fd, request, at);
		if (at % 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	assert_int_equal(client_ask(fixture->port, GET HOST "\r\n", &answer), 200);
	assert_int_equal(stand_in_submitted(fixture->pipeline, 0), 0);
	free(request);
}

/* A client that has said all it will say still gets its answer. */
static void test_a_half_closed_client_is_answered(void **state)
{
	struct fixture *fixture = *state;
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);
	const int fd = client_connect(fixture->port);
	struct client_answer answer;

	client_send(fd, request, len);
	shutdown(fd, SHUT_WR);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 202);
	assert_true(client_closed(fd));
	close(fd);
	free(request);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_refuses_and_closes),
		CASE(test_routes_by_the_exact_path),
		CASE(test_health_and_ready),
		CASE(test_a_head_request_has_no_body),
		CASE(test_a_large_head_is_refused_before_it_ends),
		CASE(test_any_split_is_the_same_request),
		CASE(test_byte_by_byte_is_the_same_request),
		CASE(test_half_a_request_and_away),
		CASE(test_a_half_closed_client_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
