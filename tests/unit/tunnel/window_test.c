#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/window.h"

static char told[1024];

static int forget(void **state)
{
	(void)state;
	told[0] = '\0';
	return 0;
}

static void confirmed(void *ctx, const char *key)
{
	assert_ptr_equal(ctx, told);
	strcat(told, key);
	strcat(told, " ");
}

static void a_pong_confirms_what_was_before_its_ping(void **state)
{
	struct window window = { 0 };

	(void)state;
	assert_false(window_wants_ping(&window));
	window_add(&window, "a", 10);
	window_add(&window, "", 10);
	window_add(&window, "b", 10);
	assert_true(window_wants_ping(&window));
	const uint64_t ping = window_ping(&window);

	assert_false(window_wants_ping(&window));
	window_add(&window, "c", 10);
	assert_true(window_wants_ping(&window));
	assert_false(window_pong(&window, ping + 1, confirmed, told));
	assert_false(window_pong(&window, 0, confirmed, told));
	assert_string_equal(told, "");
	assert_true(window_pong(&window, ping, confirmed, told));
	assert_string_equal(told, "a b ");
	assert_false(window_pong(&window, ping, confirmed, told));
	assert_true(window_pong(&window, window_ping(&window), confirmed, told));
	assert_string_equal(told, "a b c ");
	assert_int_equal(window.bytes, 0);
}

static void messages_and_bytes_are_bounded(void **state)
{
	struct window window = { 0 };

	(void)state;
	for (int round = 0; round < 3; round++) {
		int count = 0;

		for (; window_has_room(&window); count++)
			window_add(&window, "", 1);
		assert_int_equal(count, WINDOW_MESSAGES);
		window_pong(&window, window_ping(&window), confirmed, told);
	}
	window_add(&window, "", WINDOW_BYTES);
	assert_false(window_has_room(&window));
	window_pong(&window, window_ping(&window), confirmed, told);
	assert_true(window_has_room(&window));
}

static void long_keys_are_cut(void **state)
{
	struct window window = { 0 };
	char key[2 * LINK_KEY_SIZE];

	(void)state;
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	window_add(&window, key, 1);
	window_pong(&window, window_ping(&window), confirmed, told);
	assert_int_equal(strlen(told), LINK_KEY_SIZE - 1 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_pong_confirms_what_was_before_its_ping, forget),
		cmocka_unit_test_setup(messages_and_bytes_are_bounded, forget),
		cmocka_unit_test_setup(long_keys_are_cut, forget),
	};

	return cmocka_run_group_tests_name("tunnel/window", tests, NULL, NULL);
}
