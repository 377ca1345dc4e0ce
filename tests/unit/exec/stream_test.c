#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/stream.h"
#include "fixture.h"

/* The rules by which an end is judged, on what the real CLIs printed and on what they might. */

static struct stream_verdict verdict;

static struct stream *judge(enum stream_kind kind, const char *text, size_t len, size_t piece,
			    int exit_code, int signal)
{
	struct stream *stream = stream_new(kind);

	assert_non_null(stream);
	for (size_t at = 0; at < len; at += piece)
		stream_feed(stream, text + at, len - at < piece ? len - at : piece);
	stream_judge(stream, exit_code, signal, &verdict);
	return stream;
}

static struct stream *judge_file(enum stream_kind kind, const char *name, size_t piece,
				 int exit_code)
{
	char path[512];
	size_t len;

	snprintf(path, sizeof(path), "%s/tests/fixtures/streams/%s", TEST_SOURCE_DIR, name);
	char *text = fixture_read_path(path, &len);
	assert_non_null(text);
	struct stream *stream = judge(kind, text, len, piece, exit_code, 0);
	free(text);
	return stream;
}

static void fails(enum stream_kind kind, const char *text, int exit_code, const char *cause)
{
	struct stream *stream = judge(kind, text, strlen(text), 4096, exit_code, 0);

	assert_false(verdict.success);
	assert_non_null(verdict.cause);
	assert_string_equal(verdict.cause, cause);
	stream_free(stream);
}

static void test_what_the_real_ones_printed(void **state)
{
	static const size_t pieces[] = { 1, 7, 65536 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct stream *stream = judge_file(STREAM_CODEX, "codex-ok.jsonl", pieces[i], 0);
		assert_true(verdict.success && verdict.recognised);
		assert_null(verdict.cause);
		assert_non_null(strstr(verdict.final_text, "Output:\nhello"));
		assert_string_equal(verdict.session_id, "01a20c93-54ea-7e80-a837-bc76e5ac92dc");
		assert_int_equal(verdict.input_tokens, 2400);
		assert_int_equal(verdict.output_tokens, 68);
		assert_true(verdict.cost_usd < 0);
		assert_non_null(memmem(verdict.shown, verdict.shown_len,
				       "$ /bin/bash -c 'echo hello; false'\nhello\n", 41));
		stream_free(stream);

		stream = judge_file(STREAM_CLAUDE, "claude-ok.jsonl", pieces[i], 0);
		assert_true(verdict.success);
		assert_string_equal(verdict.final_text, "Model final. Exit code 1\nhello");
		assert_string_equal(verdict.session_id, "565f955a-e914-43b0-81d0-0a34eed6fce6");
		assert_int_equal(verdict.input_tokens, 20 + 180 + 2200);
		assert_int_equal(verdict.output_tokens, 68);
		assert_true(verdict.cost_usd > 0.0027 && verdict.cost_usd < 0.0028);
		assert_non_null(memmem(verdict.shown, verdict.shown_len,
				       "$ echo hello; false\nExit code 1\nhello\n", 38));
		stream_free(stream);

		stream = judge_file(STREAM_OPENCODE, "opencode-ok.jsonl", pieces[i], 0);
		assert_true(verdict.success);
		assert_string_equal(verdict.final_text, "Model final. hello\n");
		assert_string_equal(verdict.session_id, "ses_df36b995dffeXbhbvs6scI2PAB");
		assert_int_equal(verdict.input_tokens, 1240);
		assert_int_equal(verdict.output_tokens, 30);
		assert_non_null(
		    memmem(verdict.shown, verdict.shown_len, "$ echo hello; false\nhello\n", 26));
		stream_free(stream);
	}
}

static void test_real_failures(void **state)
{
	struct stream *stream = judge_file(STREAM_CODEX, "codex-401.jsonl", 4096, 1);

	(void)state;
	assert_string_equal(verdict.cause,
			    "codex: unexpected status 401 Unauthorized: the model said 401");
	assert_non_null(stream_trouble(stream));
	stream_free(stream);
	stream = judge_file(STREAM_CLAUDE, "claude-400.jsonl", 4096, 1);
	assert_string_equal(verdict.cause,
			    "claude: API Error: 400 the model said 400 (api error 400)");
	stream_free(stream);
	stream = judge_file(STREAM_OPENCODE, "opencode-401.jsonl", 4096, 1);
	assert_string_equal(verdict.cause,
			    "opencode: APIError: the model said 401 (api error 401)");
	stream_free(stream);
}

