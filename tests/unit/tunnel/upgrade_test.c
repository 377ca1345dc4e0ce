#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/upgrade.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 section 1.3, and its answer */
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define FIRST "HTTP/1.1 101 Switching Protocols\r\n"
#define REST "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static int judge(const char *head, struct err *err)
{
	return upgrade_judge(head, strlen(head), KEY, err);
}

static void good(const char *head)
{
	struct err err;

	if (judge(head, &err) < 0)
		fail_msg("%s: %s", head, err.text);
}

static void bad(const char *head, enum err_code code, const char *why)
{
	struct err err = { 0 };

	if (judge(head, &err) == 0)
		fail_msg("taken: %s", head);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, why))
		fail_msg("%s: %s", head, err.text);
}

static void the_request_is_what_rfc_6455_asks_for(void **state)
{
	struct buf out = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(upgrade_request("h:8443", "/a?b", "the-token", KEY, &out, &err), 0);
	assert_string_equal(out.bytes,
			    "GET /a?b HTTP/1.1\r\nHost: h:8443\r\nUpgrade: websocket\r\n"
			    "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
			    "Sec-WebSocket-Version: 13\r\nAuthorization: Bearer the-token\r\n"
			    "User-Agent: openpr-webhook/" OPW_VERSION "\r\n\r\n");
	buf_done(&out);
	assert_int_equal(upgrade_request("h", "/", "a\r\nX: y", KEY, &out, &err), -1);
	assert_int_equal(upgrade_request("h", "/ HTTP/1.1\r\nX: y", "a", KEY, &out, &err), -1);
	assert_int_equal(upgrade_request("h\r\n", "/", "a", KEY, &out, &err), -1);
	assert_int_equal(out.len, 0);
}

static void keys_are_16_bytes_and_never_the_same(void **state)
{
	char one[UPGRADE_KEY_SIZE], two[UPGRADE_KEY_SIZE];
	struct err err;

	(void)state;
	assert_int_equal(upgrade_make_key(one, &err), 0);
	assert_int_equal(upgrade_make_key(two, &err), 0);
	assert_int_equal(strlen(one), 24);
	assert_string_equal(one + 22, "==");
	assert_string_not_equal(one, two);
}

static void the_right_answer_is_taken_however_it_is_written(void **state)
{
	(void)state;
	good(FIRST REST ACCEPT "\r\n");
	good("HTTP/1.1 101\r\n" REST ACCEPT "\r\n");
	good(FIRST "x-more: 1\r\nUPGRADE:WebSocket\r\nconnection: keep-alive ,\tupgrade \r\n"
		   "sec-websocket-accept:\t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n\r\n");
	good(FIRST REST "Connection: close\r\n" ACCEPT "\r\n");
}

static void any_other_answer_is_none(void **state)
{
	(void)state;
	bad(FIRST REST "\r\n", ERR_INVALID, "Sec-WebSocket-Accept");
	bad(FIRST REST ACCEPT ACCEPT "\r\n", ERR_INVALID, "Sec-WebSocket-Accept");
	bad(FIRST REST "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", ERR_INVALID,
	    "Sec-WebSocket-Accept");
	bad(FIRST "Connection: Upgrade\r\n" ACCEPT "\r\n", ERR_INVALID, "something else");
	bad(FIRST "Upgrade: websocket\r\n" ACCEPT "\r\n", ERR_INVALID, "something else");
	bad(FIRST REST "Upgrade: h2c\r\n" ACCEPT "\r\n", ERR_INVALID, "something else");
	bad(FIRST "Upgrade: websockets\r\nConnection: Upgraded\r\n" ACCEPT "\r\n", ERR_INVALID,
	    "something else");
	bad(FIRST REST ACCEPT "Sec-WebSocket-Protocol: x\r\n\r\n", ERR_INVALID, "sub-protocol");
	bad(FIRST REST ACCEPT "Sec-WebSocket-Extensions: x\r\n\r\n", ERR_INVALID, "extensions");
}

static void a_head_that_is_not_sound_is_refused(void **state)
{
	static const char *const heads[] = {
		FIRST REST ACCEPT " folded\r\n\r\n",	FIRST REST ACCEPT "a b: c\r\n\r\n",
		FIRST REST ACCEPT ": c\r\n\r\n",	FIRST REST ACCEPT "no colon\r\n\r\n",
		FIRST REST ACCEPT "a: b\nc: d\r\n\r\n", FIRST REST ACCEPT "a: b\rc: d\r\n\r\n",
		FIRST REST ACCEPT "a : b\r\n\r\n",	FIRST REST ACCEPT "a: \x7f\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		bad(heads[i], ERR_INVALID, "a bad header");
	struct err err;
	static const char nul[] = FIRST REST ACCEPT "a: b\0c\r\n\r\n";

	assert_int_equal(upgrade_judge(nul, sizeof(nul) - 1, KEY, &err), -1);
	bad("HTTP/1.0 101 x\r\n" REST ACCEPT "\r\n", ERR_INVALID, "HTTP/1.1");
	bad("HTTP/2 101\r\n" REST ACCEPT "\r\n", ERR_INVALID, "HTTP/1.1");
	bad("HTTP/1.1 1010\r\n\r\n", ERR_INVALID, "HTTP/1.1");
	bad("HTTP/1.1 +01 x\r\n\r\n", ERR_INVALID, "HTTP/1.1");
	bad("HTTP/1.1\r\n\r\n", ERR_INVALID, "HTTP/1.1");
	bad("\r\n", ERR_INVALID, "HTTP/1.1");
}

static void refusals_are_told_apart(void **state)
{
	(void)state;
	bad("HTTP/1.1 401 No\r\n\r\n", ERR_CONFIG, "does not know tunnel.token");
	bad("HTTP/1.1 403 No\r\n\r\n", ERR_CONFIG, "does not let tunnel.token in");
	bad("HTTP/1.1 404 No\r\n\r\n", ERR_CONFIG, "no tunnel at the path");
	bad("HTTP/1.1 302 No\r\n\r\n", ERR_CONFIG, "redirects are not followed");
	bad("HTTP/1.1 200 OK\r\n\r\n", ERR_CONFIG, "with 200");
	bad("HTTP/1.1 502 No\r\n\r\n", ERR_IO, "with 502");
}

static void the_end_is_found_and_the_length_bounded(void **state)
{
	static char bytes[UPGRADE_MAX_HEAD + 8];
	struct err err;

	(void)state;
	assert_int_equal(upgrade_end("", 0, &err), 0);
	assert_int_equal(upgrade_end("a\r\n\r", 4, &err), 0);
	assert_int_equal(upgrade_end("a\r\n\r\nmore", 9, &err), 5);
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(upgrade_end(bytes, UPGRADE_MAX_HEAD - 1, &err), 0);
	assert_int_equal(upgrade_end(bytes, UPGRADE_MAX_HEAD, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	memcpy(bytes + UPGRADE_MAX_HEAD - 4, "\r\n\r\n", 4);
	assert_int_equal(upgrade_end(bytes, sizeof(bytes), &err), UPGRADE_MAX_HEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_is_what_rfc_6455_asks_for),
		cmocka_unit_test(keys_are_16_bytes_and_never_the_same),
		cmocka_unit_test(the_right_answer_is_taken_however_it_is_written),
		cmocka_unit_test(any_other_answer_is_none),
		cmocka_unit_test(a_head_that_is_not_sound_is_refused),
		cmocka_unit_test(refusals_are_told_apart),
		cmocka_unit_test(the_end_is_found_and_the_length_bounded),
	};

	return cmocka_run_group_tests_name("tunnel/upgrade", tests, NULL, NULL);
}
