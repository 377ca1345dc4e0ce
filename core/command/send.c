/* `send`: one event, signed and posted as OpenPR does it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hmac.h"
#include "command/check.h"
#include "command/command.h"
#include "command/example.h"
#include "command/input.h"
#include "command/print.h"
#include "http/http.h"

#define TIMEOUT 15000 /* ms; OpenPR itself waits 10 s */
#define MAX_ANSWER (1024 * 1024)

/* ---- what is sent ---- */

static int make_body(const struct command_line *line, const struct config *config, struct buf *body,
		     struct err *err)
{
	if (line->example)
		return example_make(config, line->example, body, err);
	return input_read(line->argument, body, err);
}

/* ---- where it goes ---- */

/* An address to listen on as one to call: "0.0.0.0:8091" is reached by "127.0.0.1:8091". */
static int own_url(const char *listen, struct buf *url, struct err *err)
{
	const char *colon = strrchr(listen, ':');
	const int len = colon ? (int)(colon - listen) : 0;

	if (!colon || strcmp(colon, ":0") == 0)
		return err_set(err, ERR_CONFIG,
			       "webhook.listen = \"%s\" names no port; name one with --to", listen);
	const bool any4 = len == 0 || (len == 7 && strncmp(listen, "0.0.0.0", 7) == 0);
	const bool any6 = len == 4 && strncmp(listen, "[::]", 4) == 0;
	const int rc = any4 || any6 ? buf_appendf(url, "http://%s%s/webhook",
						  any6 ? "[::1]" : "127.0.0.1", colon)
				    : buf_appendf(url, "http://%s/webhook", listen);
	return rc < 0 ? err_set(err, ERR_NOMEM, "out of memory") : 0;
}

