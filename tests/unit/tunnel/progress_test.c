/* The end of a run's output, as it is told while the run goes on. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/redact.h"
#include "base/utf8.h"
#include "tunnel/progress.h"

static char path[64];

static void write_log(const char *text, size_t len)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void assert_tail(const char *text, const char *expected)
{
	write_log(text, strlen(text));
	char *tail = progress_tail(path);
	if (!expected) {
		assert_null(tail);
		return;
	}
	assert_non_null(tail);
	assert_string_equal(tail, expected);
	free(tail);
}

static void only_whole_lines_are_told(void **state)
{
	(void)state;
	assert_tail("one\ntwo\nthr", "one\ntwo");
	assert_tail("one\n", "one");
	assert_tail("no end", NULL);
	assert_tail("", NULL);
}

static void a_long_log_is_told_by_its_end(void **state)
{
	const size_t size = 200000;
	char *text = malloc(size + 1);

	(void)state;
	for (size_t i = 0; i < size; i++)
		text[i] = i % 50 == 49 ? '\n' : 'a';
	text[size - 2] = 'z';
	text[size] = '\0';
	write_log(text, size);
	char *tail = progress_tail(path);
	assert_int_equal(strlen(tail), PROGRESS_OUTPUT);
	assert_int_equal(tail[PROGRESS_OUTPUT - 1], 'z');
	free(tail);

	/* One line without an end could begin inside of a secret. */
	memset(text, 'a', size);
	write_log(text, size);
	assert_null(progress_tail(path));
	free(text);
}

static void a_secret_is_not_told_in_parts(void **state)
{
	(void)state;
	redact_add("hunter2-hunter2-hunter2");
	assert_tail("key hunter2-hunter2-hunter2 end\nkey hunter2-hun", "key [secret] end");

	/* Cut to what is told after the replacement, never before. */
	char text[PROGRESS_OUTPUT + 64];
	memset(text, 'b', sizeof(text));
	memcpy(text, "hunter2-hunter2-hunter2", 23);
	text[PROGRESS_OUTPUT + 10] = '\n';
	text[PROGRESS_OUTPUT + 11] = '\0';
	write_log(text, strlen(text));
	char *tail = progress_tail(path);
	assert_null(strstr(tail, "hunter2"));
	free(tail);
	redact_clear();
}

static void what_is_told_is_utf8(void **state)
{
	char text[PROGRESS_OUTPUT + 64] = "";

	(void)state;
	for (size_t i = 0; i < PROGRESS_OUTPUT / 3 + 5; i++)
		memcpy(text + 3 * i, "\xe2\x82\xac", 3);
	strcat(text, "\xff\n");
	write_log(text, strlen(text));
	char *tail = progress_tail(path);
	assert_true(utf8_valid(tail, strlen(tail)));
	free(tail);
}

static void what_is_no_file_is_not_read(void **state)
{
	(void)state;
	assert_null(progress_tail("/tmp"));
	assert_null(progress_tail("/dev/zero"));
	assert_null(progress_tail("/nowhere/at/all"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whole_lines_are_told),
		cmocka_unit_test(a_long_log_is_told_by_its_end),
		cmocka_unit_test(a_secret_is_not_told_in_parts),
		cmocka_unit_test(what_is_told_is_utf8),
		cmocka_unit_test(what_is_no_file_is_not_read),
	};

	snprintf(path, sizeof(path), "/tmp/opw-progress-XXXXXX");
	close(mkstemp(path));
	const int rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return rc;
}
