/* POST /webhook: signatures, bodies of every shape, answers from another thread. */

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

static int post(struct fixture *fixture, const char *secret, struct client_answer *answer)
{
	size_t len;
	char *request = client_webhook(secret, "{}", 2, "", &len);
	const int fd = client_connect(fixture->port);

	client_send(fd, request, len);
	client_read(fd, answer);
	close(fd);
	free(request);
	return answer->status;
}

static void test_passes_the_pipelines_answer_on(void **state)
{
	struct fixture *fixture = *state;
	struct client_answer answer;

	assert_int_equal(post(fixture, FIXTURE_SECRET, &answer), 202);
	assert_string_equal(answer.body, "{\"status\":\"dispatched\"}");
	assert_string_equal(client_header(&answer, "content-type"), "application/json");
	assert_string_equal(client_header(&answer, "content-length"), "23");
	assert_string_equal(client_header(&answer, "connection"), "keep-alive");
	assert_null(client_header(&answer, "retry-after"));
	assert_null(client_header(&answer, "server"));
	stand_in_answer(fixture->pipeline, 503, "{\"error\":\"full\"}", 7);
	assert_int_equal(post(fixture, FIXTURE_SECRET, &answer), 503);
	assert_string_equal(client_header(&answer, "retry-after"), "7");
	assert_string_equal(answer.body, "{\"error\":\"full\"}");
}

/* The headers as given, over the body {}. */
static int post_with(struct fixture *fixture, const char *headers, struct client_answer *answer)
{
	char request[2048];

	snprintf(request, sizeof(request),
		 "POST /webhook HTTP/1.1\r\nHost: h\r\n%sContent-Length: 2\r\n\r\n{}", headers);
	return client_ask(fixture->port, request, answer);
}

static void test_takes_either_header_and_every_secret(void **state)
{
	struct fixture *fixture = *state;
	char signature[72], other[72], headers[512];
	struct client_answer answer;

	client_sign("older", "{}", 2, signature);
	client_sign("stranger's", "{}", 2, other);
	snprintf(headers, sizeof(headers), "X-Webhook-Signature: %s\r\n", signature);
	assert_int_equal(post_with(fixture, headers, &answer), 202);
	snprintf(headers, sizeof(headers), "X-OPENPR-SIGNATURE:  %s \r\n", signature + 7);
	assert_int_equal(post_with(fixture, headers, &answer), 202);
	snprintf(headers, sizeof(headers), "x-openpr-signature: %s\r\nx-webhook-signature: %s\r\n",
		 signature, other);
	assert_int_equal(post_with(fixture, headers, &answer), 202);
	snprintf(headers, sizeof(headers), "x-webhook-signature: %s\r\nx-webhook-signature: %s\r\n",
		 other, signature);
	assert_int_equal(post_with(fixture, headers, &answer), 202);
	snprintf(headers, sizeof(headers), "x-openpr-signature: %s\r\nx-webhook-signature: %s\r\n",
		 other, other);
	assert_int_equal(post_with(fixture, headers, &answer), 401);
	assert_int_equal(stand_in_submitted(fixture->pipeline, 0), 4);
}

static void test_says_what_is_wrong_with_a_signature(void **state)
{
	struct fixture *fixture = *state;
	struct client_answer answer;
	char headers[2048] = "";

	assert_int_equal(post_with(fixture, "", &answer), 401);
	assert_non_null(strstr(answer.body, "no signature"));
	assert_int_equal(post_with(fixture, "X-Hub-Signature-256: sha256=00\r\n", &answer), 401);
	assert_non_null(strstr(answer.body, "no signature"));
	assert_int_equal(post_with(fixture, "X-Webhook-Signature: sha256=abc\r\n", &answer), 401);
	assert_non_null(strstr(answer.body, "not 64 hex digits"));
	assert_int_equal(post(fixture, "wrong", &answer), 401);
	assert_non_null(strstr(answer.body, "matches no configured secret"));
	assert_null(strstr(answer.body, FIXTURE_SECRET));
	for (int i = 0; i < 90; i++)
		strcat(headers, "x-webhook-signature:\r\n");
	assert_int_equal(post_with(fixture, headers, &answer), 401);
	assert_string_equal(client_header(&answer, "content-type"), "application/json");
	assert_int_equal(fixture_count(fixture, "rejected.no_signature", 2), 2);
	assert_int_equal(fixture_count(fixture, "rejected.bad_signature", 3), 3);
	assert_int_equal(stand_in_submitted(fixture->pipeline, 0), 0);
}

