#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "exchange.h"

static void bounds_the_answer(void **state)
{
	const struct peer_step steps[] = {
		/* No end: the connection's end is the body's. */
		{ .answer = "HTTP/1.1 200 OK\r\n\r\n0123456789", .repeat = 200, .close = true },
		{ .answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			    "ffffff\r\n0123456789012345678901234567890123456789",
		  .repeat = 200,
		  .close = true },
		{ .answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n1234" },
	};
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct result result =
		    call(http, (struct http_request){ .max_response = 1000 }, peer_url(peer), "/");
		assert_int_equal(result.rc, -1);
		assert_int_equal(result.err.code, ERR_FULL);
		assert_true(result.response.sent);
		assert_true(result.response.body.len <= 1000);
		done(&result);
	}
	struct result fits =
	    call(http, (struct http_request){ .max_response = 4 }, peer_url(peer), "/");
	assert_int_equal(fits.rc, 0);
	done(&fits);
	http_free(http);
	peer_stop(peer);
}

static void refuses_broken_answers(void **state)
{
	const struct peer_step steps[] = {
		{ .answer = "no HTTP at all\r\n\r\n", .close = true },
		{ .answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
		  .close = true },
		{ .answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
		  .close = true },
		{ .close = true },
	};
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct result result =
		    call(http, (struct http_request){ .method = "POST" }, peer_url(peer), "/");
		assert_int_equal(result.rc, -1);
		assert_int_equal(result.err.code, ERR_IO);
		assert_true(result.err.text[0] != '\0');
		assert_true(result.response.sent);
		done(&result);
	}
	assert_int_equal(peer_requests(peer), (int)COUNT(steps));
	http_free(http);
	peer_stop(peer);
}

static void ends_at_the_deadline(void **state)
{
	const struct peer_step steps[] = {
		{ .answer = NULL },
		{ .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nslow" },
	};
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct result result =
		    call(http, (struct http_request){ .timeout = 1000 }, peer_url(peer), "/");
		assert_int_equal(result.rc, -1);
		assert_int_equal(result.err.code, ERR_TIMEOUT);
		assert_true(result.response.sent);
		done(&result);
	}
	http_free(http);
	peer_stop(peer);
}

static void knows_what_was_not_sent(void **state)
{
	struct peer *peer = peer_start(NULL, NULL, 0);
	struct http *http = new_http(NULL);
	char closed[64], tls[64];

	(void)state;
	snprintf(closed, sizeof(closed), "%s", peer_url(peer));
	peer_stop(peer); /* nobody listens there now */
	peer = peer_start(NULL, NULL, 0);
	snprintf(tls, sizeof(tls), "https%s", peer_url(peer) + 4); /* but it speaks no TLS */

	const char *const urls[] = { closed,
				     "https://127.0.0.1:1",
				     "file:///etc/hostname",
				     "ftp://127.0.0.1/x",
				     "gopher://127.0.0.1/",
				     "http://",
				     "nonsense://x" };
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct result result =
		    call(http, (struct http_request){ .method = "POST" }, urls[i], "");
		assert_int_equal(result.rc, -1);
		assert_false(result.response.sent);
		assert_int_equal(result.response.body.len, 0);
		done(&result);
	}
	struct result result = call(http, (struct http_request){ .timeout = 3000 }, tls, "");
	assert_int_equal(result.rc, -1);
	assert_false(result.response.sent);
	done(&result);
	http_free(http);
	peer_stop(peer);
}

/* ---- stopping ---- */

static atomic_bool stop;

static void *stop_when_asked(void *arg)
{
	struct peer *peer = arg;

	while (peer_requests(peer) == 0)
		usleep(1000);
	atomic_store(&stop, true);
	return NULL;
}

static void ends_when_stopped(void **state)
{
	const struct peer_step steps[] = { { .answer = NULL } };
	struct peer *peer = peer_start(NULL, steps, COUNT(steps));
	struct http *http = new_http(&stop);
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, stop_when_asked, peer);
	struct result during =
	    call(http, (struct http_request){ .timeout = 600000 }, peer_url(peer), "/");
	pthread_join(thread, NULL);
	assert_int_equal(during.rc, -1);
	assert_int_equal(during.err.code, ERR_CONFLICT);
	assert_true(during.response.sent);

	struct result after = call(http, (struct http_request){ 0 }, peer_url(peer), "/");
	assert_int_equal(after.rc, -1);
	assert_int_equal(after.err.code, ERR_CONFLICT);
	assert_false(after.response.sent);
	assert_int_equal(peer_requests(peer), 1);
	done(&during);
	done(&after);
	http_free(http);
	peer_stop(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_the_answer),	cmocka_unit_test(refuses_broken_answers),
		cmocka_unit_test(ends_at_the_deadline), cmocka_unit_test(knows_what_was_not_sent),
		cmocka_unit_test(ends_when_stopped),
	};

	return cmocka_run_group_tests_name("callback/http_limits", tests, NULL, NULL);
}
