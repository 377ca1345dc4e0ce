#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

/* Expected values are `date -u -d TEXT +%s`, in milliseconds. */
static const struct {
	const char *text;
	int64_t ms;
} good[] = {
	{ "1970-01-01T00:00:00Z", 0 },
	{ "2026-09-30T08:20:01.123456789+00:00", 1790756401123 },
	{ "2026-09-30T08:20:01.123Z", 1790756401123 },
	{ "2026-09-30T08:20:01Z", 1790756401000 },
	{ "2026-09-30T10:20:01.5+02:00", 1790756401500 },
	{ "2026-09-30T02:50:01.05-05:30", 1790756401050 },
	{ "2026-09-30t08:20:01z", 1790756401000 },
	{ "2026-09-30T08:20:01.9999999Z", 1790756401999 },
	{ "2026-09-30T08:20:01-00:00", 1790756401000 },
	{ "2024-02-29T12:00:00Z", 1709208000000 },
	{ "2000-02-29T00:00:00Z", 951782400000 },
	{ "1969-12-31T23:59:59.250Z", -750 },
	{ "2016-12-31T23:59:60Z", 1483228800000 },
	{ "2026-01-01T00:00:00+23:59", 1767139260000 },
	{ "9999-12-31T23:59:59.999Z", 253402300799999 },
	{ "0000-01-01T00:00:00Z", -62167219200000 },
	{ "0001-03-01T00:00:00Z", -62130499200000 },
};

static const char *const bad[] = {
	"",
	"now",
	"2026-09-30",
	"2026-09-30 08:20:01Z",
	"2026-09-30T08:20:01",
	"2026-09-30T08:20Z",
	"2026-09-30T08:20:01.Z",
	"2026-09-30T08:20:01.1234567890Z",
	"2026-09-30T08:20:01,5Z",
	"2026-09-30T08:20:01Zx",
	"2026-09-30T08:20:01Z ",
	" 2026-09-30T08:20:01Z",
	"2026-13-01T00:00:00Z",
	"2026-00-01T00:00:00Z",
	"2026-02-29T00:00:00Z",
	"2100-02-29T00:00:00Z",
	"2026-04-31T00:00:00Z",
	"2026-09-00T00:00:00Z",
	"2026-09-30T24:00:00Z",
	"2026-09-30T08:60:01Z",
	"2026-09-30T08:20:61Z",
	"2026-09-30T08:20:01+24:00",
	"2026-09-30T08:20:01+00:60",
	"2026-09-30T08:20:01+0000",
	"2026-09-30T08:20:01+00",
	"2026-09-30T08:20:01+",
	"-026-09-30T08:20:01Z",
	"+2026-09-30T08:20:01Z",
	"20260930T082001Z",
	"2026-9-30T08:20:01Z",
	"2026-09-30T08:20:-1Z",
	"1790756401",
	"\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa6-09-30T08:20:01Z",
};

static void test_reads_what_rfc_3339_allows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t ms = 42;

		if (clock_parse(good[i].text, &ms) < 0)
			fail_msg("refused: %s", good[i].text);
		if (ms != good[i].ms)
			fail_msg("%s: %lld, not %lld", good[i].text, (long long)ms,
				 (long long)good[i].ms);
	}
}

static void test_refuses_the_rest_and_leaves_the_output_alone(void **state)
{
	int64_t ms = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (clock_parse(bad[i], &ms) == 0)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(clock_parse(NULL, &ms), -1);
	assert_int_equal(ms, 42);
}

static void test_formats(void **state)
{
	char out[CLOCK_TEXT_SIZE];

	(void)state;
	clock_format(1790756401123, out);
	assert_string_equal(out, "2026-09-30T08:20:01.123Z");
	clock_format(0, out);
	assert_string_equal(out, "1970-01-01T00:00:00.000Z");
	clock_format(-1, out);
	assert_string_equal(out, "1969-12-31T23:59:59.999Z");
	clock_format(-1000, out);
	assert_string_equal(out, "1969-12-31T23:59:59.000Z");
}

static void test_formats_the_ends_of_time(void **state)
{
	char out[CLOCK_TEXT_SIZE];

	(void)state;
	clock_format(INT64_MAX, out);
	assert_string_equal(out, "9999-12-31T23:59:59.999Z");
	clock_format(253402300800000, out);
	assert_string_equal(out, "9999-12-31T23:59:59.999Z");
	clock_format(INT64_MIN, out);
	assert_string_equal(out, "0000-01-01T00:00:00.000Z");
}

static void test_reads_what_it_wrote(void **state)
{
	char out[CLOCK_TEXT_SIZE];
	int64_t back;

	(void)state;
	/* A step without a common divisor with days, months or leap years. */
	for (int64_t ms = -62167219200000; ms <= 253402300799999; ms += 86399999998391 / 1237) {
		clock_format(ms, out);
		assert_int_equal(clock_parse(out, &back), 0);
		assert_true(back == ms);
	}
}

static void test_clocks_run(void **state)
{
	(void)state;
	assert_true(clock_wall() > 1700000000000);
	const int64_t before = clock_mono();

	assert_true(clock_mono() >= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_rfc_3339_allows),
		cmocka_unit_test(test_refuses_the_rest_and_leaves_the_output_alone),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_formats_the_ends_of_time),
		cmocka_unit_test(test_reads_what_it_wrote),
		cmocka_unit_test(test_clocks_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
