#include "policy_test.h"

#define PATIENCE 60000

struct fixture {
	struct place place;
	struct policy_host *host;
	struct policy_pool *pool;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;

	fixture->host = policy_host_start(&err);
	assert_non_null(fixture->host);
	fixture->pool = policy_pool_new(fixture->host, 1, &err);
	assert_non_null(fixture->pool);
	place_make(&fixture->place);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	policy_pool_free(fixture->pool);
	policy_host_free(fixture->host);
	place_remove(&fixture->place);
	free(fixture);
	return 0;
}

static void use(const struct fixture *fixture, const char *file, const char *text)
{
	place_write(&fixture->place, file, text);
	place_use(&fixture->place, fixture->pool);
}

static struct policy_decision decided(const struct fixture *fixture, const char *name)
{
	char body[1024];
	struct policy_decision decision = { 0 };
	struct err err;
	const struct policy_event event = test_event(body, sizeof(body), name);

	if (policy_decide(fixture->pool, &event, PATIENCE, &decision, &err) < 0)
		fail_msg("%s", err.text);
	return decision;
}

static void filter_and_route_decide(void **state)
{
	struct fixture *fixture = *state;

	place_write(
	    &fixture->place, "policies/filter.lua",
	    "return rules {\n"
	    "  { \"plain edit\", when.event \"issue.updated\", ignore \"nothing to do\" },\n"
	    "  { \"gone\", when.event \"issue.deleted\", cancel \"deleted\" },\n"
	    "  { \"rest\", when.always, accept },\n}\n");
	use(fixture, "policies/route.lua",
	    "return rules {\n"
	    "  { \"large\", when.event \"large\", to({ \"one\", \"two\" }, { timeout = 1 * hours "
	    "}) },\n"
	    "  { \"small\", when.event \"small\", to \"two\" },\n}\n");

	struct policy_decision decision = decided(fixture, "issue.updated");
	assert_int_equal(decision.action, POLICY_IGNORE);
	assert_string_equal(decision.filter_rule, "plain edit");
	assert_string_equal(decision.reason, "nothing to do");

	decision = decided(fixture, "issue.deleted");
	assert_int_equal(decision.action, POLICY_CANCEL);

	decision = decided(fixture, "large");
	assert_int_equal(decision.action, POLICY_ACCEPT);
	assert_string_equal(decision.rule, "large");
	assert_string_equal(decision.filter_rule, "rest");
	assert_int_equal(decision.target_count, 2);
	assert_string_equal(decision.targets[0].agent, "one");
	assert_int_equal(decision.targets[0].timeout, 3600000);

	assert_string_equal(decided(fixture, "small").targets[0].agent, "two");
	assert_int_equal(decided(fixture, "other").action, POLICY_NO_AGENT);
}

static void policies_see_what_they_are_told(void **state)
{
	struct fixture *fixture = *state;
	json_t *ours = json_pack("[s]", "bot-7");
	struct policy_decision decision;
	struct err err;
	const char body[] =
	    "{\"event\":\"issue.assigned\",\"actor\":{\"id\":\"bot-7\"},"
	    "\"data\":{\"issue\":{\"id\":\"i\",\"title\":\"T\"},\"n\":9007199254740991,"
	    "\"none\":null}}";
	const struct policy_event event = {
		.body = body, .body_len = strlen(body), .ours = ours, .now = 1700000000000
	};

	use(fixture, "policies/filter.lua",
	    "return function(event)\n"
	    "  return ignore((\"%s %s %s %s %s\"):format(event.issue.title, event.actor.ours,\n"
	    "    event.payload.data.n, event.payload.data.none, now()))\nend\n");
	assert_int_equal(policy_decide(fixture->pool, &event, PATIENCE, &decision, &err), 0);
	assert_string_equal(decision.reason, "T true 9007199254740991 nil 1700000000");
	json_decref(ours);
}

static void a_policy_that_raises_names_its_line(void **state)
{
	struct fixture *fixture = *state;
	char body[1024];
	struct policy_decision decision = { .action = POLICY_CANCEL };
	struct err err;
	const struct policy_event event = test_event(body, sizeof(body), "x");

	use(fixture, "policies/route.lua", "return function(event)\n  return event.no.such\nend\n");
	assert_int_equal(policy_decide(fixture->pool, &event, PATIENCE, &decision, &err), -1);
	assert_int_equal(err.code, ERR_POLICY);
	assert_non_null(strstr(err.text, "policies/route.lua:2: "));
	assert_int_equal(decision.action, POLICY_CANCEL); /* untouched */
}

static void nonsense_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char body[1024];
	struct policy_decision decision;
	struct err err;
	const struct policy_event event = test_event(body, sizeof(body), "x");

	use(fixture, "policies/filter.lua", "return function() return \"accept\" end\n");
	assert_int_equal(policy_decide(fixture->pool, &event, PATIENCE, &decision, &err), -1);
	assert_int_equal(err.code, ERR_POLICY);
	assert_non_null(strstr(err.text, "policies/filter.lua"));
}

