#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/answers.h"
#include "gateway/talk.h"

static struct openclaw_answer claw(const char *text)
{
	struct openclaw_answer answer;

	openclaw_read(text, strlen(text), &answer);
	return answer;
}

static struct openprx_answer prx(const char *text)
{
	struct openprx_answer answer;

	openprx_read(text, strlen(text), &answer);
	return answer;
}

static void openclaw_as_documented(void **state)
{
	struct openclaw_answer answer = claw(
	    "{\"ok\":true,\"runId\":\"r1\",\"completion\":{\"status\":\"ok\",\"replyDisposition\":"
	    "\"silent\",\"delivered\":false,\"deliveryError\":\"delivery-failed\"}}");

	(void)state;
	assert_string_equal(answer.run_id, "r1");
	assert_string_equal(answer.status, "ok");
	assert_string_equal(answer.disposition, "silent");
	assert_string_equal(answer.delivery_error, "delivery-failed");
	assert_false(answer.delivered);
	json_decref(answer.root);
	answer = claw("{\"ok\":true,\"runId\":\"r1\"}");
	assert_null(answer.status);
	json_decref(answer.root);
}

static void prx_as_its_sources_have_it(void **state)
{
	struct openprx_answer answer =
	    prx("{\"status\":\"accepted\",\"job_id\":\"0b1e7d52-6f0a-4c3e-9d7b-2a4f5c6e7d80\","
		"\"poll_url\":\"http://evil.example.com/\"}");

	(void)state;
	assert_string_equal(answer.job_id, "0b1e7d52-6f0a-4c3e-9d7b-2a4f5c6e7d80");
	json_decref(answer.root);
	answer = prx(
	    "{\"job_id\":\"j\",\"status\":\"succeeded\",\"elapsed_ms\":1500,\"http_status\":200,"
	    "\"result\":{\"response\":\"done\",\"model\":\"m\"},\"error\":null}");
	assert_string_equal(answer.status, "succeeded");
	assert_string_equal(answer.response, "done");
	assert_int_equal(answer.elapsed, 1500);
	assert_int_equal(answer.http_status, 200);
	assert_null(answer.error);
	json_decref(answer.root);
	answer =
	    prx("{\"status\":\"succeeded\",\"http_status\":503,\"result\":{\"error\":\"busy\"}}");
	assert_null(answer.response);
	assert_string_equal(answer.error, "busy");
	json_decref(answer.root);
	answer = prx("{\"response\":\"again\",\"model\":\"m\",\"response_id\":\"x\"}");
	assert_string_equal(answer.response, "again");
	json_decref(answer.root);
}

static void an_id_that_would_change_the_url_is_none(void **state)
{
	static const char *const bad[] = { "",	  "../x",  ".",	      "a/b",   "a?b", "a#b",
					   "a b", "a%2fb", "\\u00e9", "a\\nb", "..",  "@host" };
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "{\"job_id\":\"%s\"}", bad[i]);
		struct openprx_answer answer = prx(text);
		assert_null(answer.job_id);
		json_decref(answer.root);
	}
	memset(text, 'x', sizeof(text));
	memcpy(text, "{\"job_id\":\"", 11);
	memcpy(text + 11 + 129, "\"}", 3);
	struct openprx_answer answer = prx(text);
	assert_null(answer.job_id);
	json_decref(answer.root);
}

static void nonsense_is_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"null",
		"{",
		"<html>",
		"\"ok\"",
		"{\"runId\":7,\"job_id\":[],\"status\":{},\"response\":1}",
		"{\"completion\":\"ok\",\"result\":[]}",
		"{\"runId\":\"a\\u0000b\",\"job_id\":\"a\\u0000b\"}"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct openclaw_answer one = claw(bad[i]);
		struct openprx_answer other = prx(bad[i]);
		assert_true(!one.run_id && !one.status && !other.job_id && !other.status &&
			    !other.response);
		json_decref(one.root);
		json_decref(other.root);
	}
}

static void conflicts_by_their_word(void **state)
{
	static const struct {
		const char *text;
		enum openprx_conflict conflict;
	} cases[] = {
		{ "{\"status\":\"processing\"}", CONFLICT_PROCESSING },
		{ "{\"status\":\"request_conflict\"}", CONFLICT_REQUEST },
		{ "{\"status\":\"replay_unavailable\"}", CONFLICT_NO_REPLAY },
		{ "{\"status\":\"retry_unavailable\"}", CONFLICT_NO_RETRY },
		{ "{\"status\":\"something else\"}", CONFLICT_UNKNOWN },
		{ "plain", CONFLICT_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct openprx_answer answer = prx(cases[i].text);
		assert_int_equal(openprx_conflict(&answer), cases[i].conflict);
		json_decref(answer.root);
	}
}

static void words_of_an_error(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"error\":\"no such agent\"}", "no such agent" },
		{ "{\"ok\":false,\"error\":{\"type\":\"x\",\"message\":\"not\\nallowed\"}}",
		  "not allowed" },
		{ "Unauthorized\r\n", "Unauthorized" },
		{ "<html><body>502</body></html>", "" },
		{ "{\"error\":7}", "" },
		{ "{broken", "" },
		{ "", "" },
		{ "  \x01 spaced \x7f out  ", "spaced out" },
	};
	char words[TALK_WORDS];
	char long_text[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		talk_words(cases[i][0], strlen(cases[i][0]), words);
		assert_string_equal(words, cases[i][1]);
	}
	memset(long_text, 'x', sizeof(long_text));
	talk_words(long_text, sizeof(long_text), words);
	assert_int_equal(strlen(words), TALK_WORDS - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openclaw_as_documented),
		cmocka_unit_test(prx_as_its_sources_have_it),
		cmocka_unit_test(an_id_that_would_change_the_url_is_none),
		cmocka_unit_test(nonsense_is_nothing),
		cmocka_unit_test(conflicts_by_their_word),
		cmocka_unit_test(words_of_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
