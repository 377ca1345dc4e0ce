/*
 * Type openclaw (docs/gateway/config-hooks.md and tools-invoke-http-api.md of OpenClaw 2026.9).
 *
 * The hook is asked twice with one key: first without waiting, so that it is known at once whether
 * the work was taken, then for its completion.  The gateway never returns what the model wrote.
 */

#include <stdlib.h>
#include <string.h>

#include "gateway/answers.h"
#include "gateway/talk.h"

#define BODY_MOST (256u * 1024) /* bytes that the gateway reads */

/* ---- agent ---- */

static void set(json_t *object, const char *name, const char *value)
{
	if (value)
		json_object_set_new(object, name, json_string(value));
}

static int make(const struct gateway_spec *spec, struct request *request, bool wait,
		struct err *err)
{
	const struct config_agent *agent = spec->agent;
	json_t *body = json_object();

	json_object_set_new(body, "message", json_stringn(spec->prompt, spec->prompt_len));
	set(body, "name", "OpenPR");
	set(body, "idempotencyKey", spec->key);
	set(body, "agentId", agent->agent_id);
	set(body, "sessionKey", agent->session);
	set(body, "model", agent->model);
	set(body, "thinking", agent->thinking);
	json_object_set_new(body, "timeoutSeconds", json_integer((spec->timeout + 999) / 1000));
	/* Without a place to deliver to, its completion would be told to its main session. */
	json_object_set_new(body, "deliver", json_boolean(agent->channel != NULL));
	set(body, "channel", agent->channel);
	set(body, "to", agent->channel ? agent->to : NULL);
	if (wait)
		json_object_set_new(body, "waitForCompletion", json_true());
	request->method = "POST";
	request->bearer = agent->token;
	request->timeout = wait ? spec->timeout : TALK_ADMISSION;
	if (request_json(request, body, err) < 0)
		return -1;
	if (request->body_len > BODY_MOST)
		return err_set(err, ERR_FULL,
			       "the prompt makes a request of %zu bytes, and OpenClaw takes %u",
			       request->body_len, BODY_MOST);
	return request_url(request, agent->url, "/hooks/agent", err);
}

static int ask(const struct gateway_spec *spec, struct request *request, struct err *err)
{
	return make(spec, request, false, err);
}

static const char *delivery(const struct gateway_spec *spec, const struct openclaw_answer *answer)
{
	if (answer->delivery_error)
		return " Its reply could not be delivered.";
	if (answer->delivered)
		return " Its reply was delivered to the chat.";
	if (answer->disposition && strcmp(answer->disposition, "visible") != 0)
		return " It had nothing to say.";
	return spec->agent->channel ? " Whether its reply was delivered is not known."
				    : " Its reply stays in its session there.";
}

static void complete(struct gateway *talk, const struct http_response *response)
{
	struct openclaw_answer answer;

	openclaw_read(response->body.bytes, response->body.len, &answer);
	const char *run = answer.run_id ? answer.run_id : "unknown";
	const char *status = answer.status ? answer.status : "";
	if (strcmp(status, "ok") == 0)
		talk_success(talk, "OpenClaw's agent has finished (its run %s).%s", run,
			     delivery(talk_spec(talk), &answer));
	else if (strcmp(status, "skipped") == 0)
		talk_fail(talk, "OpenClaw skipped its run %s", run);
	else if (strcmp(status, "error") == 0)
		talk_fail(talk,
			  "OpenClaw's agent ended with an error; OpenClaw's own log says more "
			  "about its run %s",
			  run);
	else
		talk_fail(talk, "OpenClaw did not say how its run %s ended", run);
	json_decref(answer.root);
}

/*
 * The wait is not repeated when it breaks off: OpenClaw forgets its keys when it starts again, and
 * would do the work twice.
 */
