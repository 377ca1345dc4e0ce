#include "http/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/address.h"

#include "http/global.h"

#define CONNECT_TIMEOUT 5000 /* ms */
#define USER_AGENT "openpr-webhook/" OPW_VERSION

struct http {
	CURL *easy;
	const atomic_bool *stop;
	char reason[CURL_ERROR_SIZE]; /* written by libcurl */
};

/* One http_call(), as the callbacks see it. */
struct exchange {
	const struct http *http;
	const struct http_request *request;
	struct http_response *response;
	size_t received;
	bool too_large, no_memory;
};

struct http *http_new(const atomic_bool *stop, struct err *err)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http)
		http->easy = global_handle();
	if (!http || !http->easy) {
		free(http);
		err_set(err, ERR_NOMEM, "cannot set up libcurl");
		return NULL;
	}
	http->stop = stop;
	return http;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	curl_easy_cleanup(http->easy);
	free(http);
}

void http_response_done(struct http_response *response)
{
	buf_done(&response->body);
}

static bool stopped(const struct http *http)
{
	return http->stop && atomic_load(http->stop);
}

/* Called between connecting (TLS included) and sending: from here on the peer may see it. */
static int on_ready(void *arg, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
	struct exchange *exchange = arg;

	(void)peer_ip, (void)own_ip, (void)peer_port, (void)own_port;
	if (stopped(exchange->http))
		return CURL_PREREQFUNC_ABORT;
	exchange->response->sent = true;
	return CURL_PREREQFUNC_OK;
}

/* What a name resolved to, right before connecting to it. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *exchange = arg;

	(void)purpose;
	if (!address_is_public(&address->addr)) {
		exchange->response->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int on_progress(void *arg, curl_off_t to_get, curl_off_t got, curl_off_t to_send,
		       curl_off_t sent)
{
	const struct exchange *exchange = arg;

	(void)to_get, (void)got, (void)to_send, (void)sent;
	return stopped(exchange->http);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct exchange *exchange = arg;
	const struct http_request *request = exchange->request;
	const size_t len = size * count;

	if (len > request->max_response - exchange->received) {
		exchange->too_large = true;
		return 0;
	}
	exchange->received += len;
	if (request->sink)
		request->sink(request->sink_arg, bytes, len);
	else if (buf_append(&exchange->response->body, bytes, len) < 0) {
		exchange->no_memory = true;
		return 0;
	}
	return len;
}

static int add_header(struct curl_slist **headers, const char *header)
{
	/* A line end inside would be a second header. */
	if (strpbrk(header, "\r\n"))
		return -1;
	struct curl_slist *more = curl_slist_append(*headers, header);
	if (!more)
		return -1;
	*headers = more;
	return 0;
}

static int make_headers(const struct http_request *request, struct curl_slist **headers,
			struct err *err)
{
	struct buf line = { 0 };
	int rc = 0;

	/* libcurl would ask "Expect: 100-continue" before large bodies and wait for the answer. */
	rc |= add_header(headers, "Expect:");
	if (request->body)
		rc |=
		    buf_appendf(&line, "Content-Type: %s",
				request->content_type ? request->content_type : "application/json");
	rc |= add_header(headers, request->body && line.bytes ? line.bytes : "Content-Type:");
	buf_clear(&line);
	for (size_t i = 0; request->headers && request->headers[i]; i++)
		rc |= add_header(headers, request->headers[i]);
	if (request->bearer) {
		rc |= buf_appendf(&line, "Authorization: Bearer %s", request->bearer);
		rc |= line.bytes ? add_header(headers, line.bytes) : -1;
	}
	buf_done(&line);
	return rc == 0 ? 0 : err_set(err, ERR_CONFIG, "a header or token cannot be sent as it is");
}

static void set_limits(struct http *http, const struct http_request *request)
{
	CURL *easy = http->easy;

	curl_easy_reset(easy); /* keeps connections */
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->reason);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
			 request->timeout > 0 ? (long)request->timeout : 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT);
	/* A name that does not resolve must not hold up the end of a call that was stopped. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

static void set_request(struct http *http, const struct http_request *request,
			struct exchange *exchange, struct curl_slist *headers)
{
	CURL *easy = http->easy;
	const bool get = strcmp(request->method, "GET") == 0;

	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	if (request->unix_socket)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
	if (request->direct || request->public_only)
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (request->public_only) {
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, exchange);
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	if (!get) { /* without a body too: a length of 0 is said */
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)(!get || request->public_only));
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, exchange);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
}

static int explain(const struct exchange *exchange, CURLcode code, struct err *err)
{
	const char *reason = exchange->http->reason;

	if (stopped(exchange->http))
		return err_set(err, ERR_CONFLICT, "stopped");
	if (exchange->too_large)
		return err_set(err, ERR_FULL, "the answer is larger than %zu bytes",
			       exchange->request->max_response);
	if (exchange->response->refused)
		return err_set(err, ERR_CONFLICT, "its address is private");
	if (exchange->no_memory || code == CURLE_OUT_OF_MEMORY)
		return err_set(err, ERR_NOMEM, "no memory for the answer");
	return err_set(err, code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_IO, "%s",
		       reason[0] ? reason : curl_easy_strerror(code));
}

static int64_t date_of(CURL *easy)
{
	struct curl_header *header = NULL;

	if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return 0;
	const time_t seconds = curl_getdate(header->value, NULL);
	return seconds > 0 ? (int64_t)seconds * 1000 : 0;
}

static int64_t retry_after(CURL *easy)
{
	curl_off_t secs = 0; /* stays so without the header, and for one that says 0 */

	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &secs);
	return secs > 0 && secs < INT64_MAX / 1000 ? (int64_t)secs * 1000 : -1;
}

int http_call(struct http *http, const struct http_request *request, struct http_response *response,
	      struct err *err)
{
	struct exchange exchange = { .http = http, .request = request, .response = response };
	struct curl_slist *headers = NULL;
	int rc = -1;

	*response = (struct http_response){ .retry_after = -1 };
	http->reason[0] = '\0';
	if (make_headers(request, &headers, err) < 0)
		goto out;
	set_limits(http, request);
	set_request(http, request, &exchange, headers);
	const CURLcode code = curl_easy_perform(http->easy);
	if (code != CURLE_OK) {
		rc = explain(&exchange, code, err);
		goto out;
	}
	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &response->status);
	response->date = date_of(http->easy);
	response->retry_after = retry_after(http->easy);
	rc = 0;
out:
	curl_slist_free_all(headers);
	return rc;
}
