#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tunnel/backoff.h"

static void about(int64_t wait, int64_t step)
{
	assert_in_range(wait, step * 4 / 5, step * 6 / 5);
}

static void it_doubles_to_a_minute(void **state)
{
	struct backoff backoff;

	(void)state;
	backoff_reset(&backoff, 3000);
	for (int64_t step = 3000; step < 60000; step *= 2)
		about(backoff_take(&backoff), step);
	for (int i = 0; i < 100; i++)
		assert_in_range(backoff_take(&backoff), 48000, 60000);
	backoff_reset(&backoff, 3000);
	about(backoff_take(&backoff), 3000);
}

static void what_begins_above_a_minute_stays(void **state)
{
	struct backoff backoff;

	(void)state;
	backoff_reset(&backoff, 3600000);
	for (int i = 0; i < 10; i++)
		assert_in_range(backoff_take(&backoff), 2880000, 3600000);
}

static void hosts_do_not_come_back_together(void **state)
{
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct backoff backoff;

		backoff_reset(&backoff, 10000);
		const int64_t wait = backoff_take(&backoff);

		about(wait, 10000);
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	assert_true(least < 8200 && most > 11800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_doubles_to_a_minute),
		cmocka_unit_test(what_begins_above_a_minute_stays),
		cmocka_unit_test(hosts_do_not_come_back_together),
	};

	return cmocka_run_group_tests_name("tunnel/backoff", tests, NULL, NULL);
}
