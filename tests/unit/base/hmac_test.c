#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hmac.h"

/* RFC 4231, test cases 2 and 6 (a key longer than a block). */
static void sign_matches(const void *key, size_t key_len, const char *data, const char *hex)
{
	unsigned char sum[HMAC_SIZE], expected[HMAC_SIZE];
	struct err err;
	struct hmac *hmac = hmac_new(key, key_len, &err);

	assert_non_null(hmac);
	assert_int_equal(hmac_parse_hex(hex, strlen(hex), expected), 0);
	/* Twice and with something else between: a re-armed context must not remember. */
	for (int round = 0; round < 3; round++) {
		assert_int_equal(hmac_sign(hmac, data, strlen(data), sum, &err), 0);
		assert_memory_equal(sum, expected, HMAC_SIZE);
		assert_int_equal(hmac_sign(hmac, "other", 5, sum, &err), 0);
		assert_memory_not_equal(sum, expected, HMAC_SIZE);
	}
	hmac_free(hmac);
}

static void test_signs_as_rfc_4231_says(void **state)
{
	unsigned char long_key[131];

	(void)state;
	sign_matches("Jefe", 4, "what do ya want for nothing?",
		     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(long_key, 0xaa, sizeof(long_key));
	sign_matches(long_key, sizeof(long_key),
		     "Test Using Larger Than Block-Size Key - Hash Key First",
		     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_signs_nothing(void **state)
{
	unsigned char sum[HMAC_SIZE], expected[HMAC_SIZE];
	/* printf '' | openssl dgst -sha256 -hmac k */
	const char hex[] = "8bb990c40a7d61cb97597a942125025be50ac8beb74436e3735b98893a7f6620";
	struct err err;
	struct hmac *hmac = hmac_new("k", 1, &err);

	(void)state;
	assert_int_equal(hmac_parse_hex(hex, strlen(hex), expected), 0);
	assert_int_equal(hmac_sign(hmac, "", 0, sum, &err), 0);
	assert_memory_equal(sum, expected, HMAC_SIZE);
	hmac_free(hmac);
	hmac_free(NULL);
}

static void test_an_empty_key_is_refused(void **state)
{
	struct err err;

	(void)state;
	assert_null(hmac_new("", 0, &err));
	assert_int_equal(err.code, ERR_INVALID);
}

#define HEX "00112233445566778899aAbBcCdDeEfFfedcba98765432100123456789abcdef"

static void test_reads_signatures(void **state)
{
	unsigned char plain[HMAC_SIZE], prefixed[HMAC_SIZE];

	(void)state;
	assert_int_equal(hmac_parse_hex(HEX, 64, plain), 0);
	assert_int_equal(hmac_parse_hex("sha256=" HEX, 71, prefixed), 0);
	assert_memory_equal(plain, prefixed, HMAC_SIZE);
	assert_int_equal(plain[0], 0x00);
	assert_int_equal(plain[10], 0xaa);
	assert_int_equal(plain[15], 0xff);
	assert_int_equal(plain[31], 0xef);
}

static void test_reads_nothing_else(void **state)
{
	static const char *const bad[] = {
		"",
		"sha256=",
		HEX "0",
		HEX " ",
		" " HEX,
		"sha256= " HEX,
		"sha256=sha256=" HEX,
		"SHA256=" HEX,
		"sha1=" HEX,
		"sha512=" HEX,
		"0x112233445566778899aAbBcCdDeEfFfedcba98765432100123456789abcdef",
		"g0112233445566778899aAbBcCdDeEfFfedcba98765432100123456789abcdef",
		"00112233445566778899aAbBcCdDeEfFfedcba98765432100123456789abcde:",
	};
	unsigned char out[HMAC_SIZE], before[HMAC_SIZE];

	(void)state;
	memset(out, 0x5a, sizeof(out));
	memcpy(before, out, sizeof(out));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (hmac_parse_hex(bad[i], strlen(bad[i]), out) == 0)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(hmac_parse_hex(HEX, 63, out), -1);
	/* The length counts, not a NUL. */
	char with_nul[64];

	memcpy(with_nul, HEX, 64);
	with_nul[63] = '\0';
	assert_int_equal(hmac_parse_hex(with_nul, 64, out), -1);
	assert_memory_equal(out, before, HMAC_SIZE);
}

static void test_compares_every_byte(void **state)
{
	unsigned char a[HMAC_SIZE] = { 0 }, b[HMAC_SIZE] = { 0 };

	(void)state;
	assert_true(hmac_equal(a, b));
	for (size_t i = 0; i < HMAC_SIZE; i++) {
		b[i] = 1;
		assert_false(hmac_equal(a, b));
		b[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signs_as_rfc_4231_says),
		cmocka_unit_test(test_signs_nothing),
		cmocka_unit_test(test_an_empty_key_is_refused),
		cmocka_unit_test(test_reads_signatures),
		cmocka_unit_test(test_reads_nothing_else),
		cmocka_unit_test(test_compares_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
