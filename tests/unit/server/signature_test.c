#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client.h"
#include "server/signature.h"

static char new_secret[] = "new", old_secret[] = "old";
static char *secrets[] = { new_secret, old_secret };
static const char body[] = "{\"event\":\"issue.assigned\"}";

struct fixture {
	struct signature *signature;
	char good[72], old[72], other[72];
};

static int setup(void **state)
{
	static struct fixture fixture;
	const struct config config = { .webhook = { .secrets = secrets, .secret_count = 2 } };
	struct err err;

	fixture.signature = signature_new(&config, &err);
	assert_non_null(fixture.signature);
	client_sign("new", body, sizeof(body) - 1, fixture.good);
	client_sign("old", body, sizeof(body) - 1, fixture.old);
	client_sign("stranger's", body, sizeof(body) - 1, fixture.other);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	signature_free(((struct fixture *)*state)->signature);
	signature_free(NULL);
	return 0;
}

static enum signature_verdict verify(struct fixture *fixture, size_t count, ...)
{
	struct signature_value values[16];
	va_list args;

	va_start(args, count);
	for (size_t i = 0; i < count; i++) {
		const char *text = va_arg(args, const char *);
		values[i] = (struct signature_value){ text, strlen(text) };
	}
	va_end(args);
	return signature_verify(fixture->signature, body, sizeof(body) - 1, values, count);
}

static void test_takes_every_secret_and_spelling(void **state)
{
	struct fixture *fixture = *state;
	char upper[72];

	assert_int_equal(verify(fixture, 1, fixture->good), SIGNATURE_GOOD);
	assert_int_equal(verify(fixture, 1, fixture->old), SIGNATURE_GOOD);
	assert_int_equal(verify(fixture, 1, fixture->good + 7), SIGNATURE_GOOD);
	strcpy(upper, fixture->good);
	for (char *c = upper + 7; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	assert_int_equal(verify(fixture, 1, upper), SIGNATURE_GOOD);
	assert_int_equal(verify(fixture, 1, upper + 7), SIGNATURE_GOOD);
}

static void test_refuses_everything_else(void **state)
{
	struct fixture *fixture = *state;
	char bad[80];

	assert_int_equal(verify(fixture, 0), SIGNATURE_MISSING);
	assert_int_equal(verify(fixture, 1, ""), SIGNATURE_MALFORMED);
	assert_int_equal(verify(fixture, 1, "sha256="), SIGNATURE_MALFORMED);
	assert_int_equal(verify(fixture, 1, fixture->other), SIGNATURE_WRONG);
	strcpy(bad, fixture->good);
	bad[70] = bad[70] == '0' ? '1' : '0';
	assert_int_equal(verify(fixture, 1, bad), SIGNATURE_WRONG);
	strcpy(bad, fixture->good);
	bad[70] = '\0';
	assert_int_equal(verify(fixture, 1, bad), SIGNATURE_MALFORMED);
	strcpy(bad, fixture->good);
	strcat(bad, "0");
	assert_int_equal(verify(fixture, 1, bad), SIGNATURE_MALFORMED);
	strcpy(bad, fixture->good);
	bad[9] = 'g';
	assert_int_equal(verify(fixture, 1, bad), SIGNATURE_MALFORMED);
	strcpy(bad, "sha512=");
	strcat(bad, fixture->good + 7);
	assert_int_equal(verify(fixture, 1, bad), SIGNATURE_MALFORMED);
}

static void test_every_bit_of_it_counts(void **state)
{
	struct fixture *fixture = *state;
	static const char digits[] = "0123456789abcdef";
	char bad[72];

	for (int at = 7; at < 71; at++)
		for (int bit = 0; bit < 4; bit++) {
			strcpy(bad, fixture->good);
			const int digit = (int)(strchr(digits, bad[at]) - digits);
			bad[at] = digits[digit ^ 1 << bit];
			assert_int_equal(verify(fixture, 1, bad), SIGNATURE_WRONG);
		}
}

static void test_covers_every_byte_of_the_body(void **state)
{
	struct fixture *fixture = *state;
	const struct signature_value value = { fixture->good, strlen(fixture->good) };
	char changed[sizeof(body)];

	for (size_t i = 0; i < sizeof(body) - 1; i++) {
		memcpy(changed, body, sizeof(body));
		changed[i] ^= 1;
		assert_int_equal(
		    signature_verify(fixture->signature, changed, sizeof(body) - 1, &value, 1),
		    SIGNATURE_WRONG);
	}
	assert_int_equal(signature_verify(fixture->signature, body, sizeof(body) - 2, &value, 1),
			 SIGNATURE_WRONG);
	assert_int_equal(signature_verify(fixture->signature, body, sizeof(body), &value, 1),
			 SIGNATURE_WRONG);
}

static void test_any_of_several_values_will_do(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(verify(fixture, 2, fixture->other, fixture->good), SIGNATURE_GOOD);
	assert_int_equal(verify(fixture, 2, fixture->good, fixture->other), SIGNATURE_GOOD);
	assert_int_equal(verify(fixture, 2, "nonsense", fixture->old), SIGNATURE_GOOD);
	assert_int_equal(verify(fixture, 2, "nonsense", fixture->other), SIGNATURE_WRONG);
	assert_int_equal(verify(fixture, 2, "nonsense", ""), SIGNATURE_MALFORMED);
	assert_int_equal(verify(fixture, 8, "", "", "", "", "", "", "", fixture->good),
			 SIGNATURE_GOOD);
	/* More than anybody needs is not looked at, good or not. */
	assert_int_equal(verify(fixture, 9, fixture->good, "", "", "", "", "", "", "", ""),
			 SIGNATURE_MALFORMED);
}

static void test_without_secrets_nothing_is_good(void **state)
{
	struct fixture *fixture = *state;
	const struct config config = { .webhook = { .secret_count = 0 } };
	const struct signature_value value = { fixture->good, strlen(fixture->good) };
	struct err err;
	struct signature *none = signature_new(&config, &err);

	assert_non_null(none);
	assert_int_equal(signature_verify(none, body, sizeof(body) - 1, &value, 1),
			 SIGNATURE_WRONG);
	signature_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_every_secret_and_spelling),
		cmocka_unit_test(test_refuses_everything_else),
		cmocka_unit_test(test_every_bit_of_it_counts),
		cmocka_unit_test(test_covers_every_byte_of_the_body),
		cmocka_unit_test(test_any_of_several_values_will_do),
		cmocka_unit_test(test_without_secrets_nothing_is_good),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
