#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/redact.h"
#include "gateway/gateway.h"
#include "gateway/request.h"

static json_t *described(struct config_agent *agent, const struct gateway_http *http)
{
	struct err err;
	const struct gateway_spec spec = {
		.agent = agent,
		.run_id = "run-1",
		.key = "run-1",
		.prompt = "Do it",
		.prompt_len = 5,
		.http = http,
		.event = "issue.assigned",
		.delivery = "d1",
		.timeout = 60000,
	};
	json_t *shown = gateway_describe(&spec, &err);

	assert_non_null(shown);
	return shown;
}

static bool has_header(const json_t *shown, const char *name)
{
	size_t i;
	json_t *item;

	json_array_foreach(json_at(shown, "headers"), i, item)
	{
		if (strcmp(json_string_value(item), name) == 0)
			return true;
	}
	return false;
}

static void describes_each_type_without_secrets(void **state)
{
	struct config_agent agent = { .name = "a",
				      .type = "openclaw",
				      .mode = "agent",
				      .url = "http://127.0.0.1:1",
				      .token = "token-of-the-gateway" };

	(void)state;
	redact_add(agent.token);
	json_t *shown = described(&agent, NULL);
	assert_string_equal(json_str(shown, "url"), "http://127.0.0.1:1/hooks/agent");
	assert_true(has_header(shown, "Authorization"));
	assert_non_null(strstr(json_str(shown, "body"), "\"idempotencyKey\":\"run-1\""));
	char *text = json_text(shown);
	assert_null(strstr(text, agent.token));
	free(text);
	json_decref(shown);

	agent.type = "openprx";
	shown = described(&agent, NULL);
	assert_string_equal(json_str(shown, "url"), "http://127.0.0.1:1/webhook?mode=async");
	assert_true(has_header(shown, "X-Idempotency-Key"));
	json_decref(shown);
	redact_clear();
}

static void a_webhook_has_its_headers_and_signatures(void **state)
{
	struct config_pair headers[] = { { "X-Api-Key", "k" }, { "content-type", "text/x" } };
	struct config_agent agent = { .name = "a",
				      .type = "webhook",
				      .url = "https://h.example.com/x",
				      .secret =
					  "whsec_b3BlbnByLXdlYmhvb2sgdGVzdHMgaXRzIGZvcndhcmRz",
				      .headers = headers,
				      .header_count = 2,
				      .standard_webhooks = true };
	struct gateway_http http = gateway_http_of(&agent);

	(void)state;
	http.body = "\xff\x00x";
	http.body_len = 3;
	json_t *shown = described(&agent, &http);
	static const char *const names[] = { "Content-Type",	    "X-Api-Key",
					     "X-Webhook-Event",	    "X-Webhook-Delivery",
					     "X-Webhook-Signature", "webhook-id",
					     "webhook-timestamp",   "webhook-signature" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_true(has_header(shown, names[i]));
	assert_false(has_header(shown, "content-type"));
	assert_true(json_is_null(json_object_get(shown, "body"))); /* not UTF-8 */
	json_decref(shown);
}

static void only_the_origin_is_shown(void **state)
{
	static const char *const cases[][2] = {
		{ "https://h.example.com/secret/path?key=1", "https://h.example.com" },
		{ "http://127.0.0.1:80?x", "http://127.0.0.1:80" },
		{ "http://[::1]:80#x", "http://[::1]:80" },
		{ "https://h", "https://h" },
		{ "nothing", "" },
	};
	char origin[ORIGIN_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request_origin(cases[i][0], origin);
		assert_string_equal(origin, cases[i][1]);
	}
	request_origin(NULL, origin);
	assert_string_equal(origin, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(describes_each_type_without_secrets),
		cmocka_unit_test(a_webhook_has_its_headers_and_signatures),
		cmocka_unit_test(only_the_origin_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
