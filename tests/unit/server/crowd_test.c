#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/crowd.h"

static int woken[3], woken_all;

static void on_wake(void *ctx, int loop)
{
	assert_ptr_equal(ctx, woken);
	if (loop == CROWD_ALL_LOOPS)
		woken_all++;
	else
		woken[loop]++;
}

static struct crowd *crowd_of(size_t members, size_t held)
{
	woken[0] = woken[1] = woken[2] = woken_all = 0;
	struct crowd *crowd = crowd_new(members, held, on_wake, woken);
	assert_non_null(crowd);
	return crowd;
}

static void enter(struct crowd *crowd, struct crowd_member *member, int loop, int64_t now)
{
	assert_true(crowd_reserve(crowd));
	crowd_enter(crowd, member, loop, now);
}

static void test_gives_no_more_places_than_there_are(void **state)
{
	struct crowd *crowd = crowd_of(2, 100);
	struct crowd_member a, b;

	(void)state;
	enter(crowd, &a, 0, 1);
	assert_false(crowd_full(crowd));
	assert_true(crowd_reserve(crowd));
	assert_true(crowd_full(crowd));
	assert_false(crowd_reserve(crowd));
	crowd_release(crowd);
	assert_int_equal(woken_all, 1); /* it had been asked for */
	enter(crowd, &b, 0, 2);
	crowd_leave(crowd, &a);
	assert_int_equal(woken_all, 1); /* nobody waits */
	crowd_leave(crowd, &b);
	crowd_free(crowd);
	crowd_free(NULL);
}

static void test_chooses_the_one_incomplete_longest(void **state)
{
	struct crowd *crowd = crowd_of(4, 100);
	struct crowd_member a, b, c, d;

	(void)state;
	assert_int_equal(crowd_doom_oldest(crowd, 0), -1);
	enter(crowd, &a, 0, 10);
	enter(crowd, &b, 1, 5);
	enter(crowd, &c, 2, 7);
	enter(crowd, &d, 0, 1);
	atomic_store(&d.since, CROWD_BUSY);
	assert_int_equal(crowd_doom_oldest(crowd, 0), 1);
	assert_int_equal(atomic_load(&b.doom), CROWD_OLDEST);
	assert_int_equal(woken[1], 1);
	assert_int_equal(crowd_doom_oldest(crowd, 2), 2);
	assert_int_equal(woken[2], 0); /* the caller knows */
	assert_int_equal(crowd_doom_oldest(crowd, 0), 0);
	assert_int_equal(atomic_load(&a.doom), CROWD_OLDEST);
	/* The rest is busy: nobody to close. */
	assert_int_equal(crowd_doom_oldest(crowd, 0), -1);
	assert_int_equal(atomic_load(&d.doom), CROWD_SPARED);
	crowd_leave(crowd, &c);
	crowd_leave(crowd, &a);
	crowd_leave(crowd, &d);
	crowd_leave(crowd, &b);
	crowd_free(crowd);
}

static void test_of_the_same_age_the_first_goes(void **state)
{
	struct crowd *crowd = crowd_of(3, 100);
	struct crowd_member members[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		enter(crowd, &members[i], i, 7);
	for (int i = 0; i < 3; i++)
		assert_int_equal(crowd_doom_oldest(crowd, 0), i);
	assert_int_equal(crowd_doom_oldest(crowd, 0), -1);
	for (int i = 0; i < 3; i++)
		crowd_leave(crowd, &members[i]);
	crowd_free(crowd);
}

static void test_chooses_the_one_that_holds_most(void **state)
{
	struct crowd *crowd = crowd_of(4, 100);
	struct crowd_member a, b, c;

	(void)state;
	enter(crowd, &a, 0, 1);
	enter(crowd, &b, 1, 2);
	enter(crowd, &c, 1, 3);
	assert_int_equal(crowd_doom_heaviest(crowd, 0), -1);
	crowd_hold(crowd, &a, 40);
	crowd_hold(crowd, &b, 50);
	crowd_hold(crowd, &c, 10);
	assert_false(crowd_over(crowd));
	crowd_hold(crowd, &c, 11);
	assert_true(crowd_over(crowd));
	assert_int_equal(crowd_doom_heaviest(crowd, 0), 1);
	assert_int_equal(atomic_load(&b.doom), CROWD_HEAVIEST);
	assert_int_equal(woken[1], 1);
	/* What it held counts no longer, also when it leaves. */
	assert_false(crowd_over(crowd));
	crowd_leave(crowd, &b);
	crowd_hold(crowd, &a, 89);
	assert_false(crowd_over(crowd));
	crowd_hold(crowd, &a, 90);
	assert_true(crowd_over(crowd));
	crowd_hold(crowd, &a, 0);
	assert_false(crowd_over(crowd));
	crowd_leave(crowd, &a);
	crowd_hold(crowd, &c, 100);
	assert_false(crowd_over(crowd));
	crowd_leave(crowd, &c);
	crowd_free(crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gives_no_more_places_than_there_are),
		cmocka_unit_test(test_chooses_the_one_incomplete_longest),
		cmocka_unit_test(test_of_the_same_age_the_first_goes),
		cmocka_unit_test(test_chooses_the_one_that_holds_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