#define THREAD "{\"type\":\"thread.started\",\"thread_id\":\"t\"}\n{\"type\":\"turn.started\"}\n"
#define TURN_OK "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}\n"

static void test_codex_rules(void **state)
{
	(void)state;
	fails(STREAM_CODEX, THREAD, 0, "codex: it ended without turn.completed");
	fails(STREAM_CODEX, THREAD TURN_OK, 1, "codex: exit code 1");
	fails(STREAM_CODEX, THREAD TURN_OK "{\"type\":\"turn.started\"}\n", 0,
	      "codex: it ended without turn.completed");
	fails(STREAM_CODEX, THREAD "{\"type\":\"turn.failed\",\"error\":{\"message\":\"no\"}}", 1,
	      "codex: no");
	fails(STREAM_CODEX, THREAD "{\"type\":\"turn.failed\"}", 0, "codex: the turn failed");
	/* A trouble is no failure, unless it is the last that was heard. */
	fails(STREAM_CODEX, THREAD "{\"type\":\"error\",\"message\":\"Reconnecting... 1/5\"}\n", 1,
	      "codex: Reconnecting... 1/5");
	struct stream *stream = judge(
	    STREAM_CODEX, THREAD "{\"type\":\"error\",\"message\":\"Reconnecting\"}\n" TURN_OK,
	    strlen(THREAD TURN_OK) + 42, 4096, 0, 0);
	assert_true(verdict.success);
	assert_null(verdict.final_text);
	stream_free(stream);
}

#define RESULT(fields) "{\"session_id\":\"s\"," fields ",\"type\":\"result\"}\n"
#define GOOD "\"is_error\":false,\"subtype\":\"success\",\"num_turns\":1,\"result\":\"fine\""
#define BAD "\"is_error\":true,\"subtype\":\"success\",\"num_turns\":1,\"result\":\"broke\""

static void test_claude_rules(void **state)
{
	(void)state;
	fails(STREAM_CLAUDE, "{\"type\":\"system\",\"subtype\":\"init\"}\n", 0,
	      "claude: it ended without a result");
	fails(STREAM_CLAUDE, "{\"type\":\"system\",\"subtype\":\"init\"}\n", 143,
	      "claude: exit code 143");
	fails(STREAM_CLAUDE, RESULT(BAD), 0, "claude: broke");
	fails(STREAM_CLAUDE, RESULT(GOOD), 1, "claude: exit code 1");
	fails(
	    STREAM_CLAUDE,
	    RESULT("\"is_error\":false,\"subtype\":\"success\",\"num_turns\":0,\"result\":\"$0\""),
	    0, "claude: it answered without asking the model (0 turns)");
	/* What SIGINT makes of it, with exit code 0. */
	fails(STREAM_CLAUDE,
	      RESULT("\"is_error\":true,\"subtype\":\"error_during_execution\",\"num_turns\":2,"
		     "\"terminal_reason\":\"aborted_tools\""),
	      0, "claude: aborted_tools (error_during_execution)");
	fails(STREAM_CLAUDE, RESULT("\"subtype\":\"success\",\"num_turns\":1"), 0,
	      "claude: it failed"); /* is_error must be told */
	/* The last result counts, either way. */
	fails(STREAM_CLAUDE, RESULT(GOOD) RESULT(BAD), 1, "claude: broke");
	static const char both[] = RESULT(BAD) RESULT(GOOD);
	struct stream *stream = judge(STREAM_CLAUDE, both, strlen(both), 4096, 0, 0);
	assert_true(verdict.success);
	assert_string_equal(verdict.final_text, "fine");
	stream_free(stream);
}

#define STEP(reason, cost)                                                                         \
	"{\"type\":\"step_finish\",\"sessionID\":\"ses_1\",\"part\":{\"reason\":\"" reason         \
	"\",\"cost\":" cost ",\"tokens\":{\"input\":10,\"output\":1}}}\n"
