#include "pool_fixture.h"

#include "policy/policy.h"

/* policy_explain() tells what policy_decide() does, in a real worker. */

static json_t *explained(const struct fixture *fixture, const char *name, struct err *err)
{
	char body[1024];
	const struct policy_event event = test_event(body, sizeof(body), name);

	return policy_explain(fixture->pool, &event, err);
}

static const json_t *tried(const json_t *told, size_t policy, size_t rule)
{
	const json_t *one = json_array_get(json_at(told, "policies"), policy);

	return json_array_get(json_at(one, "tried"), rule);
}

static void each_rule_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct err err = { 0 };

	place_write(&fixture->place, "policies/filter.lua",
		    "return rules {\n  { \"no\", when.event \"x\" & when.human, accept },\n"
		    "  { \"yes\", when.event \"boom\", accept },\n"
		    "  { \"late\", when.always, accept } }\n");
	place_use(&fixture->place, fixture->pool);
	json_t *told = explained(fixture, "boom", &err);
	if (!told)
		fail_msg("%s", err.text);
	assert_string_equal(json_str(told, "decision.action"), "accept");
	assert_string_equal(json_str(told, "event.issue.key"), "WEB-1");
	assert_string_equal(json_str(tried(told, 0, 0), "rule"), "no");
	assert_true(json_is_false(json_at(tried(told, 0, 0), "holds")));
	assert_string_equal(json_str(tried(told, 0, 0), "condition.joint"), "&");
	const json_t *part = json_array_get(json_at(tried(told, 0, 0), "condition.parts"), 0);
	const json_t *value = json_array_get(json_at(part, "values"), 0);
	assert_string_equal(json_str(value, "value"), "boom");
	assert_true(json_is_true(json_at(tried(told, 0, 1), "holds")));
	assert_null(tried(told, 0, 2));
	const json_t *filter = json_array_get(json_at(told, "policies"), 0);
	assert_int_equal(json_int(filter, "untried", -1), 1);
	assert_int_equal(json_int(filter, "line", -1), 3);
	json_decref(told);
}

static void a_policy_that_fails_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct err err = { 0 };

	use_filter(fixture, "error \"no\"");
	json_t *told = explained(fixture, "boom", &err);
	assert_non_null(told);
	assert_null(json_at(told, "decision"));
	assert_non_null(strstr(json_str(told, "failure"), "policies/filter.lua:3: no"));
	json_decref(told);
	works(fixture);
}

/* The limits are those of decide, and the rule at which it ended is named. */
static void one_that_spins_is_ended(void **state)
{
	static const char *const spins[] = { "while true do end",
					     "(\"a\"):rep(60000):find(\".-.-.-b\")" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < 2; i++) {
		char text[512];
		struct err err = { 0 };
		snprintf(
		    text, sizeof(text),
		    "return rules {\n  { \"first\", ~when.always, accept },\n"
		    "  { \"spins\", function(e) if e.name == \"boom\" then %s end end, accept },\n"
		    "  { \"rest\", when.always, accept } }\n",
		    spins[i]);
		place_write(&fixture->place, "policies/filter.lua", text);
		place_use(&fixture->place, fixture->pool);
		assert_null(explained(fixture, "boom", &err));
		assert_int_equal(err.code, ERR_TIMEOUT);
		/* the line, or on a busy machine the rule at which the wall clock ended it */
		if (!strstr(err.text, "rule \"spins\"") &&
		    !(i == 0 && strstr(err.text, "policies/filter.lua:3")))
			fail_msg("%s", err.text);
		works(fixture);
	}
}

static void ten_thousand_rules(void **state)
{
	struct fixture *fixture = *state;
	struct buf text = { 0 };
	struct err err = { 0 };

	fixture->place.config.policies.time_limit = 5000;
	assert_int_equal(buf_appendf(&text, "return rules {\n"), 0);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(
		    buf_appendf(&text, "{ \"rule %d\", when.event \"x\" & when.human, accept },\n",
				i),
		    0);
	assert_int_equal(buf_appendf(&text, "{ \"last\", when.always, accept } }\n"), 0);
	place_write(&fixture->place, "policies/filter.lua", text.bytes);
	place_use(&fixture->place, fixture->pool);
	buf_done(&text);
	json_t *told = explained(fixture, "calm", &err);
	if (!told)
		fail_msg("%s", err.text);
	const json_t *filter = json_array_get(json_at(told, "policies"), 0);
	assert_int_equal(json_array_size(json_at(filter, "tried")), 500);
	assert_int_equal(json_int(filter, "left_out", -1), 9501);
	assert_string_equal(json_str(filter, "rule"), "last");
	json_decref(told);
	json_t *list = policy_rule_list(fixture->pool, &err);
	if (!list)
		fail_msg("%s", err.text);
	const json_t *rules = json_at(json_array_get(json_at(list, "policies"), 0), "rules");
	assert_int_equal(json_array_size(rules), 10001);
	json_decref(list);
}

/* A body of the largest size that the listener takes by default. */
static void a_large_event(void **state)
{
	struct fixture *fixture = *state;
	const size_t most = 4u << 20;
	struct buf body = { 0 };
	struct err err = { 0 };
	char *text = malloc(most);

	assert_non_null(text);
	memset(text, 'd', most);
	text[most - 200] = '\0';
	buf_appendf(&body, "{\"event\":\"x\",\"data\":{\"issue\":{\"id\":\"i\",\"title\":\"%s\"}}}",
		    text);
	place_write(&fixture->place, "policies/filter.lua",
		    "return rules { { \"title\", when.field \"issue.title\", accept } }\n");
	place_use(&fixture->place, fixture->pool);
	const struct policy_event event = { .body = body.bytes, .body_len = body.len };
	json_t *told = policy_explain(fixture->pool, &event, &err);
	if (!told)
		fail_msg("%s", err.text);
	char *printed = json_text(told);
	assert_true(strlen(printed) < 8192);
	free(printed);
	json_decref(told);
	free(text);
	buf_done(&body);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_rule_is_told),       TEST(a_policy_that_fails_is_told),
		TEST(one_that_spins_is_ended), TEST(ten_thousand_rules),
		TEST(a_large_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