static void prompts_are_rendered(void **state)
{
	struct fixture *fixture = *state;
	char body[1024];
	struct buf prompt = { 0 };
	struct err err;
	enum policy_rendered kind = RENDERED_EVENT;
	const struct policy_event event = test_event(body, sizeof(body), "x");

	use(fixture, "policies/render.lua",
	    "return function(event, agent)\n"
	    "  return agent.name .. \": \" .. event.issue.title .. \" \\xff\"\nend\n");
	if (policy_render(fixture->pool, &event, "two", &prompt, &kind, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(kind, RENDERED_TEXT);
	assert_non_null(strstr(prompt.bytes, "two: It breaks \xef\xbf\xbd"));
	assert_int_equal(policy_render(fixture->pool, &event, "nobody", &prompt, &kind, &err), -1);
	assert_non_null(strstr(err.text, "nobody"));
	buf_done(&prompt);
}

static void a_prompt_may_need_the_issue(void **state)
{
	struct fixture *fixture = *state;
	const char body[] = "{\"task_id\":\"t\",\"task_type\":\"issue_assigned\","
			    "\"payload\":{\"issue_id\":\"i\"}}";
	struct policy_event event = { .body = body, .body_len = strlen(body) };
	struct buf prompt = { 0 };
	struct err err;
	enum policy_rendered kind = RENDERED_EVENT;

	use(fixture, "policies/render.lua",
	    "return function(event) return \"do \" .. event.issue.description end\n");
	assert_int_equal(policy_render(fixture->pool, &event, "one", &prompt, &kind, &err), 0);
	assert_int_equal(kind, RENDERED_NEEDS_ISSUE);
	assert_int_equal(prompt.len, 0);
	event.completion = "{\"issue\":{\"title\":\"T\",\"description\":\"the thing\"}}";
	assert_int_equal(policy_render(fixture->pool, &event, "one", &prompt, &kind, &err), 0);
	assert_int_equal(kind, RENDERED_TEXT);
	assert_string_equal(prompt.bytes, "do the thing");
	buf_done(&prompt);
}

static void reports_are_worded(void **state)
{
	struct fixture *fixture = *state;
	char body[1024], *comment = NULL, *set = NULL;
	struct err err;
	const struct policy_event event = test_event(body, sizeof(body), "x");
	json_t *run = json_pack("{s:s, s:s, s:i, s:i}", "run_id", "r1", "status", "failure",
				"exit_code", 3, "duration", 1500);

	use(fixture, "policies/callback.lua",
	    "return function(run, event, agent)\n"
	    "  return { comment = (\"%s %s %d %.1f %s\"):format(run.id, run.status, "
	    "run.exit_code,\n"
	    "    run.duration, agent.name), state = \"todo\" }\nend\n");
	if (policy_callback(fixture->pool, &event, run, "one", &comment, &set, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(comment, "r1 failure 3 1.5 one");
	assert_string_equal(set, "todo");
	free(comment);
	free(set);

	use(fixture, "policies/callback.lua", "return function() return nil end\n");
	assert_int_equal(policy_callback(fixture->pool, &event, run, "one", &comment, &set, &err),
			 0);
	assert_null(comment);
	assert_null(set);
	json_decref(run);
}

static void rules_are_printed(void **state)
{
	struct fixture *fixture = *state;
	struct buf out = { 0 };
	struct err err;

	use(fixture, "policies/route.lua",
	    "return rules { { \"to the second\", when.always, to \"two\" } }\n");
	if (policy_rules(fixture->pool, &out, &err) < 0)
		fail_msg("%s", err.text);
	assert_non_null(strstr(out.bytes, "to the second"));
	buf_done(&out);
}

/* A body of the largest size that the listener takes by default. */
static void a_large_event_is_decided(void **state)
{
	struct fixture *fixture = *state;
	const size_t most = 4u << 20;
	struct buf body = { 0 };
	struct policy_decision decision;
	struct err err;
	char *text = malloc(most + 1);

	assert_non_null(text);
	memset(text, 'd', most);
	text[most - 200] = '\0';
	buf_appendf(&body,
		    "{\"event\":\"x\",\"data\":{\"issue\":{\"id\":\"i\",\"description\":\"%s\"}}}",
		    text);
	use(fixture, "policies/filter.lua",
	    "return function(event) return ignore(tostring(#event.issue.description)) end\n");
	const struct policy_event event = { .body = body.bytes, .body_len = body.len };
	if (policy_decide(fixture->pool, &event, PATIENCE, &decision, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(decision.reason, "4194104");
	free(text);
	buf_done(&body);
}

static int heard;
static char heard_text[512];

static void hear(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	assert_int_equal(level, LOG_LEVEL_WARN);
	heard++;
	snprintf(heard_text, sizeof(heard_text), "%s", text);
}

static void what_policies_log_is_heard(void **state)
{
	struct fixture *fixture = *state;

	policy_pool_on_log(fixture->pool, hear, NULL);
	use(fixture, "policies/filter.lua",
	    "return function(event)\n"
	    "  for n = 1, 100 do log.warn(\"line %d of %s\", n, event.name) end\n"
	    "  return accept\nend\n");
	decided(fixture, "x");
	assert_int_equal(heard, 20);
	assert_string_equal(heard_text, "policies/filter.lua: line 20 of x");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(filter_and_route_decide),
		TEST(policies_see_what_they_are_told),
		TEST(a_policy_that_raises_names_its_line),
		TEST(nonsense_is_refused),
		TEST(prompts_are_rendered),
		TEST(a_prompt_may_need_the_issue),
		TEST(reports_are_worded),
		TEST(rules_are_printed),
		TEST(a_large_event_is_decided),
		TEST(what_policies_log_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