#define TEXT(text) "{\"type\":\"text\",\"sessionID\":\"ses_1\",\"part\":{\"text\":\"" text "\"}}\n"
#define START "{\"type\":\"step_start\",\"sessionID\":\"ses_1\",\"part\":{}}\n"

static void test_opencode_rules(void **state)
{
	(void)state;
	fails(STREAM_OPENCODE, START, 0, "opencode: it ended in the middle of a step");
	fails(STREAM_OPENCODE, START TEXT("x") STEP("length", "0"), 0,
	      "opencode: the model's output limit was reached");
	fails(STREAM_OPENCODE, START STEP("stop", "0"), 0, "opencode: it ended without an answer");
	fails(STREAM_OPENCODE, START STEP("tool-calls", "0"), 0,
	      "opencode: it stopped at a tool call; a permission was probably refused");
	fails(STREAM_OPENCODE, START TEXT("x") STEP("stop", "0") START, 0,
	      "opencode: it ended in the middle of a step");
	fails(STREAM_OPENCODE, START TEXT("x") STEP("stop", "0"), 1, "opencode: exit code 1");
	fails(STREAM_OPENCODE, START STEP("odd", "0"), 0,
	      "opencode: the last step ended with \"odd\"");

	static const char good[] = START TEXT("first") STEP("tool-calls", "0.25") START TEXT("one")
	    TEXT("two") STEP("stop", "0.5");
	struct stream *stream = judge(STREAM_OPENCODE, good, strlen(good), 4096, 0, 0);
	assert_true(verdict.success);
	assert_string_equal(verdict.final_text, "one\n\ntwo");
	assert_int_equal(verdict.input_tokens, 20);
	assert_true(verdict.cost_usd > 0.74 && verdict.cost_usd < 0.76);
	stream_free(stream);
}

static void test_endless_cost(void **state)
{
	static const char text[] = START TEXT("x") STEP("stop", "1e308") STEP("stop", "1e308");
	struct stream *stream = judge(STREAM_OPENCODE, text, strlen(text), 4096, 0, 0);

	(void)state;
	assert_true(verdict.cost_usd > 0.9e308 && verdict.cost_usd < 1.1e308);
	stream_free(stream);
}

static void test_killed(void **state)
{
	struct stream *stream = judge(STREAM_CODEX, THREAD, strlen(THREAD), 4096, -1, 9);

	(void)state;
	assert_false(verdict.success);
	assert_string_equal(verdict.cause, "codex: killed by signal 9 (Killed)");
	stream_free(stream);
}

static void test_other_formats(void **state)
{
	static const char text[] = "  some words\n{\"type\":\"other\"}\nthe \xff end\n\n";

	(void)state;
	for (int kind = STREAM_CODEX; kind <= STREAM_PLAIN; kind++) {
		struct stream *stream = judge((enum stream_kind)kind, text, strlen(text), 5, 0, 0);
		assert_true(verdict.success);
		assert_false(verdict.recognised);
		assert_string_equal(verdict.final_text,
				    "some words\n{\"type\":\"other\"}\nthe \ufffd end");
		assert_null(verdict.shown);
		stream_free(stream);
		stream = judge((enum stream_kind)kind, text, strlen(text), 5, 2, 0);
		assert_false(verdict.success);
		assert_non_null(strstr(verdict.cause, ": exit code 2"));
		stream_free(stream);
	}
}

/* A crash may put words between the lines of the format. */
static void test_words_between_lines_are_shown(void **state)
{
	static const char text[] = THREAD "  thread 'main' panicked\n\n";
	struct stream *stream = judge(STREAM_CODEX, text, strlen(text), 3, 101, 0);

	(void)state;
	assert_true(verdict.recognised);
	assert_int_equal(verdict.shown_len, 25);
	assert_memory_equal(verdict.shown, "  thread 'main' panicked\n", 25);
	stream_free(stream);
}

static void test_plain_keeps_the_end(void **state)
{
	struct stream *stream = stream_new(STREAM_PLAIN);
	char block[1000];

	(void)state;
	memset(block, 'a', sizeof(block));
	for (int i = 0; i < 1000; i++)
		stream_feed(stream, block, sizeof(block));
	stream_feed(stream, "the end", 7);
	stream_judge(stream, 0, 0, &verdict);
	const size_t len = strlen(verdict.final_text);
	assert_true(len <= STREAM_TEXT_MOST + STREAM_TEXT_SLACK);
	assert_string_equal(verdict.final_text + len - 7, "the end");
	stream_free(stream);
}

