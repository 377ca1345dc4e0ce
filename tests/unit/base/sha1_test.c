#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sha1.h"

static void it_is_that_of_fips_180(void **state)
{
	static const unsigned char of_abc[SHA1_SIZE] = { 0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81,
							 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50,
							 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d };
	static const unsigned char of_nothing[SHA1_SIZE] = { 0xda, 0x39, 0xa3, 0xee, 0x5e,
							     0x6b, 0x4b, 0x0d, 0x32, 0x55,
							     0xbf, 0xef, 0x95, 0x60, 0x18,
							     0x90, 0xaf, 0xd8, 0x07, 0x09 };
	unsigned char sum[SHA1_SIZE];
	struct err err;

	(void)state;
	assert_int_equal(sha1("abc", 3, sum, &err), 0);
	assert_memory_equal(sum, of_abc, SHA1_SIZE);
	assert_int_equal(sha1("", 0, sum, &err), 0);
	assert_memory_equal(sum, of_nothing, SHA1_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(it_is_that_of_fips_180) };

	return cmocka_run_group_tests_name("base/sha1", tests, NULL, NULL);
}
