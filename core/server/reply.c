#include "server/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "server/conn.h"
#include "server/loop.h"

#define JSON_TYPE "application/json"

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 202, "Accepted" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 413, "Payload Too Large" },
		{ 417, "Expectation Failed" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

static void add(h2o_req_t *req, const h2o_token_t *name, const char *value)
{
	const h2o_iovec_t copy = h2o_strdup(&req->pool, value, strlen(value));

	h2o_add_header(&req->pool, &req->res.headers, name, NULL, copy.base, copy.len);
}

/* Near a limit or the end, a connection is worth more to somebody else. */
static bool must_close(const struct conn *conn, const struct reply *reply)
{
	return reply->close || conn->loop->stop_at || crowd_full(conn->loop->site->crowd);
}

void reply_send(struct conn *conn, const struct reply *reply)
{
	h2o_req_t *req = conn->req;
	char seconds[16];

	req->res.status = reply->status;
	req->res.reason = reason_of(reply->status);
	req->res.content_length = reply->len;
	add(req, H2O_TOKEN_CONTENT_TYPE, reply->type ? reply->type : JSON_TYPE);
	if (reply->allow)
		h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("allow"), 0, NULL,
				      reply->allow, strlen(reply->allow));
	if (reply->bearer)
		h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("www-authenticate"),
				      0, NULL, H2O_STRLIT("Bearer"));
	if (reply->retry_after > 0) {
		snprintf(seconds, sizeof(seconds), "%d", reply->retry_after);
		const h2o_iovec_t value = h2o_strdup(&req->pool, seconds, strlen(seconds));
		h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("retry-after"), 0,
				      NULL, value.base, value.len);
	}
	if (must_close(conn, reply))
		req->http1_is_persistent = 0;
	conn_answering(conn);
	h2o_send_inline(req, reply->body, reply->len);
}

static char *error_json(const char *text)
{
	json_t *object = json_pack("{s:s}", "error", text);
	char *json = object ? json_text(object) : NULL;

	json_decref(object);
	return json;
}

void reply_error(struct conn *conn, int status, const char *text)
{
	char *json = error_json(text);
	const char *body = json ? json : "{\"error\":\"out of memory\"}";

	reply_send(conn, &(struct reply){ .status = status, .body = body, .len = strlen(body) });
	free(json);
}

char *reply_raw(int status, const char *text, size_t *len)
{
	char body[256], *raw;
	const int body_len = snprintf(body, sizeof(body), "{\"error\":\"%s\"}", text);
	const int raw_len = asprintf(&raw,
				     "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %d\r\n"
				     "Content-Type: " JSON_TYPE "\r\n\r\n%s",
				     status, reason_of(status), body_len, body);

	if (raw_len < 0)
		abort();
	*len = (size_t)raw_len;
	return raw;
}

/* ---- libh2o's own errors ---- */

struct restated {
	h2o_ostream_t super;
	h2o_iovec_t body;
};

static void restate_send(h2o_ostream_t *super, h2o_req_t *req, h2o_iovec_t *bufs, size_t count,
			 h2o_send_state_t state)
{
	struct restated *restated = (struct restated *)super;

	h2o_ostream_send_next(super, req, count > 0 ? &restated->body : bufs, count > 0 ? 1 : 0,
			      state);
}

static void restate(h2o_filter_t *filter, h2o_req_t *req, h2o_ostream_t **slot)
{
	struct conn *conn = conn_of(req);

	(void)filter;
	if (conn->state == CONN_READING) { /* no handler was called: it is not ours */
		struct restated *restated =
		    (struct restated *)h2o_add_ostream(req, sizeof(*restated), slot);
		char body[128];

		snprintf(body, sizeof(body), "{\"error\":\"%s\"}",
			 req->res.status == 413 ? "the body is too large" : "malformed body");
		restated->super.do_send = restate_send;
		restated->body = h2o_strdup(&req->pool, body, SIZE_MAX);
		memset(&req->res.headers, 0, sizeof(req->res.headers));
		add(req, H2O_TOKEN_CONTENT_TYPE, JSON_TYPE);
		req->res.content_length = restated->body.len;
		conn_count(conn, req->res.status == 413 ? REFUSED_TOO_LARGE : REFUSED_BAD_HEAD);
		slot = &restated->super.next;
	}
	h2o_setup_next_ostream(req, slot);
}

void reply_register(h2o_pathconf_t *path)
{
	h2o_create_filter(path, sizeof(h2o_filter_t))->on_setup_ostream = restate;
}
