/* Who may ask. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/admin_guard.h"

static const char token[] = "0123456789abcdef";

static struct admin_value value(const char *text)
{
	return (struct admin_value){ text, text ? strlen(text) : 0 };
}

static int check(struct admin_guard *guard, const char *host, const char *origin,
		 const char *authorization)
{
	const char *why = NULL;
	const int status =
	    admin_guard_check(guard, value(host), value(origin), value(authorization), &why);

	assert_int_equal(status != 0, why != NULL);
	return status;
}

static struct admin_guard *make(const char *address, bool any_host)
{
	struct err err;
	struct admin_guard *guard = admin_guard_new(address, token, any_host, &err);

	assert_non_null(guard);
	return guard;
}

static void test_the_socket_is_open_to_all_but_web_pages(void **state)
{
	struct admin_guard *guard = make(NULL, false);

	(void)state;
	assert_int_equal(check(guard, "anything", NULL, NULL), 0);
	assert_int_equal(check(guard, NULL, NULL, NULL), 0);
	assert_int_equal(check(guard, "localhost", "http://localhost", NULL), 403);
	assert_int_equal(check(guard, "localhost", "", NULL), 403);
	admin_guard_free(guard);
}

static void test_hosts_that_are_this_machine(void **state)
{
	static const char *const good[] = { "127.0.0.1",      "127.0.0.1:8092", "localhost:1",
					    "LOCALHOST",      "[::1]:8092",	"[::1]",
					    "192.168.1.2:80", "box.lan:8092",	"Box.Lan" };
	static const char *const bad[] = { "evil.example:8092",
					   "localhost.evil.example",
					   "127.0.0.1.evil.example",
					   "127.0.0.1:80:80",
					   "127.0.0.1 ",
					   "",
					   ":8092",
					   "[::1",
					   "[]",
					   "[::1]x",
					   "::1",
					   "127.1",
					   "localhost:8o" };
	struct admin_guard *guard = make("box.lan:8092", false);

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(check(guard, good[i], NULL, "Bearer 0123456789abcdef"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(check(guard, bad[i], NULL, "Bearer 0123456789abcdef"), 403);
	assert_int_equal(check(guard, NULL, NULL, "Bearer 0123456789abcdef"), 403);
	admin_guard_free(guard);
	guard = make("0.0.0.0:8092", true);
	assert_int_equal(check(guard, "box.example", NULL, "Bearer 0123456789abcdef"), 0);
	assert_int_equal(check(guard, "box.example", NULL, "Bearer 0123456789abcdeg"), 401);
	admin_guard_free(guard);
}

static void test_only_the_token_itself(void **state)
{
	static const char *const bad[] = { NULL,
					   "",
					   "Bearer",
					   "Bearer ",
					   "Bearer 0123456789abcde",
					   "Bearer 0123456789abcdef0",
					   "Bearer  0123456789abcdef",
					   "Bearer 0123456789ABCDEF",
					   "Basic 0123456789abcdef",
					   "0123456789abcdef" };
	struct admin_guard *guard = make("[::1]:8092", false);

	(void)state;
	assert_int_equal(check(guard, "[::1]:8092", NULL, "bearer 0123456789abcdef"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(check(guard, "[::1]:8092", NULL, bad[i]), 401);
	/* A page that knows the token is still a page. */
	assert_int_equal(check(guard, "[::1]", "http://[::1]:8092", "Bearer 0123456789abcdef"),
			 403);
	admin_guard_free(guard);
}

static void test_an_address_needs_a_token(void **state)
{
	struct err err;

	(void)state;
	assert_null(admin_guard_new("127.0.0.1:8092", NULL, false, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_null(admin_guard_new("127.0.0.1:8092", "", false, &err));
	admin_guard_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_socket_is_open_to_all_but_web_pages),
		cmocka_unit_test(test_hosts_that_are_this_machine),
		cmocka_unit_test(test_only_the_token_itself),
		cmocka_unit_test(test_an_address_needs_a_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
