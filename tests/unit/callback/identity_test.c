#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "callback/identity.h"
#include "mock.h"

#define ONE "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f"
#define TWO "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e60"
#define STRANGER "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e61"
#define ASK_AGAIN 5000 /* ms, as identity.h promises */

static struct mock *mock;

struct fixture {
	struct identity *identity;
	struct openpr *openpr;
	struct config config;
	struct config_bot bots[2];
};

static int start_mock(void **state)
{
	(void)state;
	mock = mock_start();
	return 0;
}

static int stop_mock(void **state)
{
	(void)state;
	mock_stop(mock);
	return 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	mock_control(mock, "{\"reset\": true, \"users\": ["
			   "{\"id\": \"" ONE "\", \"name\": \"one\", \"token\": \"opr_one\"},"
			   "{\"id\": \"" TWO "\", \"name\": \"two\", \"token\": \"opr_two\"}]}");
	f->identity = identity_new();
	f->openpr = openpr_new(NULL, &err);
	f->config.openpr.api_url = (char *)mock_url(mock);
	f->config.openpr.token = "opr_one";
	f->bots[0] = (struct config_bot){ .name = "Two", .token = "opr_two" };
	f->config.openpr.bots = f->bots;
	f->config.openpr.bot_count = 1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	identity_free(f->identity);
	openpr_free(f->openpr);
	free(f);
	return 0;
}

static const char *token(struct fixture *f, const char *id, const char *name)
{
	return identity_token(f->identity, &f->config, id, name);
}

static void refresh(struct fixture *f)
{
	identity_refresh(f->identity, f->openpr, &f->config);
}

static size_t times_asked(void)
{
	json_t *state = mock_state(mock);
	const size_t count = json_array_size(json_object_get(state, "requests"));

	json_decref(state);
	return count;
}

static void takes_the_token_for_the_bots_until_it_knows(void **state)
{
	struct fixture *f = *state;
	json_t *ours = identity_ours(f->identity);

	assert_int_equal(json_array_size(ours), 0);
	json_decref(ours);
	assert_string_equal(token(f, ONE, "one"), "opr_one");
	assert_string_equal(token(f, STRANGER, "x"), "opr_one");
	/* A name that has a token of its own. */
	assert_string_equal(token(f, TWO, "two"), "opr_two");
	assert_string_equal(token(f, TWO, NULL), "opr_one");
	assert_string_equal(token(f, NULL, NULL), "opr_one");
}

static void gives_each_bot_its_own_token(void **state)
{
	struct fixture *f = *state;

	refresh(f);
	assert_string_equal(token(f, ONE, "one"), "opr_one");
	assert_string_equal(token(f, TWO, "two"), "opr_two");
	/* Whatever it is called by now. */
	assert_string_equal(token(f, TWO, "renamed"), "opr_two");
	assert_string_equal(token(f, ONE, "two"), "opr_one");
	assert_null(token(f, STRANGER, "x"));
	/* The name's token is known to be another's. */
	assert_null(token(f, STRANGER, "two"));

	json_t *ours = identity_ours(f->identity);
	json_t *one = json_pack("[s, s]", ONE, TWO), *two = json_pack("[s, s]", TWO, ONE);
	assert_true(json_equal(ours, one) || json_equal(ours, two));
	json_decref(ours);
	json_decref(one);
	json_decref(two);
}

static void what_is_known_wins_over_a_name(void **state)
{
	struct fixture *f = *state;

	mock_control(mock, "{\"faults\": [{\"path\": \"/auth/me\", \"skip\": 1, \"code\": 500}]}");
	refresh(f);
	assert_string_equal(token(f, ONE, "two"), "opr_one");
	assert_string_equal(token(f, STRANGER, "two"), "opr_two"); /* not known whose */
	assert_null(token(f, STRANGER, "x"));
}

static void asks_once(void **state)
{
	struct fixture *f = *state;

	refresh(f);
	refresh(f);
	assert_int_equal(times_asked(), 2);
	/* A reload with one token more asks for that one. */
	f->bots[1] = (struct config_bot){ .name = "three", .token = "opr_three" };
	f->config.openpr.bot_count = 2;
	refresh(f);
	assert_int_equal(times_asked(), 3);
	identity_forget(f->identity);
	refresh(f);
	assert_int_equal(times_asked(), 6);
}

static void a_wrong_token_is_not_asked_about_all_the_time(void **state)
{
	struct fixture *f = *state;

	f->config.openpr.token = "opr_wrong";
	refresh(f);
	refresh(f);
	assert_int_equal(times_asked(), 2); /* once for each token */
	assert_string_equal(token(f, TWO, "two"), "opr_two");
}

static void works_without_any_token(void **state)
{
	struct fixture *f = *state;

	f->config.openpr.token = NULL;
	f->bots[0].token = "";
	refresh(f);
	assert_int_equal(times_asked(), 0);
	assert_null(token(f, ONE, "one"));
	assert_null(token(f, TWO, "two"));
}

static void asks_again_but_not_at_once(void **state)
{
	struct fixture *f = *state;
	const int64_t start = clock_mono();

	mock_control(mock, "{\"faults\": [{\"path\": \"/auth/me\", \"close\": true}]}");
	refresh(f);
	refresh(f);
	assert_string_equal(token(f, STRANGER, "x"), "opr_one"); /* not known */
	/* Silence to one token speaks for all. */
	assert_int_equal(times_asked(), 1);
	while (token(f, STRANGER, "x")) {
		assert_true(clock_mono() - start < 60000);
		usleep(100000);
		refresh(f);
	}
	assert_true(clock_mono() - start >= ASK_AGAIN);
	assert_int_equal(times_asked(), 3);
}

static void *refresh_alone(void *arg)
{
	struct fixture *f = arg;
	struct err err;
	struct openpr *openpr = openpr_new(NULL, &err);

	identity_refresh(f->identity, openpr, &f->config);
	/* Nobody goes on without the answer that another thread is waiting for. */
	const bool known = !token(f, STRANGER, "x");
	openpr_free(openpr);
	return known ? f : NULL;
}

static void threads_ask_once_together(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[6];
	void *known;

	f->config.openpr.bot_count = 0;
	mock_control(mock, "{\"faults\": [{\"path\": \"/auth/me\", \"delay\": 0.5}]}");
	for (int i = 0; i < 6; i++)
		pthread_create(&threads[i], NULL, refresh_alone, f);
	for (int i = 0; i < 6; i++) {
		pthread_join(threads[i], &known);
		assert_non_null(known);
	}
	assert_int_equal(times_asked(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(takes_the_token_for_the_bots_until_it_knows),
		TEST(gives_each_bot_its_own_token),
		TEST(what_is_known_wins_over_a_name),
		TEST(asks_once),
		TEST(a_wrong_token_is_not_asked_about_all_the_time),
		TEST(works_without_any_token),
		TEST(asks_again_but_not_at_once),
		TEST(threads_ask_once_together),
	};

	return cmocka_run_group_tests_name("callback/identity", tests, start_mock, stop_mock);
}
