#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/http.h"
#include "exchange.h"

static void tells_status_and_body(void **state)
{
	const struct peer_step steps[] = {
		{ .answer = "HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nhello" },
	};
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);
	struct result result = call(http, (struct http_request){ 0 }, peer_url(peer), "/a/b?c=d");

	(void)state;
	assert_int_equal(result.rc, 0);
	assert_int_equal(result.response.status, 503);
	assert_true(result.response.sent);
	assert_int_equal(result.response.body.len, 5);
	assert_string_equal(result.response.body.bytes, "hello");
	const char *request = peer_request(peer, 0);
	assert_ptr_equal(strstr(request, "GET /a/b?c=d HTTP/1.1\r\n"), request);
	assert_non_null(strstr(request, "\r\nUser-Agent: openpr-webhook/" OPW_VERSION "\r\n"));
	/* No compression: what is bounded is what was sent. */
	assert_null(strcasestr(request, "accept-encoding"));
	assert_null(strcasestr(request, "authorization"));
	done(&result);
	http_free(http);
	peer_stop(peer);
}

static void sends_body_token_and_headers(void **state)
{
	static const char *const headers[] = { "Accept-Language: en", NULL };
	const struct peer_step steps[] = { { .answer = OK_EMPTY } };
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);
	const size_t len = 3 * 1024 * 1024;
	char *body = malloc(len);

	(void)state;
	memset(body, 'x', len);
	struct result result = call(http,
				    (struct http_request){ .method = "PUT",
							   .body = body,
							   .body_len = len,
							   .bearer = "opr_token",
							   .headers = headers },
				    peer_url(peer), "/x");
	assert_int_equal(result.rc, 0);
	const char *request = peer_request(peer, 0);
	assert_ptr_equal(strstr(request, "PUT /x HTTP/1.1\r\n"), request);
	assert_non_null(strstr(request, "\r\nAuthorization: Bearer opr_token\r\n"));
	assert_non_null(strstr(request, "\r\nAccept-Language: en\r\n"));
	assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(request, "\r\nContent-Length: 3145728\r\n"));
	assert_null(strcasestr(request, "\r\nexpect:"));
	assert_int_equal(strlen(strstr(request, "\r\n\r\n") + 4), len);
	free(body);
	done(&result);
	http_free(http);
	peer_stop(peer);
}

static void posts_without_a_body(void **state)
{
	const struct peer_step steps[] = { { .answer = OK_EMPTY } };
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);
	struct result result =
	    call(http, (struct http_request){ .method = "POST" }, peer_url(peer), "/x");

	(void)state;
	assert_int_equal(result.rc, 0);
	assert_non_null(strstr(peer_request(peer, 0), "\r\nContent-Length: 0\r\n"));
	assert_null(strcasestr(peer_request(peer, 0), "content-type"));
	done(&result);
	http_free(http);
	peer_stop(peer);
}

static void reuses_a_connection_to_read(void **state)
{
	const struct peer_step steps[] = { { .answer = OK_EMPTY }, { .answer = OK_EMPTY } };
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct result result = call(http, (struct http_request){ 0 }, peer_url(peer), "/");
		assert_int_equal(result.rc, 0);
		done(&result);
	}
	assert_int_equal(peer_connections(peer), 1);
	http_free(http);
	peer_stop(peer);
}

/* libcurl repeats a request by itself when a reused connection ends without an answer. */
static void never_writes_twice(void **state)
{
	const struct peer_step steps[] = { { .answer = OK_EMPTY }, { .close = true } };
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);

	(void)state;
	struct result first = call(http, (struct http_request){ 0 }, peer_url(peer), "/");
	assert_int_equal(first.rc, 0);
	struct result second =
	    call(http, (struct http_request){ .method = "POST", .body = "{}", .body_len = 2 },
		 peer_url(peer), "/comments");
	assert_int_equal(second.rc, -1);
	assert_int_equal(second.err.code, ERR_IO);
	assert_true(second.response.sent);
	assert_int_equal(peer_requests(peer), 2);
	done(&first);
	done(&second);
	http_free(http);
	peer_stop(peer);
}

static void follows_no_redirect(void **state)
{
	const struct peer_step steps[] = {
		{ .answer = "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n" },
		{ .answer = OK_EMPTY },
	};
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);
	struct result result =
	    call(http, (struct http_request){ .bearer = "secret" }, peer_url(peer), "/");

	(void)state;
	assert_int_equal(result.rc, 0);
	assert_int_equal(result.response.status, 302);
	assert_int_equal(peer_requests(peer), 1);
	done(&result);
	http_free(http);
	peer_stop(peer);
}

static void refuses_line_ends_in_headers(void **state)
{
	static const char *const bad[] = { "X: a\r\nY: b", NULL };
	struct peer *peer = peer_start(NULL, NULL, 0);
	struct http *http = new_http(NULL);
	struct result token =
	    call(http, (struct http_request){ .bearer = "a\nX: b" }, peer_url(peer), "/");
	struct result header =
	    call(http, (struct http_request){ .headers = bad }, peer_url(peer), "/");

	(void)state;
	assert_int_equal(token.rc, -1);
	assert_int_equal(token.err.code, ERR_CONFIG);
	assert_int_equal(header.rc, -1);
	assert_int_equal(peer_requests(peer), 0);
	done(&token);
	done(&header);
	http_free(http);
	peer_stop(peer);
}

static void speaks_over_a_unix_socket(void **state)
{
	const struct peer_step steps[] = { { .answer = OK_EMPTY } };
	char path[] = "/tmp/opw-http-XXXXXX", socket_path[64];

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(socket_path, sizeof(socket_path), "%s/s", path);
	struct peer *peer = peer_start(socket_path, steps, COUNT(steps));
	struct http *http = new_http(NULL);
	/* A proxy of the environment is not asked. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	struct result result = call(http, (struct http_request){ .unix_socket = socket_path },
				    peer_url(peer), "/runs");
	unsetenv("http_proxy");
	assert_int_equal(result.rc, 0);
	assert_non_null(strstr(peer_request(peer, 0), "GET /runs HTTP/1.1\r\n"));
	done(&result);
	http_free(http);
	peer_stop(peer);
	unlink(socket_path);
	rmdir(path);
}

/* ---- a body that passes by ---- */

static void count_bytes(void *arg, const char *bytes, size_t len)
{
	size_t *count = arg;

	for (size_t i = 0; i < len; i++)
		*count += bytes[i] == 'x';
}

static void hands_the_body_on(void **state)
{
	const struct peer_step steps[] = {
		{ .answer = "HTTP/1.1 200 OK\r\n\r\nxxxxxxxxx\n", .repeat = 0, .close = true },
	};
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);
	size_t count = 0;
	struct result result =
	    call(http, (struct http_request){ .sink = count_bytes, .sink_arg = &count },
		 peer_url(peer), "/");

	(void)state;
	assert_int_equal(result.rc, 0);
	assert_int_equal(count, 9);
	assert_int_equal(result.response.body.len, 0);
	done(&result);
	http_free(http);
	peer_stop(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_status_and_body),
		cmocka_unit_test(sends_body_token_and_headers),
		cmocka_unit_test(posts_without_a_body),
		cmocka_unit_test(reuses_a_connection_to_read),
		cmocka_unit_test(never_writes_twice),
		cmocka_unit_test(follows_no_redirect),
		cmocka_unit_test(refuses_line_ends_in_headers),
		cmocka_unit_test(speaks_over_a_unix_socket),
		cmocka_unit_test(hands_the_body_on),
	};

	return cmocka_run_group_tests_name("callback/http", tests, NULL, NULL);
}
