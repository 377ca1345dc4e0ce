#include "policy_test.h"

#include "policy/trial.h"

struct fixture {
	struct place place;
	struct policy_host *host;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;

	fixture->host = policy_host_start(&err);
	if (!fixture->host)
		fail_msg("%s", err.text);
	place_make(&fixture->place);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	place_remove(&fixture->place);
	policy_host_free(fixture->host);
	free(fixture);
	return 0;
}

/* A trial of this spec (JSON text), loaded, with these mistakes. */
static struct trial *on_trial(const struct fixture *fixture, const char *text, const char *wrong)
{
	struct buf mistakes = { 0 };
	struct err err;
	json_t *spec = json_parse(text, strlen(text), &err);
	struct trial *trial = trial_new(fixture->host, &fixture->place.config, spec, &err);

	json_decref(spec);
	if (!trial || trial_load(trial, &mistakes, &err) < 0)
		fail_msg("%s", err.text);
	if (wrong ? !strstr(mistakes.bytes, wrong) : mistakes.len > 0)
		fail_msg("%s", mistakes.bytes);
	buf_done(&mistakes);
	return trial;
}

static int decide(struct trial *trial, const char *name, struct buf *answer, struct err *err)
{
	struct buf question = { 0 };

	buf_appendf(&question, "{\"body\":{\"event\":\"%s\"}}", name);
	buf_clear(answer);
	const int rc = trial_ask(trial, TRIAL_DECIDE, &question, answer, err);
	buf_done(&question);
	return rc;
}

static void expect_lines(const struct trial *trial, enum policy_hook hook, const char *expected)
{
	const struct lines *ran = trial_ran(trial, hook);
	char found[256] = "";
	size_t at = 0;

	for (long line = 0; (line = lines_next(ran, line)) > 0;)
		at += (size_t)snprintf(found + at, sizeof(found) - at, " %ld", line);
	assert_string_equal(found, expected);
}

static const char filter[] = "local answer\n\nreturn function(event)\n"
			     "  if event.name == 'yes' then\n    answer = accept\n"
			     "  elseif event.name == 'spin' then\n    while true do end\n"
			     "  elseif event.name == 'boom' then\n    error 'boom'\n  end\n"
			     "  log.info('asked')\n  return answer or ignore 'no'\nend\n";

static void lines_that_ran_are_told(void **state)
{
	const struct fixture *fixture = *state;
	struct buf answer = { 0 };
	struct err err;

	place_write(&fixture->place, "policies/filter.lua", filter);
	struct trial *trial = on_trial(fixture, "{}", NULL);
	expect_lines(trial, HOOK_FILTER, " 1 13"); /* loaded; line 13 makes the function */
	assert_int_equal(decide(trial, "no", &answer, &err), 0);
	assert_string_equal(json_string_value(json_array_get(trial_log(trial), 0)),
			    "info policies/filter.lua: asked");
	expect_lines(trial, HOOK_FILTER, " 1 4 6 8 11 12 13");
	expect_lines(trial, HOOK_ROUTE, " 1"); /* not asked */
	assert_int_equal(decide(trial, "yes", &answer, &err), 0);
	assert_non_null(strstr(answer.bytes, "\"accept\""));
	expect_lines(trial, HOOK_FILTER, " 1 4 5 6 8 11 12 13");
	buf_done(&answer);
	trial_free(trial);
}

