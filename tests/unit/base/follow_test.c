#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/follow.h"
#include "base/redact.h"
#include "base/utf8.h"

static char folder[64], path[96];

static int setup(void **state)
{
	*state = NULL;
	redact_clear();
	strcpy(folder, "/tmp/opw-follow-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/log", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	redact_clear();
	return rmdir(folder);
}

static void add(const char *bytes, size_t len)
{
	FILE *file = fopen(path, "a");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static struct follow *start(void)
{
	struct err err;
	struct follow *follow = follow_open(path, &err);

	assert_non_null(follow);
	return follow;
}

/* One piece; "" when there is none now. */
static const char *piece(struct follow *follow, bool ended)
{
	static char text[512];
	struct buf out = { 0 };
	struct err err;
	const int rc = follow_read(follow, ended, &out, &err);

	assert_true(rc >= 0);
	assert_int_equal(rc, out.len > 0);
	assert_true(out.len < sizeof(text));
	snprintf(text, sizeof(text), "%s", out.bytes ? out.bytes : "");
	buf_done(&out);
	return text;
}

static void test_gives_what_has_come(void **state)
{
	(void)state;
	add("one\n", 4);
	struct follow *follow = start();
	assert_string_equal(piece(follow, false), "one\n");
	assert_string_equal(piece(follow, false), "");
	add("two", 3);
	assert_string_equal(piece(follow, false), "two");
	assert_string_equal(piece(follow, true), "");
	follow_free(follow);
	follow_free(NULL);
}

static void test_a_secret_across_pieces_waits(void **state)
{
	(void)state;
	redact_add("s3cret-token");
	add("a s3cret", 8);
	struct follow *follow = start();
	assert_string_equal(piece(follow, false), "a ");
	assert_string_equal(piece(follow, false), "");
	add("-token b s3c", 12);
	assert_string_equal(piece(follow, false), "[secret] b ");
	add("o", 1); /* it was none */
	assert_string_equal(piece(follow, false), "s3co");
	add("s3cret", 6);
	assert_string_equal(piece(follow, false), "");
	assert_string_equal(piece(follow, true), "s3cret");
	follow_free(follow);
}

/* What one secret ends with, another begins with. */
static void test_a_secret_that_runs_into_another_waits_whole(void **state)
{
	(void)state;
	redact_add("abcdef");
	redact_add("efghij");
	add("x abcdef", 8);
	struct follow *follow = start();
	assert_string_equal(piece(follow, false), "x ");
	add("ghij y", 6);
	assert_string_equal(piece(follow, false), "[secret] y");
	follow_free(follow);
}

static void test_characters_stay_whole(void **state)
{
	(void)state;
	add("a\xe2\x82", 3);
	struct follow *follow = start();
	assert_string_equal(piece(follow, false), "a");
	add("\xac \xff \xf0\x9f", 6);
	assert_string_equal(piece(follow, false), "\xe2\x82\xac \xef\xbf\xbd ");
	assert_string_equal(piece(follow, true), "\xef\xbf\xbd\xef\xbf\xbd");
	follow_free(follow);
}

/* A secret that overlaps itself without end would never be ready. */
static void test_nothing_is_kept_back_for_ever(void **state)
{
	static char all[400000];
	struct buf out = { 0 };
	struct err err;

	(void)state;
	redact_add("aaaa");
	memset(all, 'a', sizeof(all));
	add(all, sizeof(all));
	struct follow *follow = start();
	while (follow_read(follow, true, &out, &err) > 0)
		;
	assert_true(out.len > 0 && out.len < 100);
	assert_null(strstr(out.bytes, "aaaa"));
	buf_done(&out);
	follow_free(follow);
}

static void test_what_is_no_file(void **state)
{
	char link[128];
	struct err err;

	(void)state;
	assert_null(follow_open(path, &err));
	assert_int_equal(err.code, ERR_NOTFOUND);
	assert_null(follow_open(folder, &err));
	assert_int_equal(err.code, ERR_IO);
	snprintf(link, sizeof(link), "%s/link", folder);
	add("x", 1);
	assert_int_equal(symlink(path, link), 0);
	assert_null(follow_open(link, &err));
	unlink(link);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_gives_what_has_come),
		CASE(test_a_secret_across_pieces_waits),
		CASE(test_a_secret_that_runs_into_another_waits_whole),
		CASE(test_characters_stay_whole),
		CASE(test_nothing_is_kept_back_for_ever),
		CASE(test_what_is_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
