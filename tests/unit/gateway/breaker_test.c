#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "gateway/breaker.h"

#define TARGET "https://hooks.example.com"
#define FAILURES 5

static struct {
	int opened, closed;
} told;

static void hear(void *ctx, const char *target, bool open)
{
	assert_ptr_equal(ctx, &told);
	assert_string_equal(target, TARGET);
	*(open ? &told.opened : &told.closed) += 1;
}

static int setup(void **state)
{
	memset(&told, 0, sizeof(told));
	*state = breakers_new(hear, &told);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	breakers_free(*state);
	return 0;
}

static bool may(struct breakers *breakers, int64_t now, int64_t *wait)
{
	*wait = -1;
	return breakers_ask(breakers, TARGET, now, wait);
}

static void fail_once(struct breakers *breakers, int64_t now)
{
	int64_t wait;

	assert_true(may(breakers, now, &wait));
	breakers_tell(breakers, TARGET, now, true, false);
}

static void open_it(struct breakers *breakers, int64_t now)
{
	for (int i = 0; i < FAILURES; i++)
		fail_once(breakers, now);
}

static size_t reasons(struct breakers *breakers, int64_t now)
{
	json_t *list = breakers_reasons(breakers, now);
	const size_t count = json_array_size(list);

	if (count > 0)
		assert_non_null(strstr(json_string_value(json_array_get(list, 0)), TARGET));
	json_decref(list);
	return count;
}

static void opens_after_repeated_failures_only(void **state)
{
	int64_t wait;

	for (int round = 0; round < 3; round++) {
		for (int i = 1; i < FAILURES; i++)
			fail_once(*state, 100);
		breakers_tell(*state, TARGET, 100, true, true);
	}
	assert_int_equal(told.opened, 0);
	assert_int_equal(reasons(*state, 100), 0);
	open_it(*state, 100);
	assert_int_equal(told.opened, 1);
	assert_int_equal(reasons(*state, 100), 1);
	assert_false(may(*state, 101, &wait));
	assert_in_range(wait, 1, 60000);
}

static void lets_one_try_through_when_its_time_is_over(void **state)
{
	int64_t wait;

	open_it(*state, 0);
	assert_false(may(*state, 1, &wait));
	const int64_t then = 1 + wait;
	assert_true(may(*state, then, &wait));
	assert_false(may(*state, then, &wait));
	assert_false(may(*state, then + 1, &wait));
	breakers_tell(*state, TARGET, then + 2, true, true);
	assert_int_equal(told.closed, 1);
	assert_true(may(*state, then + 3, &wait));
	assert_true(may(*state, then + 3, &wait));
	assert_int_equal(reasons(*state, then + 3), 0);
}

static void stays_open_longer_each_time_up_to_a_bound(void **state)
{
	int64_t now = 0, wait = 0, last = 0;

	open_it(*state, now);
	for (int i = 0; i < 12; i++) {
		assert_false(may(*state, now, &wait));
		assert_true(wait >= last && wait <= 300000);
		last = wait;
		now += wait;
		fail_once(*state, now);
	}
	assert_int_equal(last, 300000);
	assert_int_equal(told.opened, 1);
}

static void a_try_that_was_given_up_is_followed_by_another(void **state)
{
	int64_t wait;

	open_it(*state, 0);
	may(*state, 0, &wait);
	assert_true(may(*state, wait, &wait));
	breakers_tell(*state, TARGET, 400000, false, false);
	assert_true(may(*state, 400001, &wait));
	/* One whose end is never told does not hold it open for ever. */
	assert_false(may(*state, 400002, &wait));
	assert_true(may(*state, 400001 + 1800000, &wait));
}

static void targets_are_told_apart_and_bounded(void **state)
{
	int64_t wait;

	open_it(*state, 0);
	assert_true(breakers_ask(*state, "https://other.example.com", 1, &wait));
	for (int i = 0; i < 2000; i++) {
		char target[64];
		snprintf(target, sizeof(target), "https://h%d.example.com", i);
		assert_true(breakers_ask(*state, target, 1, &wait));
		breakers_tell(*state, target, 1, true, false);
	}
	assert_false(may(*state, 1, &wait)); /* an open one is not forgotten */
	assert_int_equal(reasons(*state, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opens_after_repeated_failures_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lets_one_try_through_when_its_time_is_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(stays_open_longer_each_time_up_to_a_bound, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_try_that_was_given_up_is_followed_by_another,
						setup, teardown),
		cmocka_unit_test_setup_teardown(targets_are_told_apart_and_bounded, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
