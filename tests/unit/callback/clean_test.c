#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/redact.h"
#include "base/utf8.h"
#include "callback/clean.h"

static void expect_text(const char *text, size_t len, bool no_mentions, const char *expected)
{
	char *clean = clean_text(text, len, no_mentions);

	assert_string_equal(clean, expected);
	assert_true(utf8_valid(clean, strlen(clean)));
	free(clean);
}

#define EXPECT(text, no_mentions, expected)                                                        \
	expect_text(text, sizeof(text) - 1, no_mentions, expected)

static void leaves_good_text_alone(void **state)
{
	(void)state;
	EXPECT("", false, "");
	EXPECT("caf\xc3\xa9 @ann\n\ttab", false, "caf\xc3\xa9 @ann\n\ttab");
	EXPECT("no at", true, "no at");
}

static void drops_nul_and_repairs_utf8(void **state)
{
	(void)state;
	EXPECT("a\0b", false, "ab");
	EXPECT("\0\0", false, "");
	EXPECT("bad \xff\xc3( end\xe2\x82", false,
	       "bad \xef\xbf\xbd\xef\xbf\xbd( end\xef\xbf\xbd\xef\xbf\xbd");
}

static void hides_secrets(void **state)
{
	(void)state;
	redact_add("opr_abcdef");
	redact_add("p@ssword");
	EXPECT("token opr_abcdef!", false, "token [secret]!");
	/* Dropping the NUL makes it whole. */
	EXPECT("opr_\0abcdef", false, "[secret]");
	EXPECT("p@ssword", true, "[secret]");
	redact_clear();
}

static void mentions_nobody(void **state)
{
	(void)state;
	EXPECT("@", true, "\xef\xbc\xa0");
	EXPECT("@ann, joe@example.com @@x", true,
	       "\xef\xbc\xa0"
	       "ann, joe\xef\xbc\xa0"
	       "example.com \xef\xbc\xa0\xef\xbc\xa0x");
	EXPECT("@\0property", true,
	       "\xef\xbc\xa0"
	       "property");
	EXPECT("\n@staticmethod\ndef f", true,
	       "\n\xef\xbc\xa0"
	       "staticmethod\ndef f");
}

static void cleans_json_at_every_depth(void **state)
{
	struct err err;
	const char *text = "{\"summary\":\"a\\u0000b opr_abcdef\",\"opr_abcdef\":[\"@x\",{\"k\":"
			   "\"opr_abcd\\u0000ef\"},1,true,null],\"n\":9007199254740993}";
	json_t *value = json_parse(text, strlen(text), &err);

	(void)state;
	redact_add("opr_abcdef");
	json_t *clean = clean_json(value);
	json_t *expected =
	    json_pack("{s:s, s:[s, {s:s}, i, b, n], s:I}", "summary", "ab [secret]", "[secret]",
		      "@x", "k", "[secret]", 1, 1, "n", (json_int_t)9007199254740993);
	assert_true(json_equal(clean, expected));
	json_decref(value);
	json_decref(clean);
	json_decref(expected);
	redact_clear();
}

static void an_id_cannot_change_a_path(void **state)
{
	static const char *const good[] = { "a1b2c3d4-1111-4222-8333-444455556666", "42", "A_b-9" };
	static const char *const bad[] = { "",	    "../x", "a/b", "a?b", "a#b",      "..",  ".",
					   "a%2fb", "a b",  "a\n", "a;b", "\xc3\xa9", "a.b", "@" };
	char longest[CLEAN_ID_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(clean_id(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(clean_id(bad[i]));
	assert_false(clean_id(NULL));
	memset(longest, 'a', sizeof(longest));
	longest[CLEAN_ID_SIZE] = '\0';
	assert_false(clean_id(longest));
	longest[CLEAN_ID_SIZE - 1] = '\0';
	assert_true(clean_id(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_good_text_alone),
		cmocka_unit_test(drops_nul_and_repairs_utf8),
		cmocka_unit_test(hides_secrets),
		cmocka_unit_test(mentions_nobody),
		cmocka_unit_test(cleans_json_at_every_depth),
		cmocka_unit_test(an_id_cannot_change_a_path),
	};

	return cmocka_run_group_tests_name("callback/clean", tests, NULL, NULL);
}
