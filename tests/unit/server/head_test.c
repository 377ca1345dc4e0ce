#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/head.h"

#define LINE "POST /webhook HTTP/1.1\r\n"
#define HOST "Host: h\r\n"

/* status 0: complete; -1: incomplete. */
static const struct {
	const char *text;
	int status;
} heads[] = {
	{ LINE HOST "\r\n", 0 },
	{ "GET / HTTP/1.0\r\n\r\n", 0 },
	{ "\r\n" LINE HOST "\r\n", 0 },
	{ LINE "hOsT:h:80\r\n\r\n", 0 },
	{ LINE "Host:\r\n\r\n", 0 },
	{ LINE "Host: [::1]:8091\r\n\r\n", 0 },
	{ LINE HOST "Content-Length: 0\r\n\r\n", 0 },
	{ LINE HOST "Content-Length:\t12 \r\n\r\n", 0 },
	{ LINE HOST "Transfer-Encoding: Chunked\r\n\r\n", 0 },
	{ LINE HOST "Expect: 100-Continue\r\n\r\n", 0 },
	{ LINE HOST "X-A: tab\there, \xc3\xa9 too\r\n\r\n", 0 },
	{ LINE HOST "X-Empty:\r\n\r\n", 0 },
	{ LINE HOST "Connection: close\r\nConnection: x\r\n\r\n", 0 },
	{ "GET /a?b=%20#c HTTP/1.1\r\n" HOST "\r\n", 0 },

	{ "", -1 },
	{ "\r\n", -1 },
	{ LINE HOST "\r", -1 },
	{ LINE HOST, -1 },

	/* where a request ends */
	{ LINE HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 1, 1\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: +1\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: -1\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 0x1\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 1 2\r\n\r\n", 400 },
	{ LINE HOST "Content-Length:\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 18446744073709551617\r\n\r\n", 400 },
	{ LINE HOST "Content-Length : 1\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ LINE HOST "Transfer-Encoding: chunked\r\ncontent-length: 1\r\n\r\n", 400 },
	{ LINE HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ LINE HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 400 },
	{ LINE HOST "Transfer-Encoding: identity\r\n\r\n", 400 },
	{ LINE HOST "Transfer-Encoding: xchunked\r\n\r\n", 400 },
	{ LINE HOST "Transfer-Encoding:\x0b"
		    "chunked\r\n\r\n",
	  400 },
	{ LINE HOST "Transfer-Encoding:\r\n chunked\r\n\r\n", 400 },
	{ LINE HOST " Transfer-Encoding: chunked\r\n\r\n", 400 },
	{ "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400 },

	/* lines */
	{ LINE HOST "X-A: 1\n\r\n", 400 },
	{ LINE HOST "\n", 400 },
	{ "POST / HTTP/1.1\nHost: h\n\n", 400 },
	{ "\nPOST / HTTP/1.1\r\n", 400 },
	{ "\r\n\r\n" LINE HOST "\r\n", 400 },
	{ LINE HOST "X-A: 1\r\r\n\r\n", 400 },
	{ LINE HOST "X-A: 1\r2\r\n\r\n", 400 },
	{ LINE HOST "X-A: 1\r\n folded\r\n\r\n", 400 },
	{ LINE HOST "X-A: 1\r\n\tfolded\r\n\r\n", 400 },
	{ LINE HOST "X-A\x01: 1\r\n\r\n", 400 },
	{ LINE HOST "X A: 1\r\n\r\n", 400 },
	{ LINE HOST "X-A\r\n\r\n", 400 },
	{ LINE HOST ": 1\r\n\r\n", 400 },
	{ LINE HOST "X-A: \x7f\r\n\r\n", 400 },

	/* Host */
	{ LINE "\r\n", 400 },
	{ LINE HOST HOST "\r\n", 400 },
	{ "GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400 },
	{ LINE "Host: a, b\r\n\r\n", 400 },
	{ LINE "Host: a/b\r\n\r\n", 400 },
	{ LINE "Host: user@h\r\n\r\n", 400 },

	/* the request line */
	{ "POST  / HTTP/1.1\r\n", 400 },
	{ "POST /  HTTP/1.1\r\n", 400 },
	{ "POST / HTTP/1.1 \r\n", 400 },
	{ " POST / HTTP/1.1\r\n", 400 },
	{ "POST\t/ HTTP/1.1\r\n", 400 },
	{ "POST /\xc3\xa9 HTTP/1.1\r\n", 400 },
	{ "POST / HTTP/2.0\r\n", 400 },
	{ "POST / HTTP/1.2\r\n", 400 },
	{ "POST / HTTP/1.11\r\n", 400 },
	{ "POST / http/1.1\r\n", 400 },
	{ "POST /\r\n", 400 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400 },
	{ "P@ST / HTTP/1.1\r\n", 400 },
	{ "/ HTTP/1.1\r\n", 400 },

	{ LINE HOST "Expect: 200-ok\r\n\r\n", 417 },
	{ LINE HOST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", 417 },
};

static void verdict_is(const struct head *head, enum head_state state, const char *text, int status)
{
	const int got = state == HEAD_COMPLETE ? 0 : state == HEAD_REFUSED ? head->status : -1;

	if (got != status)
		fail_msg("%d and not %d for %s", got, status, text);
}

static void test_judges_each_head(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct head head = { 0 };
		const char *text = heads[i].text;

		verdict_is(&head, head_check(&head, text, strlen(text)), text, heads[i].status);
	}
}

/* A copy of exact size each time, so that ASan sees a byte read too far. */
static void test_judges_the_same_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct head head = { 0 };
		enum head_state last = HEAD_INCOMPLETE;
		const size_t len = strlen(heads[i].text);

		for (size_t n = 1; n <= len && last == HEAD_INCOMPLETE; n++) {
			char *copy = malloc(n);
			memcpy(copy, heads[i].text, n);
			last = head_check(&head, copy, n);
			free(copy);
		}
		verdict_is(&head, last, heads[i].text, heads[i].status);
	}
}

static void test_tells_the_length_and_what_follows(void **state)
{
	static const char text[] = LINE HOST "Content-Length: 17\r\n\r\n";
	static const char more[] = LINE HOST "Content-Length: 17\r\n\r\n\n\nbody\n";
	struct head head = { 0 };

	(void)state;
	assert_int_equal(head_check(&head, more, sizeof(more) - 1), HEAD_COMPLETE);
	assert_int_equal(head.len, sizeof(text) - 1);
	assert_true(head.has_length);
	assert_int_equal(head.content_length, 17);
	assert_false(head.chunked);
	/* Asked again with more, it stands by its word. */
	assert_int_equal(head_check(&head, more, sizeof(more) - 1), HEAD_COMPLETE);
	assert_int_equal(head.len, sizeof(text) - 1);
}

static void test_refuses_a_nul(void **state)
{
	static const char text[] = LINE HOST "X-A: a\0b\r\n\r\n";
	static const char name[] = LINE HOST "X\0A: ab\r\n\r\n";
	static const char target[] = "POST /\0 HTTP/1.1\r\n";
	struct head head = { 0 }, other = { 0 }, third = { 0 };

	(void)state;
	assert_int_equal(head_check(&head, text, sizeof(text) - 1), HEAD_REFUSED);
	assert_int_equal(head_check(&other, name, sizeof(name) - 1), HEAD_REFUSED);
	assert_int_equal(head_check(&third, target, sizeof(target) - 1), HEAD_REFUSED);
}

/* A head of exactly `size` bytes, NUL-terminated. */
static char *head_of(size_t size)
{
	static const char start[] = LINE HOST "X-Long: ";
	char *text = malloc(size + 1);

	memset(text, 'a', size);
	memcpy(text, start, sizeof(start) - 1);
	memcpy(text + size - 4, "\r\n\r\n", 5);
	return text;
}

static void test_bounds_the_size(void **state)
{
	char *fits = head_of(HEAD_MAX), *large = head_of(HEAD_MAX + 1);
	struct head head = { 0 }, other = { 0 }, endless = { 0 };

	(void)state;
	assert_int_equal(head_check(&head, fits, HEAD_MAX), HEAD_COMPLETE);
	assert_int_equal(head.len, HEAD_MAX);
	assert_int_equal(head_check(&other, large, HEAD_MAX + 1), HEAD_REFUSED);
	assert_int_equal(other.status, 431);
	/* Without any line end it must not wait for more than HEAD_MAX. */
	memset(large, 'a', HEAD_MAX + 1);
	assert_int_equal(head_check(&endless, large, HEAD_MAX - 1), HEAD_INCOMPLETE);
	assert_int_equal(head_check(&endless, large, HEAD_MAX), HEAD_REFUSED);
	assert_int_equal(endless.status, 431);
	free(fits);
	free(large);
}

static void test_bounds_the_number_of_fields(void **state)
{
	char text[4096] = LINE HOST;
	struct head head = { 0 }, other = { 0 };

	(void)state;
	for (int i = 1; i < HEAD_FIELDS; i++)
		strcat(text, "A: b\r\n");
	const size_t len = strlen(text);
	strcat(text, "\r\n");
	assert_int_equal(head_check(&head, text, strlen(text)), HEAD_COMPLETE);
	strcpy(text + len, "A: b\r\n\r\n");
	assert_int_equal(head_check(&other, text, strlen(text)), HEAD_REFUSED);
	assert_int_equal(other.status, 431);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judges_each_head),
		cmocka_unit_test(test_judges_the_same_byte_by_byte),
		cmocka_unit_test(test_tells_the_length_and_what_follows),
		cmocka_unit_test(test_refuses_a_nul),
		cmocka_unit_test(test_bounds_the_size),
		cmocka_unit_test(test_bounds_the_number_of_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
