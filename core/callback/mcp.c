#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "callback/channel.h"
#include "callback/judge.h"

/* The MCP server gives OpenPR's API 30 s a request and makes up to three of them a call
 * (openpr-contract 4.2); giving up earlier would leave us not knowing what came of a comment. */
#define TIMEOUT 45000
#define MAX_ANSWER (32 * 1024 * 1024) /* JSON within JSON */
#define MAX_LIST (1024LL * 1024 * 1024)

static const char *const headers[] = { "Accept: application/json", "Accept-Language: en", NULL };

/* Takes arguments. */
static char *make_request(const char *id, const char *tool, json_t *arguments)
{
	json_t *request =
	    json_pack("{s:s, s:s, s:s, s:{s:s, s:o}}", "jsonrpc", "2.0", "id", id, "method",
		      "tools/call", "params", "name", tool, "arguments", arguments);
	char *text = request ? json_text(request) : NULL;

	json_decref(request);
	return text;
}

/* Takes arguments. */
static openpr_result exchange(const struct call *call, const char *id, const char *tool,
			      json_t *arguments, struct comments *comments,
			      struct http_response *response, struct err *err)
{
	_cleanup_free_ char *body = make_request(id, tool, arguments);

	memset(response, 0, sizeof(*response));
	if (!body) {
		err_set(err, ERR_NOMEM, "no memory for a request");
		return OPENPR_RETRY;
	}
	const struct http_request request = {
		.method = "POST",
		.url = call->config->openpr.mcp_url,
		.bearer = call->token,
		.headers = headers,
		.body = body,
		.body_len = strlen(body),
		.timeout = call->deadline - clock_mono(),
		.max_response = comments ? MAX_LIST : MAX_ANSWER,
		.sink = comments ? comments_feed : NULL,
		.sink_arg = comments,
	};
	if (http_call(call->http, &request, response, err) == 0)
		return OPENPR_OK;
	return judge_silence(response->sent, err->code, false);
}

/* Takes arguments. */
static openpr_result call_tool(const struct call *call, const char *tool, json_t *arguments,
			       json_t **data, struct err *err)
{
	struct http_response response;
	char id[ID_SIZE];

	id_make(id);
	openpr_result result = exchange(call, id, tool, arguments, NULL, &response, err);
	if (result == OPENPR_OK)
		result = judge_mcp(response.status, response.body.bytes, response.body.len, id,
				   data, err);
	if (result != OPENPR_OK)
		err_prefix(err, "MCP %s", tool);
	http_response_done(&response);
	return result;
}

openpr_result mcp_reach(const struct call *call, struct err *err)
{
	json_t *data = NULL;
	const openpr_result result = call_tool(call, "labels.list", json_object(), &data, err);

	json_decref(data);
	return result;
}

static openpr_result get_issue(const struct call *call, const char *issue_id, json_t **data,
			       struct err *err)
{
	return call_tool(call, "work_items.get", json_pack("{s:s}", "work_item_id", issue_id), data,
			 err);
}

static openpr_result get_labels(const struct call *call, const char *issue_id, json_t **data,
				struct err *err)
{
	return call_tool(call, "work_items.list_labels",
			 json_pack("{s:s}", "work_item_id", issue_id), data, err);
}

static openpr_result list_comments(const struct call *call, const char *issue_id, const char *mark,
				   const char *author, struct comments *comments, struct err *err)
{
	struct http_response response;
	char id[ID_SIZE];

	id_make(id);
	comments_start(comments, mark, author, id);
	openpr_result result =
	    exchange(call, id, "comments.list", json_pack("{s:s}", "work_item_id", issue_id),
		     comments, &response, err);
	if (result == OPENPR_OK)
		result = comments_judge(comments, response.status, err);
	comments->date = response.date;
	if (result != OPENPR_OK)
		err_prefix(err, "MCP comments.list");
	comments->id = NULL; /* lives here */
	http_response_done(&response);
	return result;
}

static openpr_result send_one(const struct call *call, const char *tool, const char *issue_id,
			      const char *key, const char *text, struct err *err)
{
	json_t *data = NULL;
	const openpr_result result = call_tool(
	    call, tool, json_pack("{s:s, s:s}", "work_item_id", issue_id, key, text), &data, err);

	json_decref(data);
	return result;
}

static openpr_result post_comment(const struct call *call, const char *issue_id, const char *text,
				  struct err *err)
{
	return send_one(call, "comments.create", issue_id, "content", text, err);
}

static openpr_result put_state(const struct call *call, const char *issue_id, const char *state,
			       struct err *err)
{
	return send_one(call, "work_items.update", issue_id, "state", state, err);
}

const struct channel mcp_channel = {
	.timeout = TIMEOUT,
	.mcp = true,
	.issue = get_issue,
	.labels = get_labels,
	.comments = list_comments,
	.comment = post_comment,
	.set_state = put_state,
};
