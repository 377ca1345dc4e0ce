#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>

#include "base/buf.h"
#include "exec/whitelist.h"

/* A build with OPENPR_WEBHOOK_EXTRA_EXECUTORS has more at the end. */
static void test_the_three(void **state)
{
	static const struct {
		const char *name, *program;
		enum stream_kind stream;
	} expected[] = { { "codex", "codex", STREAM_CODEX },
			 { "claude-code", "claude", STREAM_CLAUDE },
			 { "opencode", "opencode", STREAM_OPENCODE } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct executor *executor = whitelist_at(i);
		assert_ptr_equal(executor, whitelist_find(expected[i].name));
		assert_string_equal(executor->name, expected[i].name);
		assert_string_equal(executor->program, expected[i].program);
		assert_int_equal(executor->stream, expected[i].stream);
		assert_true(executor->stop_signal == SIGINT || executor->stop_signal == SIGTERM);
	}
}

static void test_nothing_else(void **state)
{
	static const char *const names[] = { "",	 "claude",  "Codex", "codex ",
					     "codex\n",	 "/bin/sh", "sh",    "bash",
					     "../codex", "codexx",  "code",  "claude-code2" };

	(void)state;
	assert_null(whitelist_find(NULL));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_null(whitelist_find(names[i]));
	assert_null(whitelist_at(SIZE_MAX));
	for (size_t i = 3; whitelist_at(i); i++)
		assert_int_equal(whitelist_at(i)->stream, STREAM_PLAIN);
}

static void test_words(void **state)
{
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(whitelist_names(&out), 0);
	assert_int_equal(strncmp(out.bytes, "codex, claude-code, opencode", 28), 0);
	buf_clear(&out);
	assert_int_equal(whitelist_print(&out), 0);
	assert_non_null(
	    strstr(out.bytes, "\nclaude-code          claude               claude stream-json\n"));
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_three),
		cmocka_unit_test(test_nothing_else),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
