#include "policy_test.h"

#include "policy/answer.h"

static struct policy_decision decided(const char *text)
{
	struct policy_decision decision = { 0 };
	struct err err;

	if (answer_decide(text, strlen(text), &decision, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return decision;
}

static void an_accepted_event(void **state)
{
	const struct policy_decision decision =
	    decided("{\"action\":\"accept\",\"rule\":\"by name\",\"filter_rule\":\"asked\","
		    "\"targets\":[{\"agent\":\"codex\"},{\"agent\":\"reviewer\",\"timeout\":60000},"
		    "{\"agent\":\"third\",\"timeout\":1.5}]}");

	(void)state;
	assert_int_equal(decision.action, POLICY_ACCEPT);
	assert_string_equal(decision.rule, "by name");
	assert_string_equal(decision.filter_rule, "asked");
	assert_string_equal(decision.reason, "");
	assert_int_equal(decision.target_count, 3);
	assert_string_equal(decision.targets[0].agent, "codex");
	assert_int_equal(decision.targets[0].timeout, 0);
	assert_string_equal(decision.targets[1].agent, "reviewer");
	assert_int_equal(decision.targets[1].timeout, 60000);
	assert_int_equal(decision.targets[2].timeout, 1);
}

static void the_other_actions(void **state)
{
	(void)state;
	assert_int_equal(decided("{\"action\":\"ignore\",\"reason\":\"edit\"}").action,
			 POLICY_IGNORE);
	assert_int_equal(decided("{\"action\":\"cancel\"}").action, POLICY_CANCEL);
	assert_int_equal(decided("{\"action\":\"no_agent\",\"reason\":null}").action,
			 POLICY_NO_AGENT);
	/* targets of what is not accepted are nobody's */
	assert_int_equal(
	    decided("{\"action\":\"ignore\",\"targets\":[{\"agent\":\"x\"}]}").target_count, 0);
}

static void long_texts_are_cut_between_characters(void **state)
{
	char text[4096] = "{\"action\":\"ignore\",\"rule\":\"";
	struct policy_decision decision;

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, "\xe2\x82\xac");
	strcat(text, "\"}");
	decision = decided(text);
	assert_int_equal(strlen(decision.rule), 126); /* 42 characters of 3 bytes */
}

static void decisions_that_are_none(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"null",
		"42",
		"{}",
		"{\"action\":\"run\"}",
		"{\"action\":1}",
		"{\"action\":\"ignore\\u0000\"}",
		"{\"action\":\"ignore\",\"rule\":{}}",
		"{\"action\":\"ignore\",\"reason\":5}",
		"{\"action\":\"ignore\",\"action\":\"accept\"}",
		"{\"action\":\"accept\"}",
		"{\"action\":\"accept\",\"targets\":{}}",
		"{\"action\":\"accept\",\"targets\":[]}",
		"{\"action\":\"accept\",\"targets\":[\"codex\"]}",
		"{\"action\":\"accept\",\"targets\":[{}]}",
		"{\"action\":\"accept\",\"targets\":[{\"agent\":\"\"}]}",
		"{\"action\":\"accept\",\"targets\":[{\"agent\":\"a\\u0000b\"}]}",
		"{\"action\":\"accept\",\"targets\":[{\"agent\":\"a\"},{\"agent\":\"a\"}]}",
		"{\"action\":\"accept\",\"targets\":[{\"agent\":\"a\",\"timeout\":0}]}",
		"{\"action\":\"accept\",\"targets\":[{\"agent\":\"a\",\"timeout\":-5}]}",
		"{\"action\":\"accept\",\"targets\":[{\"agent\":\"a\",\"timeout\":1e300}]}",
		"{\"action\":\"accept\",\"targets\":[{\"agent\":\"a\",\"timeout\":\"60\"}]}",
		"{\"action\":\"ignore\"} {}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct policy_decision decision = { .action = POLICY_CANCEL, .rule = "untouched" };
		struct err err = { 0 };

		if (answer_decide(bad[i], strlen(bad[i]), &decision, &err) == 0)
			fail_msg("%s: taken", bad[i]);
		assert_int_equal(err.code, ERR_POLICY);
		assert_int_equal(decision.action, POLICY_CANCEL);
		assert_string_equal(decision.rule, "untouched");
	}
}

static void too_many_or_too_long(void **state)
{
	struct policy_decision decision;
	struct err err;
	struct buf text = { 0 };
	char name[200];

	(void)state;
	buf_appendf(&text, "{\"action\":\"accept\",\"targets\":[");
	for (int i = 0; i < POLICY_TARGETS + 1; i++)
		buf_appendf(&text, "%s{\"agent\":\"a%d\"}", i ? "," : "", i);
	buf_appendf(&text, "]}");
	assert_int_equal(answer_decide(text.bytes, text.len, &decision, &err), -1);
	assert_non_null(strstr(err.text, "9 agents"));

	memset(name, 'x', sizeof(name));
	buf_clear(&text);
	buf_appendf(&text, "{\"action\":\"accept\",\"targets\":[{\"agent\":\"%.*s\"}]}", 128, name);
	assert_int_equal(answer_decide(text.bytes, text.len, &decision, &err), -1);
	assert_non_null(strstr(err.text, "too long"));
	buf_done(&text);
}

