#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/redact.h"
#include "base/utf8.h"
#include "pipeline/trouble.h"

static void only_what_turns_turns(void **state)
{
	json_t *list = json_array();

	(void)state;
	assert_false(trouble_turns(list));
	trouble_add(list, "signatures_failing", false, "the last %d", 7);
	assert_false(trouble_turns(list));
	trouble_add(list, "disk_full", true, "full");
	assert_true(trouble_turns(list));
	assert_string_equal(json_str(json_array_get(list, 0), "reason"), "signatures_failing");
	assert_string_equal(json_str(json_array_get(list, 0), "text"), "the last 7");
	json_decref(list);
}

/* A peer's words may be in it. */
static void texts_are_short_clean_and_without_secrets(void **state)
{
	json_t *list = json_array();
	char text[2001];

	(void)state;
	redact_add("s3cret-token");
	memset(text, 'x', sizeof(text));
	memcpy(text + 494, "s3cret-token\xff", 13);
	text[sizeof(text) - 1] = '\0';
	trouble_add(list, "breaker_open", false, "%s", text);
	const char *told = json_str(json_array_get(list, 0), "text");
	assert_non_null(told);
	assert_true(strlen(told) <= 500);
	assert_true(utf8_valid(told, strlen(told)));
	assert_null(strstr(told, "s3c"));
	json_decref(list);
	redact_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_turns_turns),
		cmocka_unit_test(texts_are_short_clean_and_without_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
