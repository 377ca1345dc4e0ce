#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/redact.h"

static int forget(void **state)
{
	(void)state;
	redact_clear();
	return 0;
}

static void gives(const char *text, const char *expected)
{
	size_t len;
	char *out = redact(text, strlen(text), &len);

	assert_non_null(out);
	assert_string_equal(out, expected);
	assert_int_equal(len, strlen(expected));
	free(out);
}

static void test_knows_nothing_at_first(void **state)
{
	(void)state;
	gives("anything", "anything");
	gives("", "");
}

static void test_replaces_every_occurrence(void **state)
{
	(void)state;
	redact_add("hunter22");
	gives("hunter22", "[secret]");
	gives("a hunter22 b hunter22", "a [secret] b [secret]");
	gives("hunter2", "hunter2");
	gives("hunter2hunter22", "hunter2[secret]");
	gives("hhunter22", "h[secret]");
}

static void test_the_longer_one_wins(void **state)
{
	(void)state;
	redact_add("token");
	redact_add("token-of-ours");
	redact_add("token-of");
	gives("token-of-ours token-of token", "[secret] [secret] [secret]");
}

static void test_overlapping_secrets_leave_no_rest(void **state)
{
	(void)state;
	redact_add("abcdef");
	redact_add("defghijk");
	gives("-abcdefghijk-", "-[secret]-");
	redact_add("ijklm");
	gives("-abcdefghijklm-", "-[secret]-");
	/* A chain in which each one overlaps the next, at every place. */
	redact_add("aaaa");
	gives("xaaaaaaaaay", "x[secret]y");
}

static void test_short_and_missing_values_are_ignored(void **state)
{
	(void)state;
	redact_add(NULL);
	redact_add("");
	redact_add("abc");
	gives("abc", "abc");
	redact_add("abcd");
	gives("abcd", "[secret]");
}

/* What a JSON writer makes of the secret is hidden too, whichever writer it was. */
static void test_the_json_form_is_known(void **state)
{
	const char secret[] = "a/b\"c\\d\n\x01 \xc3\xa9";

	(void)state;
	redact_add(secret);
	json_t *value = json_pack("{s:s}", "token", secret);
	char *text = json_text(value);

	gives(text, "{\"token\":\"[secret]\"}");
	free(text);
	text = json_dumps(value, JSON_COMPACT | JSON_ESCAPE_SLASH);
	gives(text, "{\"token\":\"[secret]\"}");
	free(text);
	json_decref(value);
}

static void test_bytes_around_a_nul_are_seen(void **state)
{
	size_t len;

	(void)state;
	redact_add("hunter22");
	char *out = redact("a\0hunter22\0b", 12, &len);

	assert_int_equal(len, 12);
	assert_memory_equal(out, "a\0[secret]\0b", 13);
	free(out);
	/* A secret cut by the end of the text is not read beyond it. */
	out = redact("hunter22", 7, NULL);
	assert_string_equal(out, "hunter2");
	free(out);
}

static void test_adding_twice_is_adding_once(void **state)
{
	(void)state;
	for (int i = 0; i < 10000; i++)
		redact_add("the same secret");
	gives("the same secret", "[secret]");
	redact_clear();
	gives("the same secret", "the same secret");
}

static void test_a_large_hostile_text_is_linear_enough(void **state)
{
	struct buf text = { 0 };
	char secret[257];

	(void)state;
	memset(secret, 'a', 256);
	secret[255] = 'b';
	secret[256] = '\0';
	redact_add(secret);
	for (int i = 0; i < 1 << 20; i++)
		buf_append(&text, "a", 1);
	buf_append(&text, "b", 1);
	char *out = redact(text.bytes, text.len, NULL);

	assert_int_equal(strlen(out), (1 << 20) - 255 + strlen("[secret]"));
	free(out);
	buf_done(&text);
}

static void *use(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		redact_add("of a thread");
		char *out = redact("of a thread", 11, NULL);

		free(out);
		if (i % 100 == 0)
			redact_clear();
	}
	return NULL;
}

static void test_threads_may_share_it(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	redact_add("of a thread");
	gives("of a thread", "[secret]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_knows_nothing_at_first, forget),
		cmocka_unit_test_setup(test_replaces_every_occurrence, forget),
		cmocka_unit_test_setup(test_the_longer_one_wins, forget),
		cmocka_unit_test_setup(test_overlapping_secrets_leave_no_rest, forget),
		cmocka_unit_test_setup(test_short_and_missing_values_are_ignored, forget),
		cmocka_unit_test_setup(test_the_json_form_is_known, forget),
		cmocka_unit_test_setup(test_bytes_around_a_nul_are_seen, forget),
		cmocka_unit_test_setup(test_adding_twice_is_adding_once, forget),
		cmocka_unit_test_setup(test_a_large_hostile_text_is_linear_enough, forget),
		cmocka_unit_test_setup(test_threads_may_share_it, forget),
	};

	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	redact_clear();
	return failed;
}
