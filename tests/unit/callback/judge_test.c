#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/redact.h"
#include "callback/judge.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct answer {
	long status;
	const char *body;
	openpr_result result;
};

#define ENVELOPE(code) "{\"code\":" code ",\"message\":\"some words\"}"

static void check(const struct answer *answer, openpr_result result, json_t *data,
		  const struct err *err)
{
	if (result != answer->result)
		print_error("HTTP %ld %.60s: %d, not %d\n", answer->status, answer->body, result,
			    answer->result);
	assert_int_equal(result, answer->result);
	assert_true((result == OPENPR_OK) == (data != NULL));
	assert_true((result == OPENPR_OK) == (err->text[0] == '\0'));
	json_decref(data);
}

static void rest_is_judged_by_its_code(void **state)
{
	static const struct answer answers[] = {
		{ 200, "{\"code\":0,\"message\":\"success\",\"data\":{\"id\":\"x\"}}", OPENPR_OK },
		{ 200, "{\"code\":0,\"message\":\"success\"}", OPENPR_OK },
		{ 201, ENVELOPE("0"), OPENPR_OK },
		{ 200, ENVELOPE("\"0\""), OPENPR_OK },
		{ 200, ENVELOPE("400"), OPENPR_REFUSED },
		{ 200, ENVELOPE("\"400\""), OPENPR_REFUSED },
		{ 200, ENVELOPE("401"), OPENPR_DENIED },
		{ 200, ENVELOPE("403"), OPENPR_DENIED },
		{ 200, ENVELOPE("404"), OPENPR_GONE },
		{ 200, ENVELOPE("409"), OPENPR_REFUSED },
		{ 200, ENVELOPE("429"), OPENPR_RETRY },
		{ 200, ENVELOPE("500"), OPENPR_UNKNOWN },
		{ 200, ENVELOPE("503"), OPENPR_UNKNOWN },
		{ 404, ENVELOPE("404"), OPENPR_GONE },
		{ 401, ENVELOPE("401"), OPENPR_DENIED },
		/* The messages are localised: they decide nothing. */
		{ 200, "{\"code\":401,\"message\":\"success\"}", OPENPR_DENIED },
		{ 200, "{\"code\":404,\"message\":\"\xe6\x9c\xaa\xe6\x89\xbe\xe5\x88\xb0\"}",
		  OPENPR_GONE },
		/* A good code behind a bad status is nobody's word. */
		{ 500, ENVELOPE("0"), OPENPR_UNKNOWN },
		{ 302, ENVELOPE("0"), OPENPR_RETRY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		json_t *data = NULL;
		struct err err = { 0 };
		const openpr_result result = judge_rest(answers[i].status, answers[i].body,
							strlen(answers[i].body), &data, &err);
		check(&answers[i], result, data, &err);
	}
}

static const struct answer strangers[] = {
	{ 200, "", OPENPR_UNKNOWN },
	{ 204, "", OPENPR_UNKNOWN },
	{ 200, "<html><body>Sign in</body></html>", OPENPR_UNKNOWN },
	{ 200, "OK", OPENPR_UNKNOWN },
	{ 200, "null", OPENPR_UNKNOWN },
	{ 200, "[]", OPENPR_UNKNOWN },
	{ 200, "[{\"code\":0}]", OPENPR_UNKNOWN },
	{ 200, "{}", OPENPR_UNKNOWN },
	{ 200, "{\"code\":0,\"message\":\"succ", OPENPR_UNKNOWN },
	{ 200, "{\"code\":null}", OPENPR_UNKNOWN },
	{ 200, "{\"code\":true}", OPENPR_UNKNOWN },
	{ 200, "{\"code\":-1}", OPENPR_UNKNOWN },
	{ 200, "{\"code\":\"\"}", OPENPR_UNKNOWN },
	{ 200, "{\"code\":\"NOT_FOUND\"}", OPENPR_UNKNOWN },
	{ 200, "{\"code\":\"0 \"}", OPENPR_UNKNOWN },
	{ 200, "{\"code\":\"00000000000000000000000\"}", OPENPR_UNKNOWN },
	{ 200, "{\"code\":0}{\"code\":0}", OPENPR_UNKNOWN },
	{ 200, "{\"status\":\"ok\",\"data\":{\"code\":0}}", OPENPR_UNKNOWN },
	{ 400, "Invalid URL: Cannot parse `id` with value `x`", OPENPR_REFUSED },
	{ 401, "", OPENPR_DENIED },
	{ 403, "<html>", OPENPR_DENIED },
	{ 404, "", OPENPR_RETRY },
	{ 404, "404 page not found", OPENPR_RETRY },
	{ 405, "", OPENPR_REFUSED },
	{ 408, "", OPENPR_RETRY },
	{ 413, "", OPENPR_REFUSED },
	{ 415, "", OPENPR_REFUSED },
	{ 422, "Failed to deserialize", OPENPR_REFUSED },
	{ 429, "slow down", OPENPR_RETRY },
	{ 301, "", OPENPR_RETRY },
	{ 500, "", OPENPR_UNKNOWN },
	{ 502, "<html>Bad Gateway</html>", OPENPR_UNKNOWN },
	{ 503, "", OPENPR_UNKNOWN },
	{ 504, "", OPENPR_UNKNOWN },
	{ 0, "", OPENPR_UNKNOWN },
};

static void strangers_answers_are_judged_by_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(strangers); i++) {
		const struct answer *answer = &strangers[i];
		const char *body = answer->body[0] ? answer->body : NULL;
		json_t *data = NULL;
		struct err err = { 0 };

		check(answer, judge_rest(answer->status, body, strlen(answer->body), &data, &err),
		      data, &err);
		data = NULL;
		err.text[0] = '\0';
		check(answer,
		      judge_mcp(answer->status, body, strlen(answer->body), "1", &data, &err), data,
		      &err);
	}
}

