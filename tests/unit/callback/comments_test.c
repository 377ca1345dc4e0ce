#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "callback/comments.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MARK "run 0190-1"

/* The look, fed in pieces of `step` bytes. */
static openpr_result look(const char *text, size_t step, const char *id, bool *found)
{
	struct comments *comments = malloc(sizeof(*comments));
	const size_t len = strlen(text);
	struct err err = { 0 };

	comments_start(comments, MARK, NULL, id);
	for (size_t at = 0; at < len; at += step)
		comments_feed(comments, text + at, len - at < step ? len - at : step);
	const openpr_result result = comments_judge(comments, 200, &err);
	*found = comments->found;
	free(comments);
	assert_true((result == OPENPR_OK) == (err.text[0] == '\0'));
	return result;
}

/* OpenPR's list of these bodies. */
static char *list_of(const char *const *bodies, size_t count)
{
	json_t *items = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(items,
				      json_pack("{s:s, s:n, s:s, s:s}", "id", "c", "author_id",
						"author_name", "run 0190-1", "body", bodies[i]));
	json_t *list =
	    json_pack("{s:i, s:s, s:{s:o, s:i, s:i, s:i}}", "code", 0, "message", "success", "data",
		      "items", items, "total", (int)count, "page", 1, "total_pages", 1);
	char *text = json_text(list);
	json_decref(list);
	return text;
}

/* The same, as the MCP server sends it. */
static char *mcp_of(const char *list)
{
	json_t *answer = json_pack("{s:s, s:s, s:{s:[{s:s, s:s}]}}", "id", "7", "jsonrpc", "2.0",
				   "result", "content", "text", list, "type", "text");
	char *text = json_text(answer);

	json_decref(answer);
	return text;
}

static void expect(const char *const *bodies, size_t count, bool expected)
{
	static const size_t steps[] = { 1, 7, 100000 };
	char *list = list_of(bodies, count), *mcp = mcp_of(list);
	bool found;

	for (size_t i = 0; i < COUNT(steps); i++) {
		assert_int_equal(look(list, steps[i], NULL, &found), OPENPR_OK);
		assert_int_equal(found, expected);
		assert_int_equal(look(mcp, steps[i], "7", &found), OPENPR_OK);
		assert_int_equal(found, expected);
	}
	free(list);
	free(mcp);
}

static void finds_a_whole_line(void **state)
{
	static const char *const with[] = {
		"run 0190-1",
		"done\n\nrun 0190-1",
		"done\r\n  run 0190-1 \t\r\n",
		"run 0190-1\nmore",
		"\"quoted\" \\ \xc3\xa9 \xf0\x9f\x99\x82\nrun 0190-1",
		"\x01\x7f\nrun 0190-1",
		"run 0190-2\nrun 0190-1",
	};
	static const char *const without[] = {
		"",
		"run 0190-12",
		"run 0190-1 started",
		"run 0190-",
		"xrun 0190-1",
		"> run 0190-1",
		"run 0190-1run 0190-1",
		"run 0190-1 run 0190-1",
		"run\n0190-1",
		"run  0190-1",
		"run 0190-1\xc2\xa0",
		"\\nrun 0190-1",
		"{\"body\":\"run 0190-1\"}",
	};

	(void)state;
	expect(NULL, 0, false);
	for (size_t i = 0; i < COUNT(with); i++) {
		expect(&with[i], 1, true);
		const char *const three[] = { "first", with[i], "last" };
		expect(three, 3, true);
	}
	expect(without, COUNT(without), false);
	for (size_t i = 0; i < COUNT(without); i++)
		expect(&without[i], 1, false);
}

static void reads_any_length(void **state)
{
	const size_t len = 3 * 1024 * 1024;
	char *body = malloc(len + 32);
	bool found;

	(void)state;
	memset(body, 'x', len);
	strcpy(body + len, "\nrun 0190-1");
	const char *const bodies[] = { body, "last" };
	char *list = list_of(bodies, 2), *mcp = mcp_of(list);
	assert_int_equal(look(list, 65536, NULL, &found), OPENPR_OK);
	assert_true(found);
	assert_int_equal(look(mcp, 65536, "7", &found), OPENPR_OK);
	assert_true(found);
	free(list);
	free(mcp);
	free(body);
}

/* A list that ends too early must never pass for one without the line. */
static void a_part_is_not_understood(void **state)
{
	const char *const bodies[] = { "first", "second\nrun 0190-1" };
	char *list = list_of(bodies, 2), *mcp = mcp_of(list);
	bool found;

	(void)state;
	for (size_t n = 0; n < strlen(list); n++) {
		char *part = strndup(list, n);
		assert_int_not_equal(look(part, 16, NULL, &found), OPENPR_OK);
		free(part);
	}
	for (size_t n = 0; n < strlen(mcp); n++) {
		char *part = strndup(mcp, n);
		assert_int_not_equal(look(part, 16, "7", &found), OPENPR_OK);
		free(part);
	}
	free(list);
	free(mcp);
}

#define LIST(head, tail) "{\"code\":" head ",\"data\":{\"items\":[{\"body\":\"a\"}]" tail "}}"

