#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/news.h"

static void add(struct news *news, int n)
{
	news_add(news, "run", json_pack("{s:i}", "n", n));
}

static void told_in_order(void **state)
{
	struct news *news = news_new();
	const char *kind = NULL;
	char *text = NULL;
	uint64_t at = news_last(news);

	(void)state;
	assert_int_equal(at, 0);
	assert_int_equal(news_next(news, &at, &kind, &text), NEWS_NONE);
	add(news, 1);
	add(news, 2);
	for (int n = 1; n <= 2; n++) {
		assert_int_equal(news_next(news, &at, &kind, &text), NEWS_FOUND);
		assert_int_equal(at, n);
		assert_string_equal(kind, "run");
		assert_string_equal(text, n == 1 ? "{\"n\":1}" : "{\"n\":2}");
		free(text);
	}
	assert_int_equal(news_next(news, &at, &kind, &text), NEWS_NONE);
	assert_int_equal(at, 2);
	assert_int_equal(strlen(news_name(news)), 8);
	news_add(news, "run", NULL); /* no memory for it: nothing */
	assert_int_equal(news_last(news), 2);
	news_free(news);
	news_free(NULL);
}

static void who_is_slow_loses_some_and_knows(void **state)
{
	struct news *news = news_new();
	const char *kind = NULL;
	char *text = NULL;
	uint64_t at = 0, early = 1;

	(void)state;
	for (int n = 1; n <= NEWS_KEPT + 1; n++)
		add(news, n);
	assert_int_equal(news_next(news, &at, &kind, &text), NEWS_LOST);
	assert_int_equal(at, NEWS_KEPT + 1);
	assert_int_equal(news_next(news, &early, &kind, &text), NEWS_FOUND);
	assert_string_equal(text, "{\"n\":2}");
	free(text);
	at = 1000000; /* of another daemon */
	assert_int_equal(news_next(news, &at, &kind, &text), NEWS_LOST);
	assert_int_equal(news_next(news, &at, &kind, &text), NEWS_NONE);
	news_free(news);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_in_order),
		cmocka_unit_test(who_is_slow_loses_some_and_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
