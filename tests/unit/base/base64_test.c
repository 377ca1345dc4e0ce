#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"

/* The vectors of RFC 4648, 10. */
static const char *const vectors[][2] = {
	{ "f", "Zg==" },	{ "fo", "Zm8=" },	 { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
};

static void test_the_vectors_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const char *plain = vectors[i][0];
		size_t len = 0;
		char *text = base64_encode(plain, strlen(plain));
		unsigned char *back = base64_decode(text, strlen(text), &len);
		assert_string_equal(text, vectors[i][1]);
		assert_int_equal(len, strlen(plain));
		assert_memory_equal(back, plain, len);
		free(text);
		free(back);
	}
}

static void test_every_byte_comes_back(void **state)
{
	unsigned char bytes[256];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 256; i++)
		bytes[i] = (unsigned char)i;
	for (size_t n = 1; n <= 256; n++) {
		char *text = base64_encode(bytes, n);
		unsigned char *back = base64_decode(text, strlen(text), &len);
		assert_int_equal(len, n);
		assert_memory_equal(back, bytes, n);
		free(text);
		free(back);
	}
}

static void test_what_is_no_base64(void **state)
{
	static const char *const bad[] = { "",	   "Zg",   "Zg=",   "Z===", "====", "Zg==Zg==",
					   "Zm9 ", " Zm9", "Zm9\n", "Zm-v", "Zm_v", "Zm9v=" };
	size_t len = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(base64_decode(bad[i], strlen(bad[i]), &len));
	assert_null(base64_decode("Zm\0v", 4, &len));
	assert_int_equal(len, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_vectors_both_ways),
		cmocka_unit_test(test_every_byte_comes_back),
		cmocka_unit_test(test_what_is_no_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