static void so_are_those_of_calls_that_fail(void **state)
{
	const struct fixture *fixture = *state;
	struct buf answer = { 0 };
	struct err err;

	place_write(&fixture->place, "policies/filter.lua", filter);
	struct trial *trial = on_trial(fixture, "{}", NULL);
	assert_int_equal(decide(trial, "boom", &answer, &err), -1);
	assert_int_equal(err.code, ERR_POLICY);
	assert_non_null(strstr(err.text, "policies/filter.lua:9: boom"));
	expect_lines(trial, HOOK_FILTER, " 1 4 6 8 9 13");
	/* An overrun: told where the hook came first, lost where a guard killed the worker. */
	assert_int_equal(decide(trial, "spin", &answer, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	assert_int_equal(decide(trial, "no", &answer, &err), 0); /* by another worker */
	buf_done(&answer);
	trial_free(trial);
}

static void rules_that_decided_are_told(void **state)
{
	const struct fixture *fixture = *state;
	struct buf answer = { 0 };
	struct err err;

	place_write(&fixture->place, "policies/filter.lua",
		    "return rules {\n  { 'b', when.event 'b', ignore 'no' },\n"
		    "  { 'a', when.event 'a', accept },\n  { 'r', when.always, accept },\n}\n");
	place_write(&fixture->place, "policies/route.lua",
		    "return rules {\n  { 'r', when.event 'x', to 'one' },\n"
		    "  { 's', when.always, to 'two' },\n}\n");
	struct trial *trial = on_trial(fixture, "{}", NULL);
	assert_int_equal(decide(trial, "b", &answer, &err), 0);
	assert_int_equal(decide(trial, "r", &answer, &err), 0); /* filter's r, route's s */
	json_t *of_filter = trial_rules(trial, HOOK_FILTER);
	json_t *of_route = trial_rules(trial, HOOK_ROUTE);
	char *text = json_text(of_filter);
	assert_string_equal(text, "{\"b\":true,\"a\":false,\"r\":true}");
	free(text);
	text = json_text(of_route);
	assert_string_equal(text, "{\"r\":false,\"s\":true}");
	free(text);
	assert_null(trial_rules(trial, HOOK_RENDER));
	assert_null(trial_decided(trial, HOOK_CALLBACK));
	json_decref(of_filter);
	json_decref(of_route);
	buf_done(&answer);
	trial_free(trial);
}

static void a_trial_rests_and_wakes(void **state)
{
	const struct fixture *fixture = *state;
	struct buf answer = { 0 };
	struct err err;
	struct trial *trial = on_trial(fixture, "{}", NULL);

	for (int i = 0; i < 3; i++) {
		trial_rest(trial);
		trial_rest(trial);
		assert_int_equal(decide(trial, "x", &answer, &err), 0);
	}
	buf_done(&answer);
	trial_free(trial);
}

static void a_spec_may_change_what_is_deployed(void **state)
{
	const struct fixture *fixture = *state;
	char spec[1024], path[128];
	struct buf answer = { 0 }, question = { 0 };
	struct err err;

	snprintf(path, sizeof(path), "%s/other", fixture->place.folder);
	mkdir(path, 0700);
	place_write(&fixture->place, "other/route.lua",
		    "return rules { { labels.l, when.always, to 'three' } }\n");
	mkdir(fixture->place.share, 0700);
	snprintf(path, sizeof(path), "%s/policies", fixture->place.share);
	mkdir(path, 0700);
	place_write(&fixture->place, "share/policies/filter.lua", filter);
	place_write(&fixture->place, "share/policies/callback.lua", "return function() end\n");
	snprintf(spec, sizeof(spec),
		 "{\"dir\":\"%s/other\",\"agents\":{\"three\":{\"type\":\"cli\"}},"
		 "\"labels\":{\"l\":\"named\"},\"templates\":{\"own.txt\":\"Own.\"},"
		 "\"policies\":{\"render.lua\":\"return function() return template 'own.txt' "
		 "end\"}}",
		 fixture->place.folder);
	struct trial *trial = on_trial(fixture, spec, NULL);
	assert_int_equal(decide(trial, "yes", &answer, &err), 0);
	assert_non_null(strstr(answer.bytes, "\"named\""));
	assert_non_null(strstr(answer.bytes, "\"three\""));
	buf_clear(&answer);
	buf_appendf(&question, "{\"agent\":\"three\",\"body\":{}}");
	assert_int_equal(trial_ask(trial, TRIAL_RENDER, &question, &answer, &err), 0);
	assert_string_equal(answer.bytes, "{\"prompt\":\"Own.\"}");
	snprintf(path, sizeof(path), "%s/other/route.lua", fixture->place.folder);
	assert_string_equal(trial_path(trial, HOOK_ROUTE), path);
	snprintf(path, sizeof(path), "%s/policies/filter.lua", fixture->place.share);
	assert_string_equal(trial_path(trial, HOOK_FILTER), path);
	assert_null(trial_path(trial, HOOK_RENDER));
	buf_done(&question);
	buf_done(&answer);
	trial_free(trial);
}

static void mistakes_are_told_and_nothing_is_asked(void **state)
{
	const struct fixture *fixture = *state;
	struct buf answer = { 0 };
	struct err err;
	struct trial *trial = on_trial(
	    fixture,
	    "{\"policies\":{\"route.lua\":\"return rules { { 'x', when.always, to 'y' } }\"}}",
	    "policies/route.lua:1: no agent \"y\"");

	assert_int_equal(decide(trial, "x", &answer, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_string_equal(err.text, "no policies are loaded");
	buf_done(&answer);
	trial_free(trial);
}

static void what_cannot_be_read_is_no_trial(void **state)
{
	const struct fixture *fixture = *state;
	struct err err;
	json_t *spec = json_pack("{s:{s:s}}", "templates", "../x.txt", "text");

	assert_null(trial_new(fixture->host, &fixture->place.config, spec, &err));
	assert_non_null(strstr(err.text, "../x.txt"));
	json_decref(spec);
	place_write(&fixture->place, "policies/filter.lua", "\xff");
	spec = json_object();
	assert_null(trial_new(fixture->host, &fixture->place.config, spec, &err));
	assert_non_null(strstr(err.text, "not UTF-8"));
	json_decref(spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_that_ran_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(so_are_those_of_calls_that_fail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rules_that_decided_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_trial_rests_and_wakes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_spec_may_change_what_is_deployed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(mistakes_are_told_and_nothing_is_asked, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_no_trial, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
