/* The text format, byte by byte; tests/integration/metrics_spec.lua reads all of a daemon's. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/exposition.h"

static const struct exposition_label none;

static struct exposition_label label(const char *name, const char *value)
{
	return (struct exposition_label){ name, value };
}

static void test_numbers_and_labels(void **state)
{
	struct exposition out = { 0 };

	(void)state;
	exposition_open(&out, "a_total", EXPOSITION_COUNTER, "What it counts.");
	exposition_number(&out, 7);
	exposition_open(&out, "b", EXPOSITION_GAUGE, "Now.");
	exposition_labelled(&out, label("x", "1"), none, -3);
	exposition_labelled(&out, label("x", "1"), label("y", "2"), INT64_MAX);
	assert_false(out.failed);
	assert_string_equal(out.text.bytes, "# HELP a_total What it counts.\n"
					    "# TYPE a_total counter\n"
					    "a_total 7\n"
					    "# HELP b Now.\n"
					    "# TYPE b gauge\n"
					    "b{x=\"1\"} -3\n"
					    "b{x=\"1\",y=\"2\"} 9223372036854775807\n");
	buf_done(&out.text);
}

static void test_label_values_cannot_break_out(void **state)
{
	struct exposition out = { 0 };

	(void)state;
	exposition_open(&out, "a", EXPOSITION_GAUGE, "h");
	exposition_labelled(&out, label("x", "\"} 1\nb 2\\\r\xff"), none, 0);
	assert_non_null(strstr(out.text.bytes, "a{x=\"\\\"} 1\\nb 2\\\\\r\xef\xbf\xbd\"} 0\n"));
	buf_done(&out.text);
}

static void test_a_long_value_stays_whole(void **state)
{
	struct exposition out = { 0 };
	char value[2001];

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	exposition_open(&out, "a", EXPOSITION_GAUGE, "h");
	exposition_labelled(&out, label("x", value), none, 0);
	assert_non_null(strstr(out.text.bytes, value));
	assert_non_null(strstr(out.text.bytes, "v\"} 0\n"));
	buf_done(&out.text);
}

static void test_buckets_are_cumulative(void **state)
{
	struct exposition out = { 0 };
	struct histogram took = { 0 };

	(void)state;
	histogram_add(&took, 400);
	histogram_add(&took, 500);
	histogram_add(&took, 501);
	histogram_add(&took, 2000000);
	histogram_add(&took, INT64_C(7200000000));
	exposition_open(&out, "took_seconds", EXPOSITION_HISTOGRAM, "h");
	exposition_histogram(&out, label("hook", "render"), &took);
	exposition_histogram(&out, none, &took);
	const char *text = out.text.bytes;
	assert_non_null(strstr(text, "\ntook_seconds_bucket{hook=\"render\",le=\"0.0005\"} 2\n"));
	assert_non_null(strstr(text, "\ntook_seconds_bucket{hook=\"render\",le=\"0.001\"} 3\n"));
	assert_non_null(strstr(text, "\ntook_seconds_bucket{hook=\"render\",le=\"1\"} 3\n"));
	assert_non_null(strstr(text, "\ntook_seconds_bucket{hook=\"render\",le=\"5\"} 4\n"));
	assert_non_null(strstr(text, "\ntook_seconds_bucket{hook=\"render\",le=\"3600\"} 4\n"));
	assert_non_null(strstr(text, "\ntook_seconds_bucket{hook=\"render\",le=\"+Inf\"} 5\n"));
	assert_non_null(strstr(text, "\ntook_seconds_sum{hook=\"render\"} 7202.001401\n"));
	assert_non_null(strstr(text, "\ntook_seconds_count{hook=\"render\"} 5\n"));
	assert_non_null(strstr(text, "\ntook_seconds_bucket{le=\"0.0005\"} 2\n"));
	assert_non_null(strstr(text, "\ntook_seconds_count 5\n"));
	buf_done(&out.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_and_labels),
		cmocka_unit_test(test_label_values_cannot_break_out),
		cmocka_unit_test(test_a_long_value_stays_whole),
		cmocka_unit_test(test_buckets_are_cumulative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
