#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "http/address.h"

static bool is_public(const char *text)
{
	struct sockaddr_in ip4 = { .sin_family = AF_INET };
	struct sockaddr_in6 ip6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &ip4.sin_addr) == 1)
		return address_is_public((struct sockaddr *)&ip4);
	assert_int_equal(inet_pton(AF_INET6, text, &ip6.sin6_addr), 1);
	return address_is_public((struct sockaddr *)&ip6);
}

static void what_belongs_to_the_internet(void **state)
{
	static const char *const public[] = {
		"1.1.1.1",	   "8.8.8.8",	       "9.255.255.255",	  "11.0.0.0",
		"100.63.255.255",  "100.128.0.0",      "126.255.255.255", "128.0.0.0",
		"169.253.255.255", "169.255.0.0",      "172.15.255.255",  "172.32.0.0",
		"192.167.255.255", "192.169.0.0",      "198.17.255.255",  "198.20.0.0",
		"223.255.255.255", "2606:4700::1111",  "2a00::1",	  "2001:200::1",
		"::ffff:1.1.1.1",  "64:ff9b::101:101", "2002:101:101::1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++) {
		print_message("# %s\n", public[i]);
		assert_true(is_public(public[i]));
	}
}

static void what_does_not(void **state)
{
	static const char *const inside[] = {
		"0.0.0.0",
		"0.1.2.3",
		"10.0.0.0",
		"10.255.255.255",
		"100.64.0.0",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.0.0.1",
		"192.0.2.1",
		"192.88.99.1",
		"192.168.1.1",
		"198.18.0.1",
		"198.19.255.255",
		"198.51.100.1",
		"203.0.113.1",
		"224.0.0.1",
		"239.255.255.255",
		"240.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"::127.0.0.1",
		"::ffff:127.0.0.1",
		"::ffff:10.1.2.3",
		"::ffff:169.254.169.254",
		"64:ff9b::7f00:1",
		"64:ff9b::a00:1",
		"64:ff9b:1::1",
		"100::1",
		"2001::1",
		"2001:db8::1",
		"2002:7f00:1::1",
		"2002:a00:1::1",
		"3fff::1",
		"fc00::1",
		"fd12:3456::1",
		"fe80::1",
		"fec0::1",
		"ff02::1",
		"4000::1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		print_message("# %s\n", inside[i]);
		assert_false(is_public(inside[i]));
	}
}

static void other_families(void **state)
{
	struct sockaddr_storage local = { .ss_family = AF_UNIX };

	(void)state;
	assert_false(address_is_public((struct sockaddr *)&local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_belongs_to_the_internet),
		cmocka_unit_test(what_does_not),
		cmocka_unit_test(other_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