/* The bytes that arrive are those that were signed, whatever they are. */
static void test_hands_over_the_raw_bytes(void **state)
{
	struct fixture *fixture = *state;
	const size_t size = fixture->config.webhook.max_body;
	char *body = malloc(size), *got;
	struct client_answer answer;
	size_t len;

	for (size_t i = 0; i < size; i++)
		body[i] = (char)(i * 7 + i / 251);
	char *request = client_webhook(FIXTURE_SECRET, body, size, "", &len);
	const int fd = client_connect(fixture->port);
	client_send(fd, request, len);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 202);
	got = stand_in_body(fixture->pipeline, &len);
	assert_int_equal(len, size);
	assert_memory_equal(got, body, size);
	close(fd);
	free(got);
	free(request);
	free(body);
}

static void test_takes_a_chunked_body(void **state)
{
	struct fixture *fixture = *state;
	char signature[72], request[1024], *got;
	struct client_answer answer;
	size_t len;

	client_sign(FIXTURE_SECRET, "{\"a\":true}", 10, signature);
	snprintf(request, sizeof(request),
		 "POST /webhook HTTP/1.1\r\nHost: h\r\nX-Webhook-Signature: %s\r\n"
		 "Transfer-Encoding: chunked\r\n\r\n"
		 "4;ext=1\r\n{\"a\"\r\n006\r\n:true}\r\n0\r\nTrailer: x\r\n\r\n"
		 "GET /health HTTP/1.1\r\nHost: h\r\n\r\n",
		 signature);
	for (size_t step = 1; step < 40; step += 6) {
		const int fd = client_connect(fixture->port);
		for (size_t at = 0; at < strlen(request); at += step) {
			const size_t left = strlen(request) - at;
			client_send(fd, request + at, left < step ? left : step);
		}
		client_read(fd, &answer);
		assert_int_equal(answer.status, 202);
		got = stand_in_body(fixture->pipeline, &len);
		assert_string_equal(got, "{\"a\":true}");
		free(got);
		client_read(fd, &answer);
		assert_int_equal(answer.status, 200);
		close(fd);
	}
}

static void test_says_continue(void **state)
{
	struct fixture *fixture = *state;
	struct client_answer answer;
	size_t len;
	char *request =
	    client_webhook(FIXTURE_SECRET, "{\"a\":1}", 7, "Expect: 100-continue\r\n", &len);
	const int fd = client_connect(fixture->port);

	for (int round = 0; round < 3; round++) {
		client_send(fd, request, len - 7);
		client_read(fd, &answer);
		assert_int_equal(answer.status, 100);
		client_send(fd, request + len - 7, 3);
		usleep(1000);
		client_send(fd, request + len - 4, 4);
		client_read(fd, &answer);
		assert_int_equal(answer.status, 202);
	}
	/* With the body right behind, as a client that does not wait sends it. */
	client_send(fd, request, len);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 100);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 202);
	close(fd);
	free(request);
}

static void test_refuses_what_is_too_large(void **state)
{
	struct fixture *fixture = *state;
	const size_t size = fixture->config.webhook.max_body;
	char *chunk = malloc(size + 64);
	struct client_answer answer;

	/* By its length, before the body came. */
	char head[256];
	snprintf(head, sizeof(head),
		 "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", size + 1);
	assert_int_equal(client_ask(fixture->port, head, &answer), 413);
	assert_string_equal(answer.body, "{\"error\":\"the body is too large\"}");

	/* Chunked: one piece that is complete, and an endless one. */
	for (int complete = 0; complete < 2; complete++) {
		const int fd = client_connect(fixture->port);
		const int start = sprintf(chunk, "%zx\r\n", size + 1);
		client_say(fd, "POST /webhook HTTP/1.1\r\nHost: h\r\n"
			       "Transfer-Encoding: chunked\r\n\r\n");
		memset(chunk + start, 'a', size + 1);
		memcpy(chunk + start + size + 1, "\r\n0\r\n\r\n", 7);
		client_send(fd, chunk, (size_t)start + size + 1 + (complete ? 7 : 0));
		client_read(fd, &answer);
		assert_int_equal(answer.status, 413);
		assert_string_equal(answer.body, "{\"error\":\"the body is too large\"}");
		assert_true(client_closed(fd));
		close(fd);
	}
	free(chunk);
	assert_int_equal(fixture_count(fixture, "rejected.too_large", 3), 3);
	assert_int_equal(stand_in_submitted(fixture->pipeline, 0), 0);
}

