#include "openpr_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/redact.h"

struct err err;
static struct mock *mock;

int start_mock(void **state)
{
	(void)state;
	mock = mock_start();
	return 0;
}

int stop_mock(void **state)
{
	(void)state;
	mock_stop(mock);
	return 0;
}

static int set_up(void **state, enum config_callback callback)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->mock = mock;
	f->openpr = openpr_new(NULL, &err);
	snprintf(f->mcp_url, sizeof(f->mcp_url), "%s/mcp/rpc", mock_url(mock));
	f->config.openpr.api_url = (char *)mock_url(mock);
	f->config.openpr.mcp_url = f->mcp_url;
	f->config.openpr.callback = callback;
	mock_control(mock,
		     "{\"reset\": true, \"users\": ["
		     "{\"id\": \"" BOT "\", \"name\": \"ai-fixer\", \"token\": \"" TOKEN "\"},"
		     "{\"id\": \"" ANN "\", \"name\": \"Ann\", \"entity_type\": \"human\"},"
		     "{\"name\": \"other\", \"token\": \"" OTHER "\"}],"
		     "\"issues\": [{\"id\": \"" ISSUE "\", \"title\": \"Login fails\", "
		     "\"description\": \"Steps\", \"assignee_id\": \"" BOT "\", \"labels\": "
		     "[{\"id\": \"l1\", \"name\": \"bug\"}, {\"id\": \"l2\", \"name\": \"ui\"}]}],"
		     "\"tasks\": [{\"id\": \"" TASK "\", \"bot\": \"" BOT "\", \"issue\": \"" ISSUE
		     "\"}]}");
	*state = f;
	return 0;
}

int over_rest(void **state)
{
	return set_up(state, CALLBACK_API);
}

int over_mcp(void **state)
{
	return set_up(state, CALLBACK_MCP);
}

int tear_down(void **state)
{
	struct fixture *f = *state;

	openpr_free(f->openpr);
	free(f);
	redact_clear();
	return 0;
}

/* ---- short forms ---- */

openpr_result comment(struct fixture *f, const char *token, const char *issue, const char *text)
{
	return openpr_comment(f->openpr, &f->config, token, issue, text, &err);
}

openpr_result set_state(struct fixture *f, const char *issue, const char *state)
{
	return openpr_set_state(f->openpr, &f->config, TOKEN, issue, state, &err);
}

openpr_result ai_end(struct fixture *f, const char *token, bool complete, const char *body)
{
	return openpr_ai_end(f->openpr, &f->config, token, TASK, complete, body, &err);
}

json_t *nth(json_t *state, const char *list, size_t n)
{
	return json_array_get(json_at(state, list), n);
}

size_t count_comments(struct fixture *f)
{
	json_t *state = mock_state(f->mock);
	const size_t count = json_array_size(json_object_get(nth(state, "issues", 0), "comments"));

	json_decref(state);
	return count;
}

void expect_comment(struct fixture *f, size_t n, const char *text, size_t mentions)
{
	json_t *state = mock_state(f->mock);
	json_t *found = json_array_get(json_object_get(nth(state, "issues", 0), "comments"), n);

	assert_non_null(found);
	assert_string_equal(json_str(found, "body"), text);
	assert_string_equal(json_str(found, "author_id"), BOT);
	assert_int_equal(json_array_size(json_object_get(found, "mentions")), mentions);
	json_decref(state);
}