static int rendered(const char *text, struct buf *prompt, enum policy_rendered *kind,
		    struct err *err)
{
	return answer_render(text, strlen(text), prompt, kind, err);
}

static void prompts(void **state)
{
	static const char *const bad[] = { "{}",
					   "{\"prompt\":\"\"}",
					   "{\"prompt\":\" \\n\\t\"}",
					   "{\"prompt\":7}",
					   "{\"prompt\":\"\\u0000\"}",
					   "{\"needs\":\"money\"}" };
	struct buf prompt = { 0 };
	struct err err;
	enum policy_rendered kind = RENDERED_EVENT;

	(void)state;
	assert_int_equal(rendered("{\"prompt\":\"do\\u0000 it\"}", &prompt, &kind, &err), 0);
	assert_string_equal(prompt.bytes, "do it");
	assert_int_equal(kind, RENDERED_TEXT);
	assert_int_equal(rendered("{\"needs\":\"issue\"}", &prompt, &kind, &err), 0);
	assert_int_equal(kind, RENDERED_NEEDS_ISSUE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(rendered(bad[i], &prompt, &kind, &err), -1);
		assert_int_equal(err.code, ERR_POLICY);
	}
	assert_string_equal(prompt.bytes, "do it");
	assert_int_equal(kind, RENDERED_NEEDS_ISSUE);
	buf_done(&prompt);
}

static void reports(void **state)
{
	static const char *const bad[] = { "[]", "{\"comment\":{}}", "{\"state\":true}",
					   "{\"comment\":\"x\",\"state\":[]}" };
	char *comment, *set;
	struct err err;
	const char both[] = "{\"comment\":\"done\",\"state\":\"in_review\"}";
	const char none[] = "{\"comment\":\"\",\"state\":null}";

	(void)state;
	assert_int_equal(answer_callback(both, strlen(both), &comment, &set, &err), 0);
	assert_string_equal(comment, "done");
	assert_string_equal(set, "in_review");
	free(comment);
	free(set);
	assert_int_equal(answer_callback(none, strlen(none), &comment, &set, &err), 0);
	assert_null(comment);
	assert_null(set);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(answer_callback(bad[i], strlen(bad[i]), &comment, &set, &err), -1);
		assert_int_equal(err.code, ERR_POLICY);
		assert_null(comment);
	}
}

static void a_report_is_bounded(void **state)
{
	char *comment, *set;
	struct err err;
	struct buf text = { 0 };

	(void)state;
	buf_appendf(&text, "{\"comment\":\"%0*d\"}", (1 << 20) + 1, 0);
	assert_int_equal(answer_callback(text.bytes, text.len, &comment, &set, &err), -1);
	buf_clear(&text);
	buf_appendf(&text, "{\"state\":\"%065d\"}", 0);
	assert_int_equal(answer_callback(text.bytes, text.len, &comment, &set, &err), -1);
	buf_done(&text);
}

static void mistakes_become_lines(void **state)
{
	static const char *const bad[] = { "{}", "{\"mistakes\":\"x\"}", "{\"mistakes\":[1]}",
					   "{\"mistakes\":{\"a\":1}}",
					   "{\"mistakes\":[\"a\",{}]}" };
	struct buf lines = { 0 };
	struct err err;
	size_t count = 7;
	const char two[] = "{\"mistakes\":[\"a.lua:1: b\",\"c\"]}";

	(void)state;
	assert_int_equal(answer_load(two, strlen(two), &lines, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(lines.bytes, "a.lua:1: b\nc\n");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(answer_load(bad[i], strlen(bad[i]), &lines, &count, &err), -1);
	assert_int_equal(count, 2);
	assert_string_equal(lines.bytes, "a.lua:1: b\nc\n");
	assert_int_equal(answer_load("{\"mistakes\":[]}", 15, &lines, &count, &err), 0);
	assert_int_equal(count, 0);
	buf_done(&lines);
}

static void rules_are_a_text(void **state)
{
	struct buf out = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(answer_rules("{\"text\":\"1 a\\n\"}", 16, &out, &err), 0);
	assert_string_equal(out.bytes, "1 a\n");
	assert_int_equal(answer_rules("{}", 2, &out, &err), -1);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_accepted_event),
		cmocka_unit_test(the_other_actions),
		cmocka_unit_test(long_texts_are_cut_between_characters),
		cmocka_unit_test(decisions_that_are_none),
		cmocka_unit_test(too_many_or_too_long),
		cmocka_unit_test(prompts),
		cmocka_unit_test(reports),
		cmocka_unit_test(a_report_is_bounded),
		cmocka_unit_test(mistakes_become_lines),
		cmocka_unit_test(rules_are_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
