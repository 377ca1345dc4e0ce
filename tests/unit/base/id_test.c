#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <time.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"

static void test_is_a_version_7_uuid(void **state)
{
	char id[ID_SIZE];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		id_make(id);
		assert_int_equal(strlen(id), 36);
		assert_true(id_valid(id));
		assert_int_equal(id[14], '7');
		assert_non_null(strchr("89ab", id[19]));
		assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
	}
}

static void test_begins_with_the_wall_clock(void **state)
{
	unsigned long long high, low;
	char id[ID_SIZE];

	(void)state;
	const int64_t before = clock_wall();

	id_make(id);
	const int64_t after = clock_wall();

	assert_int_equal(sscanf(id, "%8llx-%4llx-", &high, &low), 2);
	const int64_t ms = (int64_t)(high << 16 | low);

	assert_true(before <= ms && ms <= after);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void test_ids_differ(void **state)
{
	enum { COUNT = 20000 };
	static char ids[COUNT][ID_SIZE];

	(void)state;
	for (int i = 0; i < COUNT; i++)
		id_make(ids[i]);
	qsort(ids, COUNT, ID_SIZE, compare);
	for (int i = 1; i < COUNT; i++)
		assert_string_not_equal(ids[i - 1], ids[i]);
}

static void test_sorts_by_time(void **state)
{
	char earlier[ID_SIZE], later[ID_SIZE];

	(void)state;
	id_make(earlier);
	const int64_t made = clock_wall();

	while (clock_wall() <= made)
		;
	id_make(later);
	assert_true(strcmp(earlier, later) < 0);
}

static void test_knows_uuids(void **state)
{
	static const char *const bad[] = {
		"",
		"3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5",
		"3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5ff",
		"3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5g",
		"3f7a9c125d4e4b8a9c6f0a1b2c3d4e5f",
		"{3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f}",
		"3f7a9c12_5d4e_4b8a_9c6f_0a1b2c3d4e5f",
		"3f7a9c1-25d4e-4b8a-9c6f-0a1b2c3d4e5f",
		"3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f ",
		"../../../../../../../../../etc/passw",
	};

	(void)state;
	assert_true(id_valid("3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f"));
	assert_true(id_valid("3F7A9C12-5D4E-4B8A-9C6F-0A1B2C3D4E5F"));
	assert_true(id_valid("00000000-0000-0000-0000-000000000000"));
	assert_false(id_valid(NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (id_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

static void test_tells_when_it_was_made(void **state)
{
	char id[ID_SIZE];
	struct timespec now;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &now);
	const int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	id_make(id);
	assert_in_range(id_time(id) - ms, 0, 1000);
	assert_int_equal(id_time("0192d3a4-b5c6-7000-8000-000000000000"), 0x0192d3a4b5c6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_a_version_7_uuid),
		cmocka_unit_test(test_begins_with_the_wall_clock),
		cmocka_unit_test(test_ids_differ),
		cmocka_unit_test(test_sorts_by_time),
		cmocka_unit_test(test_knows_uuids),
		cmocka_unit_test(test_tells_when_it_was_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
