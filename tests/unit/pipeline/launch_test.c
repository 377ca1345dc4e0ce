#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/launch.h"

static void one_directory_inside_another_overlaps(void **state)
{
	(void)state;
	assert_true(launch_overlap("/srv/a", "/srv/a"));
	assert_true(launch_overlap("/srv/a", "/srv/a/b"));
	assert_true(launch_overlap("/srv/a/b", "/srv/a"));
	assert_true(launch_overlap("/", "/srv/a"));
	assert_true(launch_overlap("/srv/a", "/"));
}

static void neighbours_do_not(void **state)
{
	(void)state;
	assert_false(launch_overlap("/srv/a", "/srv/ab"));
	assert_false(launch_overlap("/srv/ab", "/srv/a"));
	assert_false(launch_overlap("/srv/a", "/srv/b"));
	assert_false(launch_overlap("/srv/a/x", "/srv/b/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_directory_inside_another_overlaps),
		cmocka_unit_test(neighbours_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
