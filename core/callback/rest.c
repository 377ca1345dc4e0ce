#include "callback/rest.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "callback/judge.h"

#define TIMEOUT 15000			/* ms */
#define MAX_ANSWER (16 * 1024 * 1024)	/* a description may be long, and comes back */
#define MAX_LIST (1024LL * 1024 * 1024) /* passes by, is not kept */

/* Without it OpenPR words its messages in Chinese. */
static const char *const headers[] = { "Accept: application/json", "Accept-Language: en", NULL };

static char *make_url(const struct config *config, const char *path)
{
	struct buf url = { 0 };

	if (buf_appendf(&url, "%s/api/v1%s", config->openpr.api_url, path) < 0)
		return NULL;
	return buf_take(&url, NULL);
}

/* ---- one exchange ---- */

static openpr_result exchange(const struct call *call, struct http_request *request,
			      struct http_response *response, const char *path, struct err *err)
{
	const bool reading = strcmp(request->method, "GET") == 0;
	_cleanup_free_ char *url = make_url(call->config, path);

	memset(response, 0, sizeof(*response));
	if (!url) {
		err_set(err, ERR_NOMEM, "no memory for a request");
		return OPENPR_RETRY;
	}
	request->url = url;
	request->bearer = call->token;
	request->headers = headers;
	request->timeout = call->deadline - clock_mono();
	if (http_call(call->http, request, response, err) == 0)
		return OPENPR_OK;
	return judge_silence(response->sent, err->code, reading);
}

openpr_result rest_call(const struct call *call, const char *method, const char *path,
			const json_t *body, json_t **data, struct err *err)
{
	_cleanup_free_ char *text = body ? json_text(body) : NULL;
	struct http_request request = {
		.method = method,
		.body = text,
		.body_len = text ? strlen(text) : 0,
		.max_response = MAX_ANSWER,
	};
	struct http_response response;

	if (body && !text) {
		err_set(err, ERR_NOMEM, "no memory for a request");
		return OPENPR_RETRY;
	}
	openpr_result result = exchange(call, &request, &response, path, err);
	if (result == OPENPR_OK)
		result =
		    judge_rest(response.status, response.body.bytes, response.body.len, data, err);
	if (result != OPENPR_OK)
		err_prefix(err, "%s %s", method, path);
	http_response_done(&response);
	return result;
}

/* ---- the channel ---- */

static void issue_path(char path[static 256], const char *issue_id, const char *what)
{
	snprintf(path, 256, "/issues/%s%s", issue_id, what);
}

static openpr_result get_issue(const struct call *call, const char *issue_id, json_t **data,
			       struct err *err)
{
	char path[256];

	issue_path(path, issue_id, "");
	return rest_call(call, "GET", path, NULL, data, err);
}

static openpr_result get_labels(const struct call *call, const char *issue_id, json_t **data,
				struct err *err)
{
	char path[256];

	issue_path(path, issue_id, "/labels");
	return rest_call(call, "GET", path, NULL, data, err);
}

static openpr_result list_comments(const struct call *call, const char *issue_id, const char *mark,
				   const char *author, struct comments *comments, struct err *err)
{
	char path[256];
	struct http_request request = {
		.method = "GET",
		.max_response = MAX_LIST,
		.sink = comments_feed,
		.sink_arg = comments,
	};
	struct http_response response;

	comments_start(comments, mark, author, NULL);
	issue_path(path, issue_id, "/comments");
	openpr_result result = exchange(call, &request, &response, path, err);
	if (result == OPENPR_OK)
		result = comments_judge(comments, response.status, err);
	comments->date = response.date;
	if (result != OPENPR_OK)
		err_prefix(err, "GET %s", path);
	http_response_done(&response);
	return result;
}

static openpr_result send_one(const struct call *call, const char *method, const char *path,
			      const char *key, const char *text, struct err *err)
{
	json_t *body = json_pack("{s:s}", key, text);
	json_t *data = NULL;

	if (!body) {
		err_set(err, ERR_NOMEM, "no memory for a request");
		return OPENPR_RETRY;
	}
	const openpr_result result = rest_call(call, method, path, body, &data, err);
	json_decref(body);
	json_decref(data);
	return result;
}

static openpr_result post_comment(const struct call *call, const char *issue_id, const char *text,
				  struct err *err)
{
	char path[256];

	issue_path(path, issue_id, "/comments");
	return send_one(call, "POST", path, "content", text, err);
}

static openpr_result put_state(const struct call *call, const char *issue_id, const char *state,
			       struct err *err)
{
	char path[256];

	issue_path(path, issue_id, "");
	return send_one(call, "PUT", path, "state", state, err);
}

const struct channel rest_channel = {
	.timeout = TIMEOUT,
	.issue = get_issue,
	.labels = get_labels,
	.comments = list_comments,
	.comment = post_comment,
	.set_state = put_state,
};
