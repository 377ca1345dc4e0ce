/* Type openprx: the gateway of openprx/prx (src/gateway/mod.rs and jobs.rs there). */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/answers.h"
#include "gateway/talk.h"

#define BODY_MOST (64u * 1024) /* bytes that the gateway reads */
#define POLL_FIRST 500	       /* ms; half as much more each time */
#define POLL_MOST 10000
#define DAY_SECS 86400
#define SILENCE_MOST 600000 /* ms without any answer, after which the job is given up */

/* ---- the job ---- */

static int job_request(const struct gateway_spec *spec, const char *job_id, bool cancel,
		       struct request *request, struct err *err)
{
	char path[192];

	snprintf(path, sizeof(path), "/api/jobs/%.128s%s", job_id, cancel ? "/cancel" : "");
	request->method = cancel ? "POST" : "GET";
	request->bearer = spec->agent->token;
	request->timeout = TALK_ADMISSION;
	return request_url(request, spec->agent->url, path, err);
}

/* Our own run must end, and the job's with it; unless the next daemon is to find it again. */
static void stop_job(struct gateway *talk, const char *job_id)
{
	struct request request = { 0 };
	struct err err;

	if (job_request(talk_spec(talk), job_id, true, &request, &err) == 0 &&
	    !talk_interrupted(talk))
		talk_aside(talk, &request);
	request_done(&request);
	talk_stopped(talk, NULL);
}

static void job_ended(struct gateway *talk, const struct openprx_answer *answer)
{
	const char *error = answer->error ? answer->error : "it gave no reason";

	if (strcmp(answer->status, "cancelled") == 0)
		talk_fail(talk, "the job was cancelled on PRX's side");
	else if (strcmp(answer->status, "succeeded") != 0)
		talk_fail(talk, "PRX's agent failed: %.1500s", error);
	else if (answer->http_status >=
		 400) /* a job that did its work of answering with an error */
		talk_fail(talk, "PRX's agent failed (%d): %.1500s", (int)answer->http_status,
			  error);
	else if (!answer->response)
		talk_fail(talk, "PRX's agent ended without an answer");
	else
		talk_text(talk, answer->response, answer->response_len);
}

enum polled { POLL_AGAIN, POLL_SILENT, POLL_OVER, POLL_UNKNOWN };

static enum polled judge_job(struct gateway *talk, const struct http_response *response)
{
	struct openprx_answer answer;
	enum polled polled = POLL_AGAIN;

	if (response->status == 404)
		return POLL_UNKNOWN;
	if (response->status == 401 || response->status == 403) {
		talk_refused(talk, response);
		return POLL_OVER;
	}
	if (response->status != 200)
		return POLL_SILENT;
	openprx_read(response->body.bytes, response->body.len, &answer);
	talk_began(talk, answer.elapsed);
	if (!answer.status)
		polled = POLL_SILENT;
	else if (strcmp(answer.status, "running") != 0) {
		job_ended(talk, &answer);
		polled = POLL_OVER;
	}
	json_decref(answer.root);
	return polled;
}

static enum polled poll_job(struct gateway *talk, const struct request *request)
{
	struct http_response response;
	struct err err;
	const enum polled polled = talk_call(talk, request, &response, &err) == 0
				       ? judge_job(talk, &response)
				       : POLL_SILENT;

	http_response_done(&response);
	return polled;
}

/* True when the job was known, and is over. */
static bool follow(struct gateway *talk, const char *job_id)
{
	struct request request = { 0 };
	int64_t pause = POLL_FIRST, heard = clock_mono();
	enum polled polled = POLL_AGAIN;
	struct err err;

	if (job_request(talk_spec(talk), job_id, false, &request, &err) < 0) {
		talk_fail(talk, "%s", err.text);
		polled = POLL_OVER;
	}
	while (polled == POLL_AGAIN || polled == POLL_SILENT) {
		polled = poll_job(talk, &request);
		if (polled == POLL_AGAIN)
			heard = clock_mono();
		if (polled == POLL_OVER || polled == POLL_UNKNOWN)
			break;
		if (clock_mono() - heard > SILENCE_MOST) {
			talk_fail(talk, "PRX took the work, but has not answered for %d minutes",
				  SILENCE_MOST / 60000);
			polled = POLL_OVER;
		} else if (!talk_pause(talk, pause)) {
			stop_job(talk, job_id);
			polled = POLL_OVER;
		}
		pause = pause * 3 / 2 < POLL_MOST ? pause * 3 / 2 : POLL_MOST;
	}
	request_done(&request);
	return polled != POLL_UNKNOWN;
}

static bool resume(struct gateway *talk)
{
	const char *job_id = talk_spec(talk)->session;

	talk_taken(talk, job_id);
	if (!follow(talk, job_id))
		talk_fail(talk,
			  "PRX does not know job %s any more, so what became of it is not "
			  "known",
			  job_id);
	return true;
}

/* ---- asking for it ---- */

