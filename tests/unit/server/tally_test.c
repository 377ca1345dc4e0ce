#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/tally.h"

/* What is written to stderr meanwhile; the caller frees. */
static char *log_of(void (*act)(struct tally *), struct tally *tally)
{
	FILE *file = tmpfile();
	const int before = dup(STDERR_FILENO);

	assert_non_null(file);
	fflush(stderr);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	act(tally);
	fflush(stderr);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	close(before);
	const off_t len = lseek(fileno(file), 0, SEEK_END);
	char *text = calloc(1, (size_t)len + 1);
	assert_int_equal(pread(fileno(file), text, (size_t)len, 0), len);
	fclose(file);
	return text;
}

static size_t lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void flood(struct tally *tally)
{
	char peer[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(peer, sizeof(peer), "192.0.2.1:%d", i);
		tally_refusal(tally, REFUSED_BAD_SIGNATURE, peer, 5000 + i);
	}
}

static void flush_early(struct tally *tally)
{
	tally_flush(tally, 5000 + 59999);
}

static void flush_due(struct tally *tally)
{
	tally_flush(tally, 5000 + 60000);
}

static void again_later(struct tally *tally)
{
	tally_refusal(tally, REFUSED_BAD_SIGNATURE, "192.0.2.9:1", 5000 + 120000);
}

static void another_reason(struct tally *tally)
{
	tally_refusal(tally, REFUSED_NOT_FOUND, "192.0.2.7:1", 5000);
}

static void test_a_flood_is_two_lines_a_minute(void **state)
{
	struct tally *tally = tally_new();
	char *text;

	(void)state;
	text = log_of(flood, tally);
	assert_int_equal(lines(text), 1);
	assert_non_null(strstr(text, "bad_signature"));
	assert_non_null(strstr(text, "192.0.2.1:0"));
	free(text);
	text = log_of(flush_early, tally);
	assert_int_equal(lines(text), 0);
	free(text);
	text = log_of(flush_due, tally);
	assert_int_equal(lines(text), 1);
	assert_non_null(strstr(text, "times=999"));
	assert_non_null(strstr(text, "192.0.2.1:999"));
	free(text);
	/* Told: quiet until the minute is over, then at once again. */
	text = log_of(again_later, tally);
	assert_int_equal(lines(text), 1);
	assert_non_null(strstr(text, "192.0.2.9:1"));
	free(text);
	text = log_of(another_reason, tally);
	assert_int_equal(lines(text), 1);
	assert_non_null(strstr(text, "not_found"));
	free(text);
	tally_free(tally);
	tally_free(NULL);
}

static void test_what_is_untold_is_told_at_the_end(void **state)
{
	struct tally *tally = tally_new();

	(void)state;
	free(log_of(flood, tally));
	char *text = log_of(tally_free, tally);
	assert_int_equal(lines(text), 1);
	assert_non_null(strstr(text, "times=999"));
	free(text);
}

static void test_counts(void **state)
{
	struct tally *tally = tally_new();

	(void)state;
	free(log_of(flood, tally));
	tally_connection(tally);
	tally_request(tally);
	tally_request(tally);
	json_t *counts = tally_json(tally);
	assert_int_equal(json_int(counts, "connections", -1), 1);
	assert_int_equal(json_int(counts, "requests", -1), 2);
	assert_int_equal(json_int(counts, "rejected.bad_signature", -1), 1000);
	assert_int_equal(json_int(counts, "rejected.bad_head", -1), 0);
	assert_int_equal(json_int(counts, "rejected.too_large", -1), 0);
	assert_int_equal(json_int(counts, "rejected.no_signature", -1), 0);
	assert_int_equal(json_int(counts, "rejected.bad_method", -1), 0);
	assert_int_equal(json_int(counts, "rejected.not_found", -1), 0);
	assert_int_equal(json_int(counts, "rejected.timeout", -1), 0);
	assert_int_equal(json_int(counts, "rejected.too_many_connections", -1), 0);
	assert_int_equal(json_int(counts, "rejected.unverified_bytes", -1), 0);
	json_decref(counts);
	free(log_of(tally_free, tally));
}

static void test_wrong_signatures_in_a_row_are_news_for_a_while(void **state)
{
	struct tally *tally = tally_new();

	(void)state;
	assert_int_equal(tally_wrong_signatures(tally, 1000), 0);
	for (int i = 0; i < 7; i++)
		tally_refusal(tally, REFUSED_BAD_SIGNATURE, "p", 1000);
	tally_refusal(tally, REFUSED_NO_SIGNATURE, "p", 1000);
	assert_int_equal(tally_wrong_signatures(tally, 1000 + 599999), 7);
	assert_int_equal(tally_wrong_signatures(tally, 1000 + 600000), 0);
	tally_verified(tally);
	assert_int_equal(tally_wrong_signatures(tally, 1000), 0);
	tally_refusal(tally, REFUSED_BAD_SIGNATURE, "p", 2000);
	assert_int_equal(tally_wrong_signatures(tally, 2000), 1);
	tally_free(tally);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_flood_is_two_lines_a_minute),
		cmocka_unit_test(test_what_is_untold_is_told_at_the_end),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_wrong_signatures_in_a_row_are_news_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