#define RPC(rest) "{\"id\":\"1\",\"jsonrpc\":\"2.0\"," rest "}"
#define RESULT(rest) RPC("\"result\":{\"content\":[{" rest "}")
#define FAILED(text) RESULT("\"text\":\"Error: " text "\",\"type\":\"text\"}],\"isError\":true")
#define GOOD_TEXT "\"text\":\"{\\n  \\\"code\\\": 0,\\n  \\\"data\\\": {}\\n}\",\"type\":\"text\"}]"
#define PATH " from /api/v1/issues/a1b2c3d4: "

static void mcp_is_judged_by_error_is_error_and_code(void **state)
{
	static const struct answer answers[] = {
		{ 200, RESULT(GOOD_TEXT), OPENPR_OK },
		{ 200, RESULT(GOOD_TEXT ",\"isError\":false"), OPENPR_OK },
		{ 200, RESULT(GOOD_TEXT ",\"isError\":null"), OPENPR_OK },
		/* isError wins over what the text looks like. */
		{ 200, RESULT(GOOD_TEXT ",\"isError\":true"), OPENPR_UNKNOWN },
		{ 200, RESULT(GOOD_TEXT ",\"isError\":\"yes\""), OPENPR_UNKNOWN },
		{ 200, RESULT("\"text\":\"{\\\"code\\\":404}\",\"type\":\"text\"}]"), OPENPR_GONE },
		{ 200, RESULT("\"text\":\"Comment made\",\"type\":\"text\"}]"), OPENPR_UNKNOWN },
		{ 200, RESULT("\"type\":\"image\"}]"), OPENPR_UNKNOWN },
		{ 200, RPC("\"result\":{}"), OPENPR_UNKNOWN },
		{ 200, RPC("\"result\":null"), OPENPR_UNKNOWN },
		{ 202, "{\"status\":\"accepted\"}", OPENPR_UNKNOWN },
		/* Another request's answer, or one without an id. */
		{ 200, "{\"id\":\"2\",\"result\":{\"content\":[{\"text\":\"{\\\"code\\\":0}\"}]}}",
		  OPENPR_UNKNOWN },
		{ 200, "{\"id\":1,\"result\":{\"content\":[{\"text\":\"{\\\"code\\\":0}\"}]}}",
		  OPENPR_UNKNOWN },
		{ 200, "{\"result\":{\"content\":[{\"text\":\"{\\\"code\\\":0}\"}]}}",
		  OPENPR_UNKNOWN },
		{ 502, RESULT(GOOD_TEXT), OPENPR_UNKNOWN },
		{ 401, "{\"error\":\"Missing Authorization\"}", OPENPR_DENIED },
		{ 200, RPC("\"error\":{\"code\":-32600,\"message\":\"m\"}"), OPENPR_REFUSED },
		{ 200, RPC("\"error\":{\"code\":-32601,\"message\":\"m\"}"), OPENPR_REFUSED },
		{ 200, RPC("\"error\":{\"code\":-32602,\"message\":\"m\"}"), OPENPR_REFUSED },
		{ 200, RPC("\"error\":{\"code\":-32603,\"message\":\"m\"}"), OPENPR_UNKNOWN },
		{ 200, RPC("\"error\":{}"), OPENPR_UNKNOWN },
		{ 200,
		  RPC("\"error\":{\"code\":-32600},\"result\":{\"content\":[{\"text\":\"{"
		      "\\\"code\\\":0}\"}]}"),
		  OPENPR_REFUSED },
		/* The tool's failures, in the words of a live server. */
		{ 200, FAILED("API error 400" PATH "state must be one of: todo"), OPENPR_REFUSED },
		{ 200, FAILED("API error 401" PATH "rejected"), OPENPR_DENIED },
		{ 200, FAILED("API error 403" PATH "policy denied"), OPENPR_DENIED },
		{ 200,
		  FAILED("Failed to resolve owning project for work item a1b2: API error 404" PATH
			 "issue not found"),
		  OPENPR_GONE },
		{ 200, FAILED("API error 500" PATH "database error"), OPENPR_UNKNOWN },
		{ 200, FAILED("HTTP 502 Bad Gateway" PATH "<html>"), OPENPR_UNKNOWN },
		{ 200, FAILED("HTTP 401 Unauthorized" PATH "rejected"), OPENPR_DENIED },
		{ 200, FAILED("HTTP 404 Not Found" PATH ""), OPENPR_RETRY },
		{ 200, FAILED("Request failed: operation timed out"), OPENPR_UNKNOWN },
		{ 200, FAILED("Tool 'x' is disabled by project agent policy"), OPENPR_UNKNOWN },
		/* A number in somebody's message behind it is not the verdict. */
		{ 200, FAILED("API error 500" PATH "API error 404 from /x"), OPENPR_UNKNOWN },
		{ 200, FAILED("API error 403" PATH "HTTP 404 Not Found"), OPENPR_DENIED },
		{ 200, FAILED("HTTP 503 Busy" PATH "API error 401 from /x"), OPENPR_UNKNOWN },
		{ 200, FAILED("API error 4040 from /x"), OPENPR_UNKNOWN },
		{ 200, FAILED("API error 404: not the usual form"), OPENPR_UNKNOWN },
		{ 200, FAILED(""), OPENPR_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		json_t *data = NULL;
		struct err err = { 0 };
		const openpr_result result = judge_mcp(answers[i].status, answers[i].body,
						       strlen(answers[i].body), "1", &data, &err);
		check(&answers[i], result, data, &err);
	}
}

static void a_refusal_is_quoted_for_a_log(void **state)
{
	struct err err;
	json_t *data = NULL;
	const char *said =
	    "{\"code\":400,\"message\":\"state must be\\none of: todo \\u0000 opr_secret\"}";
	struct buf page = { 0 };

	(void)state;
	redact_add("opr_secret");
	judge_rest(200, said, strlen(said), &data, &err);
	assert_string_equal(err.text,
			    "OpenPR answered code 400: state must be one of: todo  [secret]");
	assert_int_equal(err.code, ERR_CONFLICT);

	for (int i = 0; i < 1000; i++)
		buf_appendf(&page, "<\xc3\xa9>\x1b[31m");
	judge_rest(502, page.bytes, page.len, &data, &err);
	assert_ptr_equal(strstr(err.text, "HTTP 502: <\xc3\xa9> [31m<"), err.text);
	assert_true(strlen(err.text) < 230);
	buf_done(&page);

	judge_rest(404, "", 0, &data, &err);
	assert_string_equal(err.text, "HTTP 404, not from OpenPR's API (is the URL right?)");
	redact_clear();
}

static void silence_is_unknown_once_sent(void **state)
{
	(void)state;
	assert_int_equal(judge_silence(false, ERR_IO, true), OPENPR_RETRY);
	assert_int_equal(judge_silence(false, ERR_TIMEOUT, false), OPENPR_RETRY);
	assert_int_equal(judge_silence(true, ERR_IO, false), OPENPR_UNKNOWN);
	assert_int_equal(judge_silence(true, ERR_TIMEOUT, false), OPENPR_UNKNOWN);
	/* What is too large to read will be so again; what was written may have arrived. */
	assert_int_equal(judge_silence(true, ERR_FULL, true), OPENPR_REFUSED);
	assert_int_equal(judge_silence(true, ERR_FULL, false), OPENPR_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rest_is_judged_by_its_code),
		cmocka_unit_test(strangers_answers_are_judged_by_status),
		cmocka_unit_test(mcp_is_judged_by_error_is_error_and_code),
		cmocka_unit_test(a_refusal_is_quoted_for_a_log),
		cmocka_unit_test(silence_is_unknown_once_sent),
	};

	return cmocka_run_group_tests_name("callback/judge", tests, NULL, NULL);
}
