#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/http.h"
#include "exchange.h"

static void a_private_address_is_not_reached(void **state)
{
	static const char *const names[] = { "127.0.0.1",	   "localhost",	 "127.1",
					     "0x7f000001",	   "2130706433", "[::1]",
					     "[::ffff:127.0.0.1]", "0.0.0.0" };
	struct peer *peer = peer_start(NULL, NULL, 0);
	const char *port = strrchr(peer_url(peer), ':');
	struct http *http = new_http(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		char url[128];
		snprintf(url, sizeof(url), "http://%s%s", names[i], port);
		struct result result =
		    call(http, (struct http_request){ .public_only = true }, url, "/");
		assert_int_equal(result.rc, -1);
		assert_true(result.response.refused);
		assert_false(result.response.sent);
		assert_string_equal(result.err.text, "its address is private");
		done(&result);
	}
	assert_int_equal(peer_connections(peer), 0);
	http_free(http);
	peer_stop(peer);
}

/* A proxy would connect in our place, to wherever it likes. */
static void a_proxy_is_not_asked(void **state)
{
	struct peer *peer = peer_start(NULL, NULL, 0);
	struct http *http = new_http(NULL);

	(void)state;
	setenv("http_proxy", peer_url(peer), 1);
	struct result result =
	    call(http, (struct http_request){ .public_only = true, .timeout = 2000 },
		 "http://10.0.0.1:9", "/");
	unsetenv("http_proxy");
	assert_true(result.response.refused);
	assert_int_equal(peer_connections(peer), 0);
	done(&result);
	http_free(http);
	peer_stop(peer);
}

static void a_public_address_is_tried(void **state)
{
	struct http *http = new_http(NULL);
	/* Nobody is there from where tests run, or somebody is: it is not refused. */
	struct result result =
	    call(http, (struct http_request){ .public_only = true, .timeout = 300 },
		 "http://198.20.0.1:9", "/");

	(void)state;
	assert_false(result.response.refused);
	done(&result);
	http_free(http);
}

static void says_when_to_come_again(void **state)
{
	const struct peer_step steps[] = {
		{ .answer = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" },
		{ .answer = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n" },
		{ .answer = "HTTP/1.1 503 Busy\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n" },
		{ .answer = "HTTP/1.1 503 Busy\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n" },
		{ .answer = "HTTP/1.1 503 Busy\r\nRetry-After: 99999999999999999999\r\n"
			    "Content-Length: 0\r\n\r\n" },
		{ .answer = "HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n"
			    "Content-Length: 0\r\n\r\n" },
	};
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct result result = call(http, (struct http_request){ 0 }, peer_url(peer), "/");
		assert_int_equal(result.response.status, 503);
		if (i == 0)
			assert_int_equal(result.response.retry_after, 7000);
		else if (i < 4)
			assert_int_equal(result.response.retry_after, -1);
		else
			assert_true(result.response.retry_after == -1 ||
				    result.response.retry_after > 1000000);
		done(&result);
	}
	http_free(http);
	peer_stop(peer);
}

static void the_content_type_can_be_said(void **state)
{
	const struct peer_step steps[] = { { .answer = OK_EMPTY } };
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);
	struct result result =
	    call(http,
		 (struct http_request){
		     .method = "POST", .body = "x", .body_len = 1, .content_type = "text/plain" },
		 peer_url(peer), "/x");

	(void)state;
	assert_int_equal(result.rc, 0);
	assert_non_null(strstr(peer_request(peer, 0), "\r\nContent-Type: text/plain\r\n"));
	done(&result);
	http_free(http);
	peer_stop(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_private_address_is_not_reached),
		cmocka_unit_test(a_proxy_is_not_asked),
		cmocka_unit_test(a_public_address_is_tried),
		cmocka_unit_test(says_when_to_come_again),
		cmocka_unit_test(the_content_type_can_be_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
