/* Type webhook: one request, signed as OpenPR signs and as standardwebhooks.com says. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hmac.h"
#include "base/utf8.h"
#include "gateway/talk.h"

#define SHOWN_MOST 2048u /* bytes of an answer that are reported */
#define PREFIX "whsec_"

struct gateway_http gateway_http_of(const struct config_agent *agent)
{
	return (struct gateway_http){
		.method = agent->method ? agent->method : "POST",
		.url = agent->url,
		.headers = agent->headers,
		.header_count = agent->header_count,
		.secret = agent->secret,
		.standard_webhooks = agent->standard_webhooks,
		.allow_private = agent->allow_private,
	};
}

/* ---- signing ---- */

static int sign(const void *key, size_t key_len, const struct buf *text,
		unsigned char digest[HMAC_SIZE], struct err *err)
{
	struct hmac *hmac = hmac_new(key, key_len, err);
	const int rc =
	    hmac ? hmac_sign(hmac, text->bytes ? text->bytes : "", text->len, digest, err) : -1;

	hmac_free(hmac);
	return rc;
}

/* As OpenPR does it: over the body alone. */
static int sign_body(const struct gateway_http *http, struct request *request, struct err *err)
{
	const struct buf body = { .bytes = request->body, .len = request->body_len };
	unsigned char digest[HMAC_SIZE];
	char hex[2 * HMAC_SIZE + 1];

	if (sign(http->secret, strlen(http->secret), &body, digest, err) < 0)
		return -1;
	for (int i = 0; i < HMAC_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return request_header(request, err, "X-Webhook-Signature: sha256=%s", hex);
}

/* Standard Webhooks 1.0: base64 of HMAC-SHA256 over "id.timestamp.body", the key being the base64
 * behind whsec_. */
static int sign_standard(const struct gateway_spec *spec, struct request *request, struct err *err)
{
	const char *secret = spec->http->secret;
	const long long now = clock_wall() / 1000;
	unsigned char digest[HMAC_SIZE];
	struct buf text = { 0 };
	size_t key_len = 0;
	_cleanup_free_ char *signature = NULL;
	int rc = -1;

	if (strncmp(secret, PREFIX, strlen(PREFIX)) == 0)
		secret += strlen(PREFIX);
	_cleanup_free_ unsigned char *key = base64_decode(secret, strlen(secret), &key_len);
	if (!key)
		return err_set(err, ERR_CONFIG, "the secret is no " PREFIX "... of base64");
	if (buf_appendf(&text, "%s.%lld.", spec->key, now) < 0 ||
	    buf_append(&text, request->body, request->body_len) < 0)
		err_set(err, ERR_NOMEM, "no memory for a request");
	else if (sign(key, key_len, &text, digest, err) == 0 &&
		 (signature = base64_encode(digest, sizeof(digest))))
		rc = request_header(request, err, "webhook-id: %s", spec->key) < 0 ||
			     request_header(request, err, "webhook-timestamp: %lld", now) < 0 ||
			     request_header(request, err, "webhook-signature: v1,%s", signature) < 0
			 ? -1
			 : 0;
	explicit_bzero(key, key_len);
	buf_done(&text);
	return rc;
}

static int sign_all(const struct gateway_spec *spec, struct request *request, struct err *err)
{
	const struct gateway_http *http = spec->http;

	if (!http->secret)
		return 0;
	if (sign_body(http, request, err) < 0)
		return -1;
	return http->standard_webhooks ? sign_standard(spec, request, err) : 0;
}

/* ---- asking ---- */

/* What came from the event must stay one header. */
static int event_header(struct request *request, const char *name, const char *value,
			struct err *err)
{
	if (!value || !value[0] || strlen(value) > 256)
		return 0;
	for (const char *c = value; *c; c++)
		if (*c <= ' ' || *c > '~')
			return 0;
	return request_header(request, err, "%s: %s", name, value);
}

static int add_headers(const struct gateway_spec *spec, struct request *request, struct err *err)
{
	const struct gateway_http *http = spec->http;

	request->content_type = http->content_type;
	for (size_t i = 0; i < http->header_count; i++) {
		const struct config_pair *header = &http->headers[i];
		if (strcasecmp(header->name, "Content-Type") == 0)
			request->content_type = header->value;
		else if (request_header(request, err, "%s: %s", header->name, header->value) < 0)
			return -1;
	}
	if (event_header(request, "X-Webhook-Event", spec->event, err) < 0)
		return -1;
	return event_header(request, "X-Webhook-Delivery", spec->delivery, err);
}

static int ask(const struct gateway_spec *spec, struct request *request, struct err *err)
{
	const struct gateway_http *http = spec->http;

	request->method = http->method;
	request->public_only = !http->allow_private;
	request->timeout = spec->timeout;
	request->body = malloc(http->body_len + 1);
	if (!request->body)
		return err_set(err, ERR_NOMEM, "no memory for a request");
	if (http->body_len > 0)
		memcpy(request->body, http->body, http->body_len);
	request->body[http->body_len] = '\0';
	request->body_len = http->body_len;
	if (request_url(request, http->url, "", err) < 0 || add_headers(spec, request, err) < 0)
		return -1;
	return sign_all(spec, request, err);
}

/* ---- its answer ---- */

/* Short text is worth telling; pages and binary data are not. */
static bool worth_telling(const struct buf *body)
{
	return body->len > 0 && body->len <= SHOWN_MOST && body->bytes[0] != '<' &&
	       utf8_valid(body->bytes, body->len) && !memchr(body->bytes, '\0', body->len) &&
	       strspn(body->bytes, " \t\r\n") < body->len;
}

static void judge(struct gateway *talk, const struct request *request,
		  const struct http_response *response)
{
	const char *what = talk_spec(talk)->http->what ? talk_spec(talk)->http->what
						       : "The event was handed on to";
	char origin[ORIGIN_SIZE];

	if (response->status < 200 || response->status > 299) {
		talk_refused(talk, response);
		return;
	}
	request_origin(request->url, origin);
	talk_taken(talk, NULL);
	if (worth_telling(&response->body))
		talk_success(talk, "%s %s, which answered %ld:\n\n%s", what, origin,
			     response->status, response->body.bytes);
	else
		talk_success(talk, "%s %s, which answered %ld.", what, origin, response->status);
}

const struct talk_type talk_webhook = {
	.name = "the webhook",
	.ask = ask,
	.judge = judge,
	.repeatable = true, /* as webhooks are: the receiver tells repetitions apart by their id */
};