/* A client that sends its whole body before it reads still sees why. */
static void test_a_refused_sender_can_read_why(void **state)
{
	struct fixture *fixture = *state;
	const size_t size = 4 << 20;
	char *body = calloc(1, size), head[256];
	struct client_answer answer;
	const int fd = client_connect(fixture->port);

	snprintf(head, sizeof(head),
		 "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", size);
	client_say(fd, head);
	client_send(fd, body, size);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 413);
	close(fd);
	free(body);
}

static void test_answers_late(void **state)
{
	struct fixture *fixture = *state;
	struct client_answer answer;
	int fds[20];
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);

	stand_in_hold(fixture->pipeline, true);
	for (int i = 0; i < 20; i++) {
		fds[i] = client_connect(fixture->port);
		client_send(fds[i], request, len);
		/* What is pipelined behind waits for its turn. */
		client_say(fds[i], "GET /health HTTP/1.1\r\nHost: h\r\n\r\n");
	}
	assert_int_equal(stand_in_submitted(fixture->pipeline, 20), 20);
	assert_true(client_quiet(fds[0], 20));
	assert_int_equal(
	    client_ask(fixture->port, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n", &answer), 200);
	stand_in_hold(fixture->pipeline, false);
	for (int i = 0; i < 20; i++) {
		client_read(fds[i], &answer);
		assert_int_equal(answer.status, 202);
		client_read(fds[i], &answer);
		assert_int_equal(answer.status, 200);
		close(fds[i]);
	}
	free(request);
}

/* Clients that leave while their answer is pending; the answers go nowhere, nothing else suffers.
 */
static void test_clients_that_leave(void **state)
{
	struct fixture *fixture = *state;
	struct client_answer answer;
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);

	stand_in_hold(fixture->pipeline, true);
	for (int i = 0; i < 30; i++) {
		const int fd = client_connect(fixture->port);
		const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
		client_send(fd, request, len);
		stand_in_submitted(fixture->pipeline, (size_t)i + 1);
		if (i % 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	stand_in_hold(fixture->pipeline, false);
	for (int i = 0; i < 10; i++)
		assert_int_equal(post(fixture, FIXTURE_SECRET, &answer), 202);
	free(request);
}

/* ---- as OpenPR sends it ---- */

static void test_takes_what_a_live_openpr_sent(void **state)
{
	struct fixture *fixture = *state;
	struct client_answer answer;
	static char request[65536];
	FILE *file = fopen("tests/fixtures/recorded/04-issue.assigned.bot.assigned.http", "rb");

	assert_non_null(file);
	const size_t len = fread(request, 1, sizeof(request), file);
	fclose(file);
	const int fd = client_connect(fixture->port);
	client_send(fd, request, len);
	client_read(fd, &answer);
	assert_int_equal(answer.status, 202);
	close(fd);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_passes_the_pipelines_answer_on),
		CASE(test_takes_either_header_and_every_secret),
		CASE(test_says_what_is_wrong_with_a_signature),
		CASE(test_hands_over_the_raw_bytes),
		CASE(test_takes_a_chunked_body),
		CASE(test_says_continue),
		CASE(test_refuses_what_is_too_large),
		CASE(test_a_refused_sender_can_read_why),
		CASE(test_answers_late),
		CASE(test_clients_that_leave),
		CASE(test_takes_what_a_live_openpr_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