static void wait_for_end(struct gateway *talk)
{
	struct request request = { 0 };
	struct http_response response = { 0 };
	struct err err;

	if (make(talk_spec(talk), &request, true, &err) < 0) {
		talk_fail(talk, "%s", err.text);
	} else if (talk_call(talk, &request, &response, &err) == 0) {
		if (response.status == 200)
			complete(talk, &response);
		else
			talk_fail(talk,
				  "OpenClaw took the work, but answered %ld when it was asked how "
				  "it ended",
				  response.status);
	} else if (!talk_goes_on(talk)) {
		talk_stopped(talk, "OpenClaw cannot be told to stop, so its run may go on");
	} else {
		talk_fail(talk, "OpenClaw took the work, but what became of it is not known: %s",
			  err.text);
	}
	http_response_done(&response);
	request_done(&request);
}

/*
 * 409 is a session that cannot take the work, by OpenClaw's documentation; it means "done already"
 * only for a key that can have been there before.  Neither is sent again.
 */
static void conflict(struct gateway *talk, const struct http_response *response, const char *run_id)
{
	char words[TALK_WORDS];

	if (talk_spec(talk)->key_sent || run_id) {
		talk_taken(talk, run_id);
		talk_success(talk,
			     "OpenClaw has had this work already (run %s); it does not tell "
			     "what became of it.",
			     run_id ? run_id : "unknown");
		return;
	}
	talk_words(response->body.bytes, response->body.len, words);
	talk_fail(talk, "OpenClaw answered 409: its session cannot take the work (%s)",
		  words[0] ? words : "it gave no reason");
}

static void judge(struct gateway *talk, const struct request *request,
		  const struct http_response *response)
{
	struct openclaw_answer answer;

	(void)request;
	openclaw_read(response->body.bytes, response->body.len, &answer);
	if (response->status == 409) {
		conflict(talk, response, answer.run_id);
	} else if (response->status != 200) {
		talk_refused(talk, response);
	} else if (!answer.root) {
		talk_fail(talk, "what answered is not OpenClaw: look at agents.%s.url",
			  talk_spec(talk)->agent->name);
	} else {
		talk_taken(talk, answer.run_id);
		if (talk_spec(talk)->agent->wait)
			wait_for_end(talk);
		else
			talk_success(talk,
				     "OpenClaw has taken the work (its run %s). It was not waited "
				     "for, so how it ends is not known here.",
				     answer.run_id ? answer.run_id : "unknown");
	}
	json_decref(answer.root);
}

const struct talk_type talk_openclaw = {
	.name = "OpenClaw",
	.ask = ask,
	.judge = judge,
	.repeatable = true,
};

/* ---- message ---- */

/* A chat message by the gateway's own tool, without a model. */
static int ask_message(const struct gateway_spec *spec, struct request *request, struct err *err)
{
	const struct config_agent *agent = spec->agent;
	json_t *text = json_stringn(spec->prompt, spec->prompt_len);

	request->method = "POST";
	request->bearer = agent->token;
	request->timeout = TALK_ADMISSION;
	if (request_url(request, agent->url, "/tools/invoke", err) < 0 ||
	    request_header(request, err, "x-openclaw-message-channel: %s", agent->channel) < 0) {
		json_decref(text);
		return -1;
	}
	return request_json(request,
			    json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:o}, s:s?}", "tool", "message",
				      "action", "send", "args", "action", "send", "channel",
				      agent->channel, "target", agent->to, "message", text,
				      "sessionKey", agent->session),
			    err);
}

static void judge_message(struct gateway *talk, const struct request *request,
			  const struct http_response *response)
{
	const struct gateway_spec *spec = talk_spec(talk);
	struct err err;
	json_t *root = NULL;

	(void)request;
	if (response->status != 200) {
		talk_refused(talk, response);
		return;
	}
	if (response->body.len > 0)
		root = json_parse(response->body.bytes, response->body.len, &err);
	if (json_is_true(json_at(root, "ok"))) {
		talk_taken(talk, NULL);
		talk_success(talk, "OpenClaw sent the message to %s on %s.", spec->agent->to,
			     spec->agent->channel);
	} else {
		talk_fail(talk, "OpenClaw did not say that the message was sent");
	}
	json_decref(root);
}

const struct talk_type talk_openclaw_message = {
	.name = "OpenClaw",
	.ask = ask_message,
	.judge = judge_message,
	.repeatable = false,
};
