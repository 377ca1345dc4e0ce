#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/redact.h"
#include "openpr_fixture.h"

/* ---- reading ---- */

static void knows_whose_a_token_is(void **state)
{
	struct fixture *f = *state;
	char *id = NULL;

	assert_int_equal(openpr_whoami(f->openpr, &f->config, TOKEN, &id, &err), OPENPR_OK);
	assert_string_equal(id, BOT);
	free(id);
	id = NULL;
	assert_int_equal(openpr_whoami(f->openpr, &f->config, "opr_wrong", &id, &err),
			 OPENPR_DENIED);
	assert_int_equal(openpr_whoami(f->openpr, &f->config, "", &id, &err), OPENPR_DENIED);
	mock_control(f->mock, "{\"faults\": [{\"path\": \"/auth/me\", \"body\": "
			      "\"{\\\"code\\\":0,\\\"data\\\":{}}\"}]}");
	assert_int_equal(openpr_whoami(f->openpr, &f->config, TOKEN, &id, &err), OPENPR_RETRY);
	assert_null(id);
}

static void reads_an_issue_with_its_labels(void **state)
{
	struct fixture *f = *state;
	json_t *issue = NULL;

	assert_int_equal(openpr_issue(f->openpr, &f->config, TOKEN, ISSUE, 20000, &issue, &err),
			 OPENPR_OK);
	assert_string_equal(json_str(issue, "id"), ISSUE);
	assert_string_equal(json_str(issue, "title"), "Login fails");
	assert_string_equal(json_str(issue, "description"), "Steps");
	assert_string_equal(json_str(issue, "state"), "todo");
	assert_string_equal(json_str(issue, "assignee_id"), BOT);
	assert_non_null(json_str(issue, "project_id"));
	json_t *labels = json_pack("[{s:s, s:s}, {s:s, s:s}]", "id", "l1", "name", "bug", "id",
				   "l2", "name", "ui");
	assert_true(json_equal(json_object_get(issue, "labels"), labels));
	json_decref(labels);
	json_decref(issue);
}

static void ids_stay_in_their_place(void **state)
{
	static const char *const bad[] = {
		"../x", "", "..", "a/../b", "x?state=1", "a#b", "%2e%2e"
	};
	struct fixture *f = *state;
	json_t *issue = NULL;
	bool found;

	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(
		    openpr_issue(f->openpr, &f->config, TOKEN, bad[i], 20000, &issue, &err),
		    OPENPR_REFUSED);
		assert_int_equal(comment(f, TOKEN, bad[i], "x"), OPENPR_REFUSED);
		assert_int_equal(set_state(f, bad[i], "done"), OPENPR_REFUSED);
		assert_int_equal(
		    openpr_has_comment(f->openpr, &f->config, TOKEN, bad[i], "run x", &found, &err),
		    OPENPR_REFUSED);
		assert_int_equal(
		    openpr_ai_end(f->openpr, &f->config, TOKEN, bad[i], true, "{}", &err),
		    OPENPR_REFUSED);
	}
	json_t *seen = mock_state(f->mock);
	assert_int_equal(json_array_size(json_at(seen, "requests")), 0);
	json_decref(seen);
}

/* ---- who has written ---- */

static bool wrote(struct fixture *f, const char *token, int64_t since)
{
	bool found = false;

	assert_int_equal(
	    openpr_wrote(f->openpr, &f->config, token, ISSUE, "run 0190-1", since, &found, &err),
	    OPENPR_OK);
	return found;
}

static void knows_who_has_written_since(void **state)
{
	struct fixture *f = *state;
	const int64_t before = clock_wall();

	assert_false(wrote(f, TOKEN, before));
	assert_int_equal(comment(f, TOKEN, ISSUE, "something\n run 0190-1 started\nelse"),
			 OPENPR_OK);
	assert_false(wrote(f, TOKEN, before)); /* it is the daemon's */
	assert_int_equal(comment(f, OTHER, ISSUE, "of somebody else"), OPENPR_OK);
	assert_false(wrote(f, TOKEN, before));
	assert_true(wrote(f, OTHER, before));
	assert_int_equal(comment(f, TOKEN, ISSUE, "its own, about run 0190-1"), OPENPR_OK);
	assert_true(wrote(f, TOKEN, before));
	usleep(2000);
	assert_false(wrote(f, TOKEN, clock_wall()));
}

/* Their clock is an hour off, either way: what was written before is no answer, what came after is.
 */
static void does_not_trust_clocks_to_agree(void **state)
{
	struct fixture *f = *state;
	static const int clocks[] = { -3600, 3600 };

	for (size_t i = 0; i < COUNT(clocks); i++) {
		mock_control(f->mock, "{\"clock\":%d}", clocks[i]);
		assert_int_equal(comment(f, TOKEN, ISSUE, "old"), OPENPR_OK);
		assert_false(wrote(f, TOKEN, clock_wall() + 2000));
		assert_true(wrote(f, TOKEN, clock_wall() - 2000));
	}
	mock_control(f->mock, "{\"clock\":0}");
}

static void asks_nothing_of_the_denied(void **state)
{
	struct fixture *f = *state;
	bool found = false;

	assert_int_equal(
	    openpr_wrote(f->openpr, &f->config, "opr_nobody", ISSUE, "run x", 0, &found, &err),
	    OPENPR_DENIED);
	assert_int_equal(
	    openpr_wrote(f->openpr, &f->config, TOKEN, NO_ISSUE, "run x", 0, &found, &err),
	    OPENPR_GONE);
}

