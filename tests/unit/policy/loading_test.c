#include "pool_fixture.h"

static void mistakes_of(const struct fixture *fixture, struct buf *mistakes)
{
	struct policy_bundle *bundle = place_bundle(&fixture->place);
	struct err err;

	assert_int_equal(policy_pool_check(fixture->pool, bundle, mistakes, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	policy_bundle_free(bundle);
}

/* On a busy machine the kill timer may come before the softer guard that knows the line, and where
 * the worker gets a thirtieth of its time, the wall clock's guard before both. */
static void expect_mistake(const struct fixture *fixture, const char *needle)
{
	struct buf mistakes = { 0 };

	mistakes_of(fixture, &mistakes);
	if (!strstr(mistakes.bytes, needle) &&
	    !strstr(mistakes.bytes, "policies/route.lua: took longer than 1000 ms") &&
	    !strstr(mistakes.bytes, "policies/route.lua: no answer within 30000 ms"))
		fail_msg("no '%s' in: %s", needle, mistakes.bytes);
	buf_done(&mistakes);
}

static void mistakes_are_told_all_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct buf mistakes = { 0 };

	place_write(&fixture->place, "policies/filter.lua", "return functoin() end\n");
	place_write(&fixture->place, "policies/route.lua",
		    "\nreturn rules { { \"x\", when.always, to \"three\" } }\n");
	place_write(&fixture->place, "templates/default.txt", "one\n{{no_such}}\n");
	mistakes_of(fixture, &mistakes);
	assert_non_null(strstr(mistakes.bytes, "policies/filter.lua:1: "));
	assert_non_null(strstr(mistakes.bytes, "policies/route.lua:2: no agent \"three\""));
	assert_non_null(strstr(mistakes.bytes, "templates/default.txt:2: "));
	buf_done(&mistakes);
}

static void policies_that_overrun_while_loading(void **state)
{
	struct fixture *fixture = *state;

	place_write(&fixture->place, "policies/route.lua", "\nwhile true do end\n");
	expect_mistake(fixture, "policies/route.lua:2: took longer than 1000 ms");
	place_write(&fixture->place, "policies/route.lua",
		    "pcall(function() while true do end end)\n");
	expect_mistake(fixture, "policies/route.lua:1: took longer than 1000 ms");
	place_write(&fixture->place, "policies/route.lua", "('a'):rep(1e6):find('.-b')\n");
	expect_mistake(fixture, "policies/route.lua: took longer than 1000 ms");
	place_write(&fixture->place, "policies/route.lua",
		    "local s = 'x' while true do s = s .. s end\n");
	expect_mistake(fixture, "policies/route.lua: needs more memory");
}

static void a_bad_bundle_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct policy_decision decision;
	struct buf mistakes = { 0 };
	struct err err;

	place_use(&fixture->place, fixture->pool);
	works(fixture);
	place_write(&fixture->place, "policies/route.lua",
		    "return function() return to \"two\" end\n");
	place_use(&fixture->place, fixture->pool);
	assert_int_equal(decide(fixture->pool, "calm", PATIENCE, &decision, &err), 0);
	assert_string_equal(decision.targets[0].agent, "two");

	place_write(&fixture->place, "policies/route.lua", "return nothing\n");
	struct policy_bundle *bundle = place_bundle(&fixture->place);
	assert_int_equal(policy_pool_use(fixture->pool, bundle, &mistakes, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	policy_bundle_free(bundle);
	buf_done(&mistakes);
	assert_int_equal(decide(fixture->pool, "calm", PATIENCE, &decision, &err), 0);
	assert_string_equal(decision.targets[0].agent, "two");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mistakes_are_told_all_at_once),
		TEST(policies_that_overrun_while_loading),
		TEST(a_bad_bundle_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
