#include "gateway/talk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "exec/stream.h"
#include "gateway/talk_state.h"

#define CAUSE_MOST 2000
#define NOTES_MOST (256u * 1024) /* bytes that one run's log may have */
#define ASIDE 5000		 /* ms */

const struct gateway_spec *talk_spec(const struct gateway *talk)
{
	return &talk->spec;
}

const char *talk_name(const struct gateway *talk)
{
	return talk->type->name;
}

void talk_tell(struct gateway *talk, enum told what)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&talk->lock);
	talk->told |= what;
	pthread_mutex_unlock(&talk->lock);
	const ssize_t n = write(talk->wake, &one, sizeof(one));
	(void)n;
}

/* ---- the log ---- */

static void write_notes(struct gateway *talk)
{
	if (!talk->taken || !talk->spec.log_path || talk->notes.len == 0)
		return;
	_cleanup_close_ int fd =
	    open(talk->spec.log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	const ssize_t n = fd >= 0 ? write(fd, talk->notes.bytes, talk->notes.len) : 0;
	(void)n; /* the log is for people; the run does not depend on it */
	buf_clear(&talk->notes);
}

__attribute__((format(printf, 2, 3))) static void note(struct gateway *talk, const char *fmt, ...)
{
	char when[CLOCK_TEXT_SIZE], line[1024];
	va_list args;

	clock_format(clock_wall(), when);
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	_cleanup_free_ char *clean = run_result_text(line, strlen(line), 0);
	if (!clean || talk->noted + strlen(clean) > NOTES_MOST)
		return;
	const size_t before = talk->notes.len;
	buf_appendf(&talk->notes, "%s %s\n", when, clean);
	talk->noted += talk->notes.len - before;
	write_notes(talk);
}

/* ---- how it ends ---- */

static void set_text(char **text, size_t most, const char *fmt, va_list args)
{
	_cleanup_free_ char *said = NULL;

	if (vasprintf(&said, fmt, args) < 0) {
		said = NULL;
		return;
	}
	free(*text);
	*text = run_result_text(said, strlen(said), most);
}

static void end(struct gateway *talk, enum outcome outcome)
{
	talk->later = false;
	free(talk->result.cause);
	free(talk->result.final_text);
	free(talk->result.tail);
	talk->result.cause = talk->result.final_text = talk->result.tail = NULL;
	talk->result.outcome = outcome;
	talk->result.duration = clock_mono() - talk->start;
}

void talk_text(struct gateway *talk, const char *text, size_t len)
{
	end(talk, OUTCOME_SUCCESS);
	talk->result.final_text = run_result_text(text, len, STREAM_TEXT_MOST);
}

void talk_success(struct gateway *talk, const char *fmt, ...)
{
	va_list args;

	end(talk, OUTCOME_SUCCESS);
	va_start(args, fmt);
	set_text(&talk->result.final_text, STREAM_TEXT_MOST, fmt, args);
	va_end(args);
}

void talk_fail(struct gateway *talk, const char *fmt, ...)
{
	va_list args;

	end(talk, OUTCOME_FAILURE);
	va_start(args, fmt);
	set_text(&talk->result.cause, CAUSE_MOST, fmt, args);
	va_end(args);
	note(talk, "failed: %s", talk->result.cause ? talk->result.cause : "");
}

void talk_later(struct gateway *talk, int64_t wait, const char *fmt, ...)
{
	va_list args;

	talk->later = true;
	talk->retry_after = wait;
	va_start(args, fmt);
	set_text(&talk->reason, CAUSE_MOST, fmt, args);
	va_end(args);
}

void talk_stopped(struct gateway *talk, const char *more)
{
	static const struct {
		enum outcome outcome;
		const char *cause;
	} ends[] = {
		[RUN_STOP_CANCEL] = { OUTCOME_CANCELLED, "stopped on request" },
		[RUN_STOP_INTERRUPT] = { OUTCOME_INTERRUPTED, "the daemon stopped" },
	};
	char cause[512];

	pthread_mutex_lock(&talk->lock);
	const bool stopped = atomic_load(&talk->stop);
	const enum run_stop why = talk->why;
	pthread_mutex_unlock(&talk->lock);
	if (stopped && why == RUN_STOP_INTERRUPT && !talk->taken) {
		talk_later(talk, 0, "the daemon stopped before %s had taken it", talk->type->name);
		return;
	}
	snprintf(cause, sizeof(cause), "%s%s%s",
		 stopped ? ends[why].cause : "its time was over before it had ended",
		 more ? "; " : "", more ? more : "");
	end(talk, stopped ? ends[why].outcome : OUTCOME_TIMEOUT);
	talk->result.cause = strdup(cause);
	/* Where a person asked for the end, the store has that person's words for a cause. */
	talk->result.tail = more ? strdup(more) : NULL;
	note(talk, "%s", cause);
}

/* ---- going on ---- */

bool talk_goes_on(struct gateway *talk)
{
	return !atomic_load(&talk->stop) && clock_mono() < talk->deadline;
}

bool talk_interrupted(struct gateway *talk)
{
	pthread_mutex_lock(&talk->lock);
	const bool interrupted = atomic_load(&talk->stop) && talk->why == RUN_STOP_INTERRUPT;
	pthread_mutex_unlock(&talk->lock);
	return interrupted;
}

bool talk_pause(struct gateway *talk, int64_t ms)
{
	int64_t until = clock_mono() + ms;

	if (until > talk->deadline)
		until = talk->deadline;
	const struct timespec when = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
	int rc = 0;

	pthread_mutex_lock(&talk->lock);
	while (!atomic_load(&talk->stop) && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&talk->changed, &talk->lock, &when);
	pthread_mutex_unlock(&talk->lock);
	return talk_goes_on(talk);
}

void talk_taken(struct gateway *talk, const char *session)
{
	pthread_mutex_lock(&talk->lock);
	const bool new_session = session && !talk->session;
	if (new_session)
		talk->session = run_result_text(session, strlen(session), 0);
	pthread_mutex_unlock(&talk->lock);
	if (!talk->taken) {
		talk->taken = true;
		talk_tell(talk, TOLD_TAKEN);
		write_notes(talk);
	}
	if (new_session)
		talk_tell(talk, TOLD_SESSION);
}

void talk_began(struct gateway *talk, int64_t elapsed)
{
	const int64_t deadline = clock_mono() - elapsed + talk->spec.timeout;

	if (elapsed > 0 && deadline < talk->deadline)
		talk->deadline = deadline;
}

/* ---- calls ---- */

static struct http_request http_of(const struct request *request, int64_t timeout)
{
	return (struct http_request){
		.method = request->method,
		.url = request->url,
		.bearer = request->bearer,
		.headers = (const char *const *)request->headers.items,
		.body = request->body,
		.body_len = request->body_len,
		.content_type = request->content_type,
		.public_only = request->public_only,
		.timeout = timeout,
		.max_response = TALK_ANSWER_MOST,
	};
}

/* Method and path; a webhook's path and every query may hold a secret. */
static void name_call(const struct gateway *talk, const struct request *request, char name[512])
{
	char origin[ORIGIN_SIZE];

	request_origin(request->url, origin);
	const char *path = request->url + strlen(origin);
	snprintf(name, 512, "%s %s%.*s", request->method, origin,
		 talk->type == &talk_webhook ? 0 : (int)strcspn(path, "?"), path);
}

int talk_call(struct gateway *talk, const struct request *request, struct http_response *response,
	      struct err *err)
{
	const int64_t left = talk->deadline - clock_mono();
	const int64_t timeout = request->timeout < left ? request->timeout : left;
	const struct http_request sent = http_of(request, timeout);
	const int64_t began = clock_mono();
	char name[512];

	const int rc = http_call(talk->http, &sent, response, err);
	const double took = (double)(clock_mono() - began) / 1000;
	name_call(talk, request, name);
	if (rc == 0)
		note(talk, "%s: %ld after %.1f s", name, response->status, took);
	else
		note(talk, "%s: %s after %.1f s", name, err->text, took);
	return rc;
}

void talk_aside(struct gateway *talk, const struct request *request)
{
	const struct http_request sent = http_of(request, ASIDE);
	struct http_response response = { 0 };
	char name[512];
	struct err err;
	struct http *http = http_new(NULL, &err);

	name_call(talk, request, name);
	if (http && http_call(http, &sent, &response, &err) == 0)
		note(talk, "%s: %ld", name, response.status);
	else
		note(talk, "%s: %s", name, err.text);
	http_response_done(&response);
	http_free(http);
}

/* ---- the whole ---- */

static void no_answer(struct gateway *talk, const struct http_response *response,
		      const struct err *why)
{
	if (!talk_goes_on(talk) && (atomic_load(&talk->stop) || !talk->type->repeatable))
		talk_stopped(talk, response->sent ? "the request was on its way" : NULL);
	else if (response->refused)
		talk_fail(talk,
			  "the target's address is private: agents.%s.allow_private is not set",
			  talk->spec.agent->name);
	else if (!response->sent || talk->type->repeatable)
		talk_later(talk, -1, "%s gave no answer: %s", talk->type->name, why->text);
	else
		talk_fail(talk,
			  "%s gave no answer, and the message may have arrived, so it is not sent "
			  "again: %s",
			  talk->type->name, why->text);
}

static void ask(struct gateway *talk, const struct request *request, const char *target)
{
	struct breakers *breakers = talk->spec.breakers;
	struct http_response response;
	struct err err;
	int64_t wait = 0;

	if (breakers && !breakers_ask(breakers, target, clock_mono(), &wait)) {
		talk_later(talk, wait, "%s is left alone for a while: it failed several times",
			   target);
		return;
	}
	const int rc = talk_call(talk, request, &response, &err);
	const bool known = !response.refused && !(rc < 0 && atomic_load(&talk->stop));
	if (breakers)
		breakers_tell(breakers, target, clock_mono(), known,
			      rc == 0 && response.status < 500);
	if (rc == 0)
		talk->type->judge(talk, request, &response);
	else
		no_answer(talk, &response, &err);
	http_response_done(&response);
}

void talk_run(struct gateway *talk)
{
	struct request request = { 0 };
	char target[ORIGIN_SIZE];
	struct err err;

	talk_fail(talk, "the conversation ended without a result");
	buf_clear(&talk->notes);
	if (talk->type->resume && talk->spec.session && talk->type->resume(talk))
		return;
	if (talk->type->ask(&talk->spec, &request, &err) < 0) {
		talk_fail(talk, "%s", err.text);
	} else {
		request_origin(request.url, target);
		ask(talk, &request, target);
	}
	request_done(&request);
}