/* ---- writing ---- */

static void posts_a_comment_and_finds_it(void **state)
{
	struct fixture *f = *state;
	bool found = true;

	assert_int_equal(
	    openpr_has_comment(f->openpr, &f->config, TOKEN, ISSUE, "run 0190-1", &found, &err),
	    OPENPR_OK);
	assert_false(found);
	assert_int_equal(comment(f, TOKEN, ISSUE, "All \xe2\x9c\x93 \"done\"\n\nrun 0190-1"),
			 OPENPR_OK);
	expect_comment(f, 0, "All \xe2\x9c\x93 \"done\"\n\nrun 0190-1", 0);
	assert_int_equal(
	    openpr_has_comment(f->openpr, &f->config, TOKEN, ISSUE, "run 0190-1", &found, &err),
	    OPENPR_OK);
	assert_true(found);
	assert_int_equal(openpr_has_comment(f->openpr, &f->config, TOKEN, ISSUE,
					    "run 0190-1 started", &found, &err),
			 OPENPR_OK);
	assert_false(found);
}

static void posts_and_finds_large_comments(void **state)
{
	struct fixture *f = *state;
	const size_t len = 1024 * 1024;
	char *text = malloc(len + 32);
	bool found = false;

	memset(text, 'x', len);
	strcpy(text + len, "\nrun 0190-1");
	assert_int_equal(comment(f, TOKEN, ISSUE, text), OPENPR_OK);
	assert_int_equal(comment(f, TOKEN, ISSUE, "a later one"), OPENPR_OK);
	assert_int_equal(
	    openpr_has_comment(f->openpr, &f->config, TOKEN, ISSUE, "run 0190-1", &found, &err),
	    OPENPR_OK);
	assert_true(found);
	free(text);
}

static void cleans_what_it_sends(void **state)
{
	struct fixture *f = *state;
	const bool mcp = f->config.openpr.callback == CALLBACK_MCP;

	redact_add("opr_one_and_only");
	assert_int_equal(
	    comment(f, TOKEN, ISSUE, "bad \xff, opr_one_and_only, joe@ann.com\n@ann @property"),
	    OPENPR_OK);
	/* Over MCP an @ would mention Ann; over REST only a list does. */
	expect_comment(f, 0,
		       mcp ? "bad \xef\xbf\xbd, [secret], joe\xef\xbc\xa0"
			     "ann.com\n\xef\xbc\xa0"
			     "ann \xef\xbc\xa0property"
			   : "bad \xef\xbf\xbd, [secret], joe@ann.com\n@ann @property",
		       0);
}

static void sets_a_state(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set_state(f, ISSUE, "in_progress"), OPENPR_OK);
	json_t *seen = mock_state(f->mock);
	assert_string_equal(json_str(nth(seen, "issues", 0), "state"), "in_progress");
	json_decref(seen);
	assert_int_equal(set_state(f, ISSUE, "nonsense"), OPENPR_REFUSED);
	assert_non_null(strstr(err.text, "state must be one of: backlog"));
	assert_int_equal(set_state(f, NO_ISSUE, "done"), OPENPR_GONE);
	assert_int_equal(set_state(f, ISSUE, "do\"ne\\"), OPENPR_REFUSED);
}

static void asks_for_english_as_itself(void **state)
{
	struct fixture *f = *state;
	const bool mcp = f->config.openpr.callback == CALLBACK_MCP;

	comment(f, TOKEN, ISSUE, "x");
	json_t *seen = mock_state(f->mock);
	const json_t *request = nth(seen, "requests", 0);
	assert_string_equal(json_str(request, "method"), "POST");
	assert_string_equal(json_str(request, "path"),
			    mcp ? "/mcp/rpc" : "/api/v1/issues/" ISSUE "/comments");
	const json_t *headers = json_object_get(request, "headers");
	assert_string_equal(json_str(headers, "accept-language"), "en");
	assert_string_equal(json_str(headers, "authorization"), "Bearer " TOKEN);
	assert_string_equal(json_str(headers, "content-type"), "application/json");
	assert_string_equal(json_str(headers, "user-agent"), "openpr-webhook/" OPW_VERSION);
	if (mcp) {
		assert_non_null(json_str(request, "json.id"));
		assert_string_equal(json_str(request, "json.method"), "tools/call");
	}
	json_decref(seen);
}

static void says_what_is_not_configured(void **state)
{
	struct fixture *f = *state;

	f->config.openpr.api_url = NULL;
	assert_int_equal(comment(f, TOKEN, ISSUE, "x"), OPENPR_RETRY);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_int_equal(count_comments(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(knows_whose_a_token_is),	      BOTH(reads_an_issue_with_its_labels),
		BOTH(ids_stay_in_their_place),	      BOTH(knows_who_has_written_since),
		BOTH(does_not_trust_clocks_to_agree), BOTH(asks_nothing_of_the_denied),
		BOTH(posts_a_comment_and_finds_it),   BOTH(posts_and_finds_large_comments),
		BOTH(cleans_what_it_sends),	      BOTH(sets_a_state),
		BOTH(asks_for_english_as_itself),     BOTH(says_what_is_not_configured),
	};

	return cmocka_run_group_tests_name("callback/openpr", tests, start_mock, stop_mock);
}
