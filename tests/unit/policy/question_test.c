#include "policy_test.h"

#include "policy/protocol.h"
#include "policy/question.h"

static json_t *written(const struct policy_event *event, const char *agent, const json_t *run)
{
	struct buf out = { 0 };
	struct err err;

	assert_int_equal(question_write(&out, event, agent, run, &err), 0);
	json_t *value = json_parse(out.bytes, out.len, &err);
	if (!value)
		fail_msg("%s: %s", out.bytes, err.text);
	buf_done(&out);
	return value;
}

static void the_smallest_question(void **state)
{
	const struct policy_event event = { .body = "{\"a\":[1]}", .body_len = 9, .now = 1500 };
	json_t *value = written(&event, NULL, NULL);

	(void)state;
	assert_int_equal(json_object_size(value), 2);
	assert_true(json_real_value(json_at(value, "now")) == 1.5);
	assert_int_equal(json_array_size(json_at(value, "body.a")), 1);
	json_decref(value);
}

static void everything_at_once(void **state)
{
	json_t *ours = json_pack("[s, s]", "id-1", "id-2");
	json_t *run = json_pack("{s:s, s:i}", "status", "success", "exit_code", 0);
	const struct policy_event event = {
		.body = "{}",
		.body_len = 2,
		.completion = "{\"issue\":{\"title\":\"T\"}}",
		.ours = ours,
		.now = 1700000000005,
	};
	json_t *value = written(&event, "say \"hi\"\n", run);

	(void)state;
	assert_string_equal(json_str(value, "completion.issue.title"), "T");
	assert_string_equal(json_str(value, "agent"), "say \"hi\"\n");
	assert_string_equal(json_str(value, "run.status"), "success");
	assert_int_equal(json_array_size(json_at(value, "ours")), 2);
	assert_true(json_real_value(json_at(value, "now")) == 1700000000.005);
	json_decref(value);
	json_decref(run);
	json_decref(ours);
}

static void a_body_has_a_bound(void **state)
{
	const size_t len = PROTOCOL_MOST / 2 + 1;
	char *body = calloc(1, len);
	const struct policy_event event = { .body = body, .body_len = len };
	struct buf out = { 0 };
	struct err err;

	(void)state;
	assert_non_null(body);
	assert_int_equal(question_write(&out, &event, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_POLICY);
	buf_done(&out);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_smallest_question),
		cmocka_unit_test(everything_at_once),
		cmocka_unit_test(a_body_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