static int ask(const struct gateway_spec *spec, struct request *request, struct err *err)
{
	const struct config_agent *agent = spec->agent;

	request->method = "POST";
	request->bearer = agent->token;
	request->timeout = TALK_ADMISSION;
	if (request_json(
		request,
		json_pack("{s:o}", "message", json_stringn(spec->prompt, spec->prompt_len)),
		err) < 0)
		return -1;
	if (request->body_len > BODY_MOST)
		return err_set(err, ERR_FULL,
			       "the prompt makes a request of %zu bytes, and PRX takes %u",
			       request->body_len, BODY_MOST);
	if (request_header(request, err, "X-Idempotency-Key: %s", spec->key) < 0)
		return -1;
	return request_url(request, agent->url, "/webhook?mode=async", err);
}

static void taken(struct gateway *talk, const struct openprx_answer *answer)
{
	if (answer->response) { /* it had been done before, and here is its answer again */
		talk_taken(talk, NULL);
		talk_text(talk, answer->response, answer->response_len);
	} else if (!answer->job_id) {
		talk_fail(talk, "what answered is not PRX: look at agents.%s.url",
			  talk_spec(talk)->agent->name);
	} else {
		talk_taken(talk, answer->job_id);
		if (!follow(talk, answer->job_id))
			talk_fail(talk, "PRX took the work as job %s and does not know it any more",
				  answer->job_id);
	}
}

static void refused(struct gateway *talk, const struct http_response *response,
		    const struct openprx_answer *answer)
{
	static const char *const why[] = {
		[CONFLICT_UNKNOWN] = NULL,
		[CONFLICT_PROCESSING] = NULL,
		[CONFLICT_REQUEST] = "it has had this work with another prompt, and what became of "
				     "that is not known",
		[CONFLICT_NO_REPLAY] = "it has done this work, but does not keep so long an answer",
		[CONFLICT_NO_RETRY] = "it has had this work, and that failed",
	};
	const char *known = response->status == 409 ? why[openprx_conflict(answer)] : NULL;
	const int64_t secs = json_int(answer->root, "retry_after", -1);

	if (known)
		talk_fail(talk, "PRX answered 409: %s", known);
	else if (response->status == 429 && response->retry_after < 0 && secs >= 0 &&
		 secs <= DAY_SECS)
		talk_later(talk, secs * 1000, "PRX answered 429: too many requests");
	else
		talk_refused(talk, response);
}

static bool is_busy(const struct http_response *response, const struct openprx_answer *answer)
{
	return response->status >= 500 || response->status == 429 ||
	       (response->status == 409 && openprx_conflict(answer) == CONFLICT_PROCESSING);
}

/* True when that was the end of it. */
static bool ask_again(struct gateway *talk, const struct request *request)
{
	struct http_response response;
	struct openprx_answer answer = { 0 };
	struct err err;
	bool over = false;

	if (talk_call(talk, request, &response, &err) == 0) {
		openprx_read(response.body.bytes, response.body.len, &answer);
		over = !is_busy(&response, &answer);
		if (over && response.status < 300)
			taken(talk, &answer);
		else if (over)
			refused(talk, &response, &answer);
	}
	json_decref(answer.root);
	http_response_done(&response);
	return over;
}

/*
 * The job runs, but its id was lost with the answer that held it.  The same request is answered
 * with the result once there is one.
 */
static void ask_until_done(struct gateway *talk, const struct request *request)
{
	int64_t pause = POLL_FIRST;

	talk_taken(talk, NULL);
	while (talk_pause(talk, pause)) {
		if (ask_again(talk, request))
			return;
		pause = pause * 3 / 2 < POLL_MOST ? pause * 3 / 2 : POLL_MOST;
	}
	talk_stopped(talk, "PRX's job may go on: its id was lost");
}

static void judge(struct gateway *talk, const struct request *request,
		  const struct http_response *response)
{
	struct openprx_answer answer;

	openprx_read(response->body.bytes, response->body.len, &answer);
	if (response->status == 200 || response->status == 202)
		taken(talk, &answer);
	else if (response->status == 409 && openprx_conflict(&answer) == CONFLICT_PROCESSING)
		ask_until_done(talk, request);
	else
		refused(talk, response, &answer);
	json_decref(answer.root);
}

const struct talk_type talk_openprx = {
	.name = "PRX",
	.ask = ask,
	.judge = judge,
	.resume = resume,
	.repeatable = true,
};

/* ---- signal ---- */

/* signal-cli's REST API, as PRX itself uses it. */
static int ask_signal(const struct gateway_spec *spec, struct request *request, struct err *err)
{
	const struct config_agent *agent = spec->agent;

	request->method = "POST";
	request->bearer = agent->token;
	request->timeout = TALK_ADMISSION;
	if (request_json(request,
			 json_pack("{s:o, s:s, s:[s]}", "message",
				   json_stringn(spec->prompt, spec->prompt_len), "number",
				   agent->account, "recipients", agent->to),
			 err) < 0)
		return -1;
	return request_url(request, agent->signal_url, "/v2/send", err);
}

static void judge_signal(struct gateway *talk, const struct request *request,
			 const struct http_response *response)
{
	(void)request;
	if (response->status != 200 && response->status != 201) {
		talk_refused(talk, response);
		return;
	}
	talk_taken(talk, NULL);
	talk_success(talk, "The message was sent to %s over Signal.", talk_spec(talk)->agent->to);
}

const struct talk_type talk_openprx_signal = {
	.name = "Signal's REST API",
	.ask = ask_signal,
	.judge = judge_signal,
	.repeatable = false,
};
