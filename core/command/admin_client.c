#include "command/admin_client.h"

#include <stdio.h>
#include <string.h>

#include "http/http.h"

#define TIMEOUT 30000
#define MAX_ANSWER (64 * 1024 * 1024)
#define MAX_REFUSAL (64 * 1024)
#define FOR_EVER (20LL * 86400 * 1000) /* ms; what libcurl can count */

static enum admin_reply read_answer(const struct http_response *response, json_t **answer,
				    struct err *err)
{
	json_t *value =
	    json_parse(response->body.bytes ? response->body.bytes : "", response->body.len, err);

	if (!value) {
		err_prefix(err, "the daemon's answer");
		return ADMIN_REFUSED;
	}
	const bool good = response->status >= 200 && response->status <= 299;

	if (!good) {
		const char *why = json_str(value, "error");
		err_set(err, ERR_CONFLICT, "%s", why ? why : "the daemon refused");
	}
	if (answer)
		*answer = value;
	else
		json_decref(value);
	return good ? ADMIN_OK : ADMIN_REFUSED;
}

/* What listens on every address is asked on the loopback one. */
static void place(const struct config *config, const char *path, char *url, size_t size)
{
	const char *address = config->admin.address;
	const char *port = address ? strrchr(address, ':') : NULL;

	if (!address)
		snprintf(url, size, "http://localhost%s", path);
	else if (strncmp(address, "0.0.0.0:", 8) == 0)
		snprintf(url, size, "http://127.0.0.1%s%s", port, path);
	else if (strncmp(address, "[::]:", 5) == 0)
		snprintf(url, size, "http://[::1]%s%s", port, path);
	else
		snprintf(url, size, "http://%s%s", address, path);
}

enum admin_reply admin_call(const struct config *config, const char *method, const char *path,
			    json_t **answer, struct err *err)
{
	struct http *http = http_new(NULL, err);
	struct http_response response = { 0 };
	char url[512];
	enum admin_reply reply;

	if (!http)
		return ADMIN_REFUSED;
	place(config, path, url, sizeof(url));
	const struct http_request request = {
		.method = method,
		.url = url,
		.unix_socket = config->admin.socket,
		.bearer = config->admin.token,
		.direct = true,
		.timeout = TIMEOUT,
		.max_response = MAX_ANSWER,
	};
	if (http_call(http, &request, &response, err) == 0)
		reply = read_answer(&response, answer, err);
	else
		reply = response.sent ? ADMIN_REFUSED : ADMIN_NO_DAEMON;
	http_response_done(&response);
	http_free(http);
	return reply;
}

struct listener {
	struct sse sse;
	sse_fn *tell;
	void *ctx;
	struct buf refusal; /* JSON in the place of events */
	bool begun, failed;
};

static void take(void *arg, const char *bytes, size_t len)
{
	struct listener *listener = arg;
	const bool json = listener->refusal.len > 0 || (!listener->begun && bytes[0] == '{');

	listener->begun = true;
	if (json && listener->refusal.len + len < MAX_REFUSAL)
		buf_append(&listener->refusal, bytes, len);
	else if (!json && sse_take(&listener->sse, bytes, len, listener->tell, listener->ctx) < 0)
		listener->failed = true;
}

enum admin_reply admin_listen(const struct config *config, const char *path, sse_fn *tell,
			      void *ctx, struct err *err)
{
	struct http *http = http_new(NULL, err);
	struct http_response response = { 0 };
	struct listener listener = { .tell = tell, .ctx = ctx };
	enum admin_reply reply = ADMIN_OK;
	char url[512];

	if (!http)
		return ADMIN_REFUSED;
	place(config, path, url, sizeof(url));
	const struct http_request request = {
		.method = "GET",
		.url = url,
		.unix_socket = config->admin.socket,
		.bearer = config->admin.token,
		.direct = true,
		.timeout = FOR_EVER,
		.max_response = SIZE_MAX,
		.sink = take,
		.sink_arg = &listener,
	};
	if (http_call(http, &request, &response, err) < 0) {
		reply = response.sent ? ADMIN_REFUSED : ADMIN_NO_DAEMON;
	} else if (response.status != 200) {
		response.body = listener.refusal;
		listener.refusal = (struct buf){ 0 };
		reply = read_answer(&response, NULL, err);
	} else if (listener.failed) {
		err_set(err, ERR_NOMEM, "out of memory");
		reply = ADMIN_REFUSED;
	}
	sse_done(&listener.sse);
	buf_done(&listener.refusal);
	http_response_done(&response);
	http_free(http);
	return reply;
}