static void other_answers_are_not_understood(void **state)
{
	static const struct {
		const char *text;
		openpr_result result;
	} answers[] = {
		{ LIST("0", ""), OPENPR_OK },
		{ LIST("0", ",\"total\":1"), OPENPR_OK },
		/* More comments than were sent. */
		{ LIST("0", ",\"total\":2"), OPENPR_RETRY },
		{ LIST("0", ",\"total\":0"), OPENPR_RETRY },
		{ LIST("401", ""), OPENPR_DENIED },
		{ LIST("404", ""), OPENPR_GONE },
		{ LIST("500", ""), OPENPR_UNKNOWN },
		{ LIST("\"0\"", ""), OPENPR_RETRY },
		{ LIST("00", ""), OPENPR_UNKNOWN },
		{ LIST("0", "") "x", OPENPR_UNKNOWN },
		{ LIST("0", "") "{}", OPENPR_UNKNOWN },
		{ LIST("0", "}"), OPENPR_UNKNOWN },
		{ "{\"code\":0}", OPENPR_RETRY },
		{ "{\"code\":0,\"data\":{\"items\":{}}}", OPENPR_RETRY },
		{ "{\"code\":0,\"data\":{}}", OPENPR_RETRY },
		{ "{\"code\":0,\"other\":{\"items\":[]}}", OPENPR_RETRY },
		{ "{\"data\":{\"items\":[]}}", OPENPR_UNKNOWN },
		{ "{\"data\":{\"code\":0,\"items\":[]}}", OPENPR_UNKNOWN },
		{ "[{\"code\":0,\"data\":{\"items\":[]}}]", OPENPR_UNKNOWN },
		{ "{\"code\":0,\"data\":{\"items\":[\"\\u00g0\"]}}", OPENPR_UNKNOWN },
		{ "<html>", OPENPR_UNKNOWN },
		{ "", OPENPR_UNKNOWN },
	};
	bool found;

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		const openpr_result result = look(answers[i].text, 5, NULL, &found);
		if (result != answers[i].result)
			print_error("%s: %d, not %d\n", answers[i].text, result, answers[i].result);
		assert_int_equal(result, answers[i].result);
	}
}

static void mcp_failures_are_not_understood(void **state)
{
	static const struct {
		const char *text;
		openpr_result result;
	} answers[] = {
		{ "{\"id\":\"7\",\"result\":{\"content\":[{\"text\":\"{\\\"code\\\":0,\\\"data\\\":"
		  "{"
		  "\\\"items\\\":[]}}\"}]}}",
		  OPENPR_OK },
		{ "{\"id\":\"8\",\"result\":{\"content\":[{\"text\":\"{\\\"code\\\":0,\\\"data\\\":"
		  "{"
		  "\\\"items\\\":[]}}\"}]}}",
		  OPENPR_UNKNOWN },
		{ "{\"id\":\"70\",\"result\":{\"content\":[{\"text\":\"{\\\"code\\\":0,"
		  "\\\"data\\\":"
		  "{\\\"items\\\":[]}}\"}]}}",
		  OPENPR_UNKNOWN },
		{ "{\"id\":\"7\\u0000x\",\"result\":{\"content\":[{\"text\":\"{\\\"code\\\":0,"
		  "\\\"data\\\":{\\\"items\\\":[]}}\"}]}}",
		  OPENPR_UNKNOWN },
		{ "{\"result\":{\"content\":[{\"text\":\"{\\\"code\\\":0,\\\"data\\\":{"
		  "\\\"items\\\":[]}}\"}]}}",
		  OPENPR_UNKNOWN },
		{ "{\"id\":\"7\",\"result\":{\"content\":[{\"text\":\"{\\\"code\\\":0,\\\"data\\\":"
		  "{"
		  "\\\"items\\\":[]}}\"}],\"isError\":true}}",
		  OPENPR_UNKNOWN },
		{ "{\"id\":\"7\",\"result\":{\"content\":[{\"text\":\"Error: API error 401 from "
		  "/x: "
		  "no\"}],\"isError\":true}}",
		  OPENPR_DENIED },
		{ "{\"id\":\"7\",\"error\":{\"code\":-32602,\"message\":\"m\"}}", OPENPR_REFUSED },
	};
	bool found;

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++)
		assert_int_equal(look(answers[i].text, 3, "7", &found), answers[i].result);
}

static void depth_is_bounded(void **state)
{
	struct buf text = { 0 };
	bool found;

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_append(&text, "[", 1);
	assert_int_not_equal(look(text.bytes, 4096, NULL, &found), OPENPR_OK);
	assert_int_not_equal(look(text.bytes, 4096, "7", &found), OPENPR_OK);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_a_whole_line),
		cmocka_unit_test(reads_any_length),
		cmocka_unit_test(a_part_is_not_understood),
		cmocka_unit_test(other_answers_are_not_understood),
		cmocka_unit_test(mcp_failures_are_not_understood),
		cmocka_unit_test(depth_is_bounded),
	};

	return cmocka_run_group_tests_name("callback/comments", tests, NULL, NULL);
}