/* Ten lines of a mebibyte and one of ten: those behind it are read, and nothing piles up. */
static void test_lines_at_the_bound(void **state)
{
	struct stream *stream = stream_new(STREAM_CODEX);
	static const char head[] =
	    "{\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\","
	    "\"text\":\"";
	char *line = malloc(STREAM_LINE_MOST + 2);

	(void)state;
	memset(line, 'x', STREAM_LINE_MOST);
	memcpy(line, head, strlen(head));
	memcpy(line + STREAM_LINE_MOST - 3, "\"}}\n", 4);
	stream_feed(stream, line, STREAM_LINE_MOST + 1); /* just fits */
	stream_judge(stream, 0, 0, &verdict);
	assert_non_null(verdict.final_text);
	assert_true(strlen(verdict.final_text) <= STREAM_TEXT_MOST + STREAM_TEXT_SLACK);

	memcpy(line + STREAM_LINE_MOST - 3, "x\"}}", 4);
	memcpy(line + strlen(head), "SKIPPED", 7);
	stream_feed(stream, line, STREAM_LINE_MOST + 1); /* one byte too many */
	stream_feed(stream, "\n", 1);
	stream_judge(stream, 0, 0, &verdict);
	assert_null(strstr(verdict.final_text, "SKIPPED"));
	stream_feed(stream, TURN_OK, strlen(TURN_OK));
	stream_judge(stream, 0, 0, &verdict);
	assert_true(verdict.success);
	free(line);
	stream_free(stream);
}

static void test_session_that_is_no_id(void **state)
{
	char line[512];
	char id[300];
	static const char *const bad[] = { "", "a b", "a\\nb", "\\u0000x", "\\u00e9", NULL };

	(void)state;
	memset(id, 'i', sizeof(id));
	id[201] = '\0';
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "{\"type\":\"thread.started\",\"thread_id\":\"%s\"}\n",
			 bad[i] ? bad[i] : id);
		struct stream *stream = judge(STREAM_CODEX, line, strlen(line), 4096, 0, 0);
		assert_true(verdict.recognised);
		assert_null(verdict.session_id);
		assert_null(stream_session(stream));
		stream_free(stream);
	}
}

static void test_final_text_with_nul(void **state)
{
	static const char text[] =
	    THREAD "{\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\","
		   "\"text\":\"a\\u0000b\"}}\n" TURN_OK;
	struct stream *stream = judge(STREAM_CODEX, text, strlen(text), 4096, 0, 0);

	(void)state;
	assert_string_equal(verdict.final_text, "ab");
	stream_free(stream);
}

static void test_causes_are_one_short_line(void **state)
{
	char *text = malloc(40000), *at = text;

	(void)state;
	at += sprintf(at, THREAD "{\"type\":\"turn.failed\",\"error\":{\"message\":\"");
	for (int i = 0; i < 1000; i++)
		at += sprintf(at, "\\u001b[31m w\\n\\t\\u0007 ");
	strcpy(at, "\"}}\n");
	struct stream *stream = judge(STREAM_CODEX, text, strlen(text), 4096, 1, 0);
	assert_true(strlen(verdict.cause) < 1100);
	assert_int_equal(strncmp(verdict.cause, "codex: w w w", 12), 0);
	for (const char *c = verdict.cause; *c; c++)
		assert_true((unsigned char)*c >= ' ');
	stream_free(stream);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_real_ones_printed),
		cmocka_unit_test(test_real_failures),
		cmocka_unit_test(test_codex_rules),
		cmocka_unit_test(test_claude_rules),
		cmocka_unit_test(test_opencode_rules),
		cmocka_unit_test(test_endless_cost),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_other_formats),
		cmocka_unit_test(test_words_between_lines_are_shown),
		cmocka_unit_test(test_plain_keeps_the_end),
		cmocka_unit_test(test_lines_at_the_bound),
		cmocka_unit_test(test_session_that_is_no_id),
		cmocka_unit_test(test_final_text_with_nul),
		cmocka_unit_test(test_causes_are_one_short_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