/* "http://host:8091" means its /webhook. */
static int given_url(const char *to, struct buf *url, struct err *err)
{
	const char *host = strncmp(to, "http://", 7) == 0    ? to + 7
			   : strncmp(to, "https://", 8) == 0 ? to + 8
							     : NULL;

	if (!host || !*host)
		return err_set(err, ERR_INVALID, "--to wants http://... or https://..., not \"%s\"",
			       to);
	const char *path = strchr(host, '/');
	if (buf_appendf(url, "%s%s", to, !path ? "/webhook" : path[1] ? "" : "webhook") < 0)
		return err_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

/* ---- the exchange ---- */

static int sign(const struct config *config, const struct buf *body, char header[128],
		struct err *err)
{
	const char *secret = config->webhook.secrets[0];
	struct hmac *hmac = hmac_new(secret, strlen(secret), err);
	unsigned char sum[HMAC_SIZE];
	int at = snprintf(header, 128, "X-Webhook-Signature: sha256=");

	if (!hmac)
		return -1;
	const int rc = hmac_sign(hmac, body->bytes ? body->bytes : "", body->len, sum, err);
	hmac_free(hmac);
	for (size_t i = 0; rc == 0 && i < HMAC_SIZE; i++)
		at += snprintf(header + at, 128 - (size_t)at, "%02x", sum[i]);
	return rc;
}

/* What OpenPR says beside the body; nothing relies on it, so a body that is no event has none. */
static void name_event(const json_t *event, char name[256], char delivery[256])
{
	const char *what = json_str(event, "event"), *id = json_str(event, "id");

	snprintf(name, 256, "X-Webhook-Event: %.200s", what ? what : "unknown");
	snprintf(delivery, 256, "X-Webhook-Delivery: %.200s", id ? id : "unknown");
	name[strcspn(name, "\r\n")] = '\0';
	delivery[strcspn(delivery, "\r\n")] = '\0';
}

static int post(const struct config *config, const char *url, bool own, const struct buf *body,
		struct http_response *response, struct err *err)
{
	char signature[128], name[256], delivery[256];
	const char *headers[] = { signature, name, delivery, NULL };
	const struct http_request request = {
		.method = "POST",
		.url = url,
		.direct = own,
		.headers = headers,
		.body = body->bytes ? body->bytes : "",
		.body_len = body->len,
		.timeout = TIMEOUT,
		.max_response = MAX_ANSWER,
	};
	struct err ignored;
	json_t *event = json_parse(request.body, request.body_len, &ignored);

	name_event(event, name, delivery);
	json_decref(event);
	struct http *http = sign(config, body, signature, err) == 0 ? http_new(NULL, err) : NULL;
	const int rc = http ? http_call(http, &request, response, err) : -1;
	http_free(http);
	return rc;
}

/* ---- what came of it ---- */

static const char *remedy(long status, const json_t *answer)
{
	const char *why = json_str(answer, "error");

	if (status == 401 && why && strstr(why, "timestamp"))
		return "the event is too old, or one of the two clocks is wrong: `send --example` "
		       "makes a fresh one";
	if (status == 401)
		return "the daemon has another webhook.secret than this config.lua: one of the two "
		       "was changed, or their environments differ; restart the daemon";
	if (status == 413)
		return "raise webhook.max_body";
	if (json_str(answer, "status"))
		return "an AI task that is not taken is refused, so that OpenPR does not wait for "
		       "it; the answer says why";
	if (status == 503)
		return "look at `openpr-webhook doctor` and at the daemon's log";
	if (status == 404 || status == 405 || !answer)
		return "this is not the webhook of an openpr-webhook; look at --to and at "
		       "webhook.listen";
	return "look at the event";
}

static int show(const struct command_line *line, const char *url,
		const struct http_response *response)
{
	struct err ignored;
	json_t *answer = json_parse(response->body.bytes ? response->body.bytes : "",
				    response->body.len, &ignored);
	json_t *all = json_pack("{s:I, s:s, s:O*}", "http", (json_int_t)response->status, "url",
				url, "answer", answer);
	const bool good = response->status >= 200 && response->status <= 299 && answer;

	if (line->json) {
		print_json(all);
	} else {
		printf("http: %ld\n", response->status);
		if (json_is_object(answer))
			print_page(answer);
		fflush(stdout);
	}
	if (!good)
		command_fail(0, "%s answered %ld: %s", url, response->status,
			     remedy(response->status, answer));
	json_decref(all);
	json_decref(answer);
	return good ? EXIT_OK : EXIT_FAILED;
}

static int no_answer(const char *url, const struct http_response *response, const struct err *err)
{
	if (err->code == ERR_CONFIG)
		return command_fail(EXIT_USAGE, "%s", err->text);
	if (response->sent)
		return command_fail(EXIT_FAILED,
				    "%s took the event and gave no answer: %s; whether it was kept "
				    "is in `openpr-webhook events`",
				    url, err->text);
	return command_fail(EXIT_FAILED,
			    "%s cannot be reached: %s; is the daemon running, and does it listen "
			    "there?",
			    url, err->text);
}

static int send_it(const struct command_line *line, const struct config *config,
		   const struct buf *body)
{
	struct http_response response = { 0 };
	struct buf url = { 0 };
	struct err err;
	int code;

	if (config->webhook.secret_count == 0)
		return command_fail(EXIT_USAGE,
				    "webhook.secret is not set here, so nothing can be signed; "
				    "`openpr-webhook check` says why");
	const int rc = line->to ? given_url(line->to, &url, &err)
				: own_url(config->webhook.listen, &url, &err);
	if (rc < 0)
		code = command_fail(EXIT_USAGE, "%s", err.text);
	else if (post(config, url.bytes, !line->to, body, &response, &err) < 0)
		code = no_answer(url.bytes, &response, &err);
	else
		code = show(line, url.bytes, &response);
	http_response_done(&response);
	buf_done(&url);
	return code;
}

/* ---- the verb ---- */

static int check_usage(const struct command_line *line)
{
	if (!line->argument == !line->example)
		return command_fail(EXIT_USAGE, "send wants a file, - or --example NAME; see "
						"openpr-webhook send --help");
	if (line->print && (!line->example || line->to || line->json))
		return command_fail(EXIT_USAGE, "--print goes with --example alone");
	return EXIT_OK;
}

int command_send(const struct command_line *line)
{
	int code = check_usage(line);
	struct config *config = code == EXIT_OK ? check_config_for_client(line, &code) : NULL;
	struct buf body = { 0 };
	struct err err;

	if (!config)
		return code;
	if (make_body(line, config, &body, &err) < 0)
		code = command_fail(err.code == ERR_NOTFOUND ? EXIT_USAGE : EXIT_FAILED, "%s",
				    err.text);
	else if (line->print)
		puts(body.bytes);
	else
		code = send_it(line, config, &body);
	buf_done(&body);
	config_unref(config);
	return code;
}
