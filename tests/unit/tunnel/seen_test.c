#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tunnel/seen.h"

static struct seen *seen;

static int start(void **state)
{
	struct err err;

	(void)state;
	seen = seen_new(&err);
	return seen ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	seen_free(seen);
	return 0;
}

static enum seen_answer add(int number, int64_t ts)
{
	char id[32];
	struct err err;

	snprintf(id, sizeof(id), "id-%d", number);
	return seen_add(seen, id, ts, &err);
}

static void nothing_passes_twice(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(add(i, 100), SEEN_NEW);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(add(i, 100), SEEN_BEFORE);
	assert_int_equal(add(5, 200), SEEN_BEFORE);
}

/* More than are remembered: each that is old passes neither as new nor at all. */
static void a_flood_lets_nothing_pass_again(void **state)
{
	const int many = SEEN_MOST * 3;

	(void)state;
	for (int i = 0; i < many; i++)
		assert_int_equal(add(i, 1000 + i), SEEN_NEW);
	for (int i = 0; i < many; i++)
		assert_int_not_equal(add(i, 1000 + i), SEEN_NEW);
	for (int i = many - SEEN_MOST / 2; i < many; i++)
		assert_int_equal(add(i, 1000 + i), SEEN_BEFORE);
	assert_int_equal(add(0, 1000), SEEN_TOO_OLD);
	assert_int_equal(add(many, 1000 + many), SEEN_NEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_passes_twice, start, stop),
		cmocka_unit_test_setup_teardown(a_flood_lets_nothing_pass_again, start, stop),
	};

	return cmocka_run_group_tests_name("tunnel/seen", tests, NULL, NULL);
}
