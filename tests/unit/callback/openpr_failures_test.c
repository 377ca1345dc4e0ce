#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "openpr_fixture.h"

/* Each failure in turn, and whether the comment is there in spite of it. */
static void never_takes_a_failure_for_a_success(void **state)
{
	static const struct {
		const char *fault;
		openpr_result result;
		bool arrived;
	} faults[] = {
		{ "\"status\": 502, \"body\": \"<html>\"", OPENPR_UNKNOWN, false },
		{ "\"status\": 200, \"body\": \"<html>\"", OPENPR_UNKNOWN, false },
		{ "\"status\": 200, \"body\": \"\"", OPENPR_UNKNOWN, true },
		{ "\"status\": 204", OPENPR_UNKNOWN, false },
		{ "\"status\": 404, \"body\": \"404 page not found\"", OPENPR_RETRY, false },
		{ "\"status\": 429", OPENPR_RETRY, false },
		{ "\"status\": 401", OPENPR_DENIED, false },
		{ "\"status\": 302", OPENPR_RETRY, false },
		{ "\"status\": 413", OPENPR_REFUSED, false },
		{ "\"close\": true", OPENPR_UNKNOWN, false },
		{ "\"close\": true", OPENPR_UNKNOWN, true },
		{ "\"garbage\": true", OPENPR_UNKNOWN, true },
		{ "\"truncate\": 20", OPENPR_UNKNOWN, true },
		{ "\"status\": 504", OPENPR_UNKNOWN, true },
	};
	struct fixture *f = *state;
	size_t arrived = 0;

	for (size_t i = 0; i < COUNT(faults); i++) {
		mock_control(f->mock, "{\"faults\": [{\"method\": \"POST\", \"handled\": %s, %s}]}",
			     faults[i].arrived ? "true" : "false", faults[i].fault);
		const openpr_result result = comment(f, TOKEN, ISSUE, "x");
		if (result != faults[i].result)
			print_error("%s: %d, not %d: %s\n", faults[i].fault, result,
				    faults[i].result, err.text);
		assert_int_equal(result, faults[i].result);
		assert_true(err.text[0] != '\0');
		assert_null(strstr(err.text, TOKEN));
		arrived += faults[i].arrived;
		assert_int_equal(count_comments(f), arrived);
	}
}

static void a_failed_look_finds_nothing_out(void **state)
{
	static const char *const faults[] = {
		"\"status\": 502",
		"\"status\": 200, \"body\": \"{}\"",
		"\"status\": 200",
		"\"close\": true",
		"\"truncate\": 60",
		"\"code\": 500",
		"\"status\": 200, \"body\": \"{\\\"code\\\":0}\"",
		"\"garbage\": true",
	};
	struct fixture *f = *state;

	assert_int_equal(comment(f, TOKEN, ISSUE, "run 0190-1"), OPENPR_OK);
	for (size_t i = 0; i < COUNT(faults); i++) {
		bool found = false;
		/* For ever: libcurl reads again by itself when a kept connection was closed. */
		mock_control(f->mock, "{\"clear_faults\": true, \"faults\": [{\"times\": 0, %s}]}",
			     faults[i]);
		const openpr_result result = openpr_has_comment(f->openpr, &f->config, TOKEN, ISSUE,
								"run 0190-1", &found, &err);
		if (result != OPENPR_RETRY && result != OPENPR_UNKNOWN)
			print_error("%s: %d %s\n", faults[i], result, err.text);
		assert_true(result == OPENPR_RETRY || result == OPENPR_UNKNOWN);
		assert_true(err.text[0] != '\0');
	}
}

static void tells_why_an_issue_was_not_read(void **state)
{
	struct fixture *f = *state;
	const bool mcp = f->config.openpr.callback == CALLBACK_MCP;
	json_t *issue = NULL;

	assert_int_equal(openpr_issue(f->openpr, &f->config, TOKEN, NO_ISSUE, 20000, &issue, &err),
			 OPENPR_GONE);
	assert_int_equal(
	    openpr_issue(f->openpr, &f->config, "opr_wrong", ISSUE, 20000, &issue, &err),
	    OPENPR_DENIED);
	assert_int_equal(openpr_issue(f->openpr, &f->config, TOKEN, "42", 20000, &issue, &err),
			 OPENPR_REFUSED);
	/* Another issue, whoever mixed them up, is none. */
	mock_control(f->mock,
		     "{\"faults\": [{\"path\": "
		     "\"%s\", \"body\": \"%s\"}]}",
		     mcp ? "rpc" : "/issues/",
		     mcp ? "{\\\"id\\\":\\\"0\\\",\\\"result\\\":{}}"
			 : "{\\\"code\\\":0,\\\"data\\\":{\\\"id\\\":\\\"" NO_ISSUE "\\\"}}");
	const openpr_result mixed_up =
	    openpr_issue(f->openpr, &f->config, TOKEN, ISSUE, 20000, &issue, &err);
	assert_int_equal(mixed_up, mcp ? OPENPR_UNKNOWN : OPENPR_RETRY);
	/* The labels' failure is the issue's. */
	mock_control(f->mock,
		     mcp ? "{\"faults\": [{\"tool\": \"work_items.list_labels\", \"tool_error\": "
			   "\"Error: API error 500 from /x: no\"}]}"
			 : "{\"faults\": [{\"path\": \"/labels\", \"code\": 500}]}");
	assert_int_equal(openpr_issue(f->openpr, &f->config, TOKEN, ISSUE, 20000, &issue, &err),
			 OPENPR_UNKNOWN);
	/* One deadline for both calls. */
	mock_control(f->mock, mcp ? "{\"faults\": [{\"tool\": \"work_items.list_labels\", "
				    "\"hang\": true}]}"
				  : "{\"faults\": [{\"path\": \"/labels\", \"hang\": true}]}");
	assert_int_equal(openpr_issue(f->openpr, &f->config, TOKEN, ISSUE, 1500, &issue, &err),
			 OPENPR_UNKNOWN);
	assert_int_equal(err.code, ERR_TIMEOUT);
	assert_null(issue);
}

static void tells_why_a_comment_was_not_taken(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(comment(f, TOKEN, ISSUE, " \n "), OPENPR_REFUSED);
	assert_int_equal(comment(f, TOKEN, NO_ISSUE, "x"), OPENPR_GONE);
	assert_int_equal(comment(f, "opr_wrong", ISSUE, "x"), OPENPR_DENIED);
	assert_int_equal(comment(f, NULL, ISSUE, "x"), OPENPR_DENIED);
	assert_int_equal(comment(f, "", ISSUE, "x"), OPENPR_DENIED);
	assert_int_equal(count_comments(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(never_takes_a_failure_for_a_success),
		BOTH(a_failed_look_finds_nothing_out),
		BOTH(tells_why_an_issue_was_not_read),
		BOTH(tells_why_a_comment_was_not_taken),
	};

	return cmocka_run_group_tests_name("callback/openpr_failures", tests, start_mock,
					   stop_mock);
}
