#include "pipeline/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/redact.h"
#include "pipeline/plan.h"

#define RETRY_FIRST 1000	     /* ms */
#define RETRY_MOST (5 * 60 * 1000)   /* ms */
#define GIVE_UP (24 * 3600 * 1000LL) /* ms after a report was made */
#define LOOK_TIMEOUT 15000	     /* ms for OpenPR to tell about an issue */

void outbox_mark(const char *run_id, bool started, char mark[OUTBOX_MARK_SIZE])
{
	snprintf(mark, OUTBOX_MARK_SIZE, "run %s%s", run_id, started ? " started" : "");
}

int64_t outbox_back_off(int attempts)
{
	struct timespec ts;
	int64_t wait = RETRY_FIRST;

	for (int i = 0; i < attempts && wait < RETRY_MOST; i++)
		wait *= 2;
	if (wait > RETRY_MOST)
		wait = RETRY_MOST;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return wait + wait * (ts.tv_nsec / 1000 % 401 - 200) / 1000;
}

bool outbox_is_overdue(const struct store_report *report, int64_t now)
{
	return now - report->created_at > GIVE_UP;
}

static struct outbox_end ended(enum outbox_fate fate)
{
	return (struct outbox_end){ .fate = fate };
}

__attribute__((format(printf, 2, 3))) static struct outbox_end ended_why(enum outbox_fate fate,
									 const char *fmt, ...)
{
	struct outbox_end end = { .fate = fate };
	va_list args;

	va_start(args, fmt);
	vsnprintf(end.why.text, sizeof(end.why.text), fmt, args);
	va_end(args);
	return end;
}

/* What an answer means for a row that has no rule of its own for it. */
static struct outbox_end judge(openpr_result result, const struct err *err)
{
	static const enum outbox_fate fates[] = {
		[OPENPR_OK] = OUTBOX_DELIVERED,	 [OPENPR_RETRY] = OUTBOX_AGAIN,
		[OPENPR_UNKNOWN] = OUTBOX_AGAIN, [OPENPR_DENIED] = OUTBOX_PAUSED,
		[OPENPR_GONE] = OUTBOX_DEAD,	 [OPENPR_REFUSED] = OUTBOX_DEAD,
	};
	struct outbox_end end = { .fate = fates[result],
				  .outcome_known = result != OPENPR_UNKNOWN };

	if (result != OPENPR_OK)
		end.why = *err;
	return end;
}

/* ---- what to say ---- */

static void say(struct buf *text, const char *label, const char *value)
{
	if (value && value[0])
		buf_appendf(text, "%s%s\n", label, value);
}

char *outbox_builtin(const json_t *run)
{
	struct buf text = { 0 };
	const char *outcome = json_str(run, "outcome");
	const int64_t exit_code = json_int(run, "exit_code", -1);

	buf_appendf(&text, "Agent %s: %s\n", json_str(run, "agent") ? json_str(run, "agent") : "?",
		    outcome ? outcome : "ended");
	say(&text, "Cause: ", json_str(run, "cause"));
	if (exit_code >= 0)
		buf_appendf(&text, "Exit code: %lld\n", (long long)exit_code);
	if (outcome && strcmp(outcome, "success") == 0)
		say(&text, "\n", json_str(run, "final_text"));
	return buf_take(&text, NULL);
}

/* The policy's comment, secrets replaced, with the line by which it is found again. */
static char *signed_comment(const char *comment, const struct store_report *report)
{
	char mark[OUTBOX_MARK_SIZE];
	_cleanup_free_ char *clean = redact(comment, strlen(comment), NULL);
	char *text = NULL;

	outbox_mark(report->run_id, report->started, mark);
	if (!clean || asprintf(&text, "%s\n\n%s", clean, mark) < 0)
		return NULL;
	return text;
}

static json_t *run_for_policy(const struct store_report *report)
{
	json_t *run = json_copy(report->run);
	json_object_del(run, "started_at");
	json_object_del(run, "plan");
	json_t *status = report->started ? json_string("started") : json_at(report->run, "outcome");

	if (report->started)
		json_object_set_new(run, "status", status);
	else if (status)
		json_object_set(run, "status", status);
	return run;
}

/* -1, with err: no policy worker was to be had, which says nothing of the policy. */
static int ask_policy(struct pipeline *pipeline, const struct store_report *report, int64_t now,
		      struct outbox_words *words, struct err *err)
{
	json_t *run = run_for_policy(report);
	json_t *ours = identity_ours(pipeline->identity);
	const char *agent = json_str(run, "agent");
	const struct policy_event event = {
		.body = report->body,
		.body_len = report->body_len,
		.completion = report->completion,
		.ours = ours,
		.now = now,
	};
	const struct log_ids ids = { .run = report->run_id, .issue = report->issue_id };
	const int64_t began = clock_micros();

	log_about(&ids);
	int rc = policy_callback(pipeline->pool, &event, run, agent ? agent : "", &words->comment,
				 &words->state, err);
	meters_took(&pipeline->meters, METER_CALLBACK, clock_micros() - began);

	if (rc < 0 && err->code != ERR_FULL) {
		words->why = *err;
		if (!report->started)
			words->comment = outbox_builtin(run);
		rc = 0;
	}
	log_about(NULL);
	json_decref(ours);
	json_decref(run);
	return rc;
}

/* A custom agent's handler may have said what its success is told as.  1: it has. */
static int planned(const struct store_report *report, struct outbox_words *words)
{
	const char *text = json_str(report->run, "plan");
	const char *outcome = json_str(report->run, "outcome");
	const char *comment = NULL, *state = NULL;
	struct err ignored;

	if (report->started || !text || !outcome ||
	    strcmp(outcome, outcome_name(OUTCOME_SUCCESS)) != 0)
		return 0;
	json_t *plan = plan_read(text, &ignored);
	if (plan)
		plan_words(plan, &comment, &state);
	words->comment = comment ? strdup(comment) : NULL;
	words->state = state ? strdup(state) : NULL;
	json_decref(plan);
	return words->comment || words->state;
}

int outbox_word(struct pipeline *pipeline, const struct store_report *report, int64_t now,
		struct outbox_words *words, struct err *err)
{
	_cleanup_free_ char *comment = NULL;

	*words = (struct outbox_words){ .comment = NULL };
	if (planned(report, words) == 0 && ask_policy(pipeline, report, now, words, err) < 0)
		return -1;
	comment = TAKE_PTR(words->comment);
	if (comment && comment[0] && !(words->comment = signed_comment(comment, report))) {
		outbox_words_done(words);
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	if (words->state && !words->state[0]) {
		free(words->state);
		words->state = NULL;
	}
	return 0;
}

void outbox_words_done(struct outbox_words *words)
{
	free(words->comment);
	free(words->state);
	words->comment = words->state = NULL;
}

/*
 * Whether nothing is left to say because the agent, which reports itself, has said it: a success
 * after a comment of its own.  Who cannot be asked about (its token is refused, the issue is gone)
 * has said nothing.
 */
static openpr_result said_already(const struct config *config, struct openpr *openpr,
				  const struct store_report *report, bool *said, struct err *err)
{
	const char *name = json_str(report->run, "agent");
	const char *outcome = json_str(report->run, "outcome");
	const struct config_agent *agent = name ? config_agent(config, name) : NULL;
	char mark[OUTBOX_MARK_SIZE];

	*said = false;
	if (report->started || !agent || !agent->reports || !report->issue_id || !outcome ||
	    strcmp(outcome, outcome_name(OUTCOME_SUCCESS)) != 0)
		return OPENPR_OK;
	outbox_mark(report->run_id, false, mark);
	const openpr_result result =
	    openpr_wrote(openpr, config, agent->mcp_token, report->issue_id, mark,
			 json_int(report->run, "started_at", INT64_MAX), said, err);
	return result == OPENPR_RETRY || result == OPENPR_UNKNOWN ? result : OPENPR_OK;
}

static struct outbox_end format(struct pipeline *pipeline, const struct config *config,
				struct openpr *openpr, const struct store_report *report)
{
	struct outbox_words words;
	struct store_call calls[2];
	size_t count = 0;
	struct outbox_end end = ended(OUTBOX_EXPANDED);
	bool said = false;
	const openpr_result asked = said_already(config, openpr, report, &said, &end.why);

	if (asked != OPENPR_OK)
		return judge(asked, &end.why);
	if (said) {
		log_event(LOG_LEVEL_INFO, "the agent has reported itself", "run", report->run_id,
			  NULL);
		words = (struct outbox_words){ .comment = NULL };
	} else if (outbox_word(pipeline, report, clock_wall(), &words, &end.why) < 0) {
		end.fate = OUTBOX_AGAIN;
		end.outcome_known = true;
		return end;
	}
	if (words.why.code)
		log_event(LOG_LEVEL_ERROR, "callback policy failed, the built-in report is sent",
			  "run", report->run_id, "why", words.why.text, NULL);
	if (words.comment)
		calls[count++] =
		    (struct store_call){ .kind = REPORT_COMMENT, .text = words.comment };
	if (words.state)
		calls[count++] = (struct store_call){ .kind = REPORT_STATE, .text = words.state };
	if (store_expand_report(pipeline->store, report->id, calls, count, &end.why) < 0)
		end.fate = OUTBOX_AGAIN;
	outbox_words_done(&words);
	return end;
}

/* ---- the calls ---- */

static struct outbox_end send_comment(const struct config *config, struct openpr *openpr,
				      const char *token, const struct store_report *report)
{
	char mark[OUTBOX_MARK_SIZE];
	bool found = false;
	struct err err;

	if (report->attempts > 0) {
		outbox_mark(report->run_id, report->started, mark);
		const openpr_result look =
		    openpr_has_comment(openpr, config, token, report->issue_id, mark, &found, &err);
		if (look != OPENPR_OK)
			return judge(look, &err);
		if (found)
			return ended(OUTBOX_DELIVERED);
	}
	return judge(openpr_comment(openpr, config, token, report->issue_id, report->text, &err),
		     &err);
}

static bool equal(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* The final state is ours to set only while the issue is as we left it (design 4, end). */
static struct outbox_end send_state(const struct config *config, struct openpr *openpr,
				    const char *token, const struct store_report *report)
{
	json_t *issue = NULL;
	struct outbox_end end;
	struct err err;
	openpr_result result =
	    openpr_issue(openpr, config, token, report->issue_id, LOOK_TIMEOUT, &issue, &err);

	if (result != OPENPR_OK)
		return judge(result, &err);

	const char *state = json_str(issue, "state");
	if (!equal(json_str(issue, "assignee_id"), report->bot_id)) {
		end = ended_why(OUTBOX_DROPPED, "the issue is not assigned to the bot any more");
	} else if (equal(state, report->text)) {
		end = ended(OUTBOX_DELIVERED);
	} else if (report->expected_state && !equal(state, report->expected_state)) {
		end = ended_why(OUTBOX_DROPPED, "the state was changed to \"%s\" by somebody else",
				state ? state : "?");
	} else {
		result =
		    openpr_set_state(openpr, config, token, report->issue_id, report->text, &err);
		end = judge(result, &err);
		if (result == OPENPR_REFUSED)
			end.fate = OUTBOX_DROPPED;
	}
	json_decref(issue);
	return end;
}

static struct outbox_end send_ai_end(const struct config *config, struct openpr *openpr,
				     const char *token, const struct store_report *report)
{
	struct err err;

	return judge(openpr_ai_end(openpr, config, token, report->ai_task_id,
				   report->kind == REPORT_AI_COMPLETE, report->text, &err),
		     &err);
}

struct outbox_end outbox_send(struct pipeline *pipeline, const struct config *config,
			      struct openpr *openpr, const struct store_report *report)
{
	if (report->kind == REPORT_FORMAT)
		return format(pipeline, config, openpr, report);

	pipeline_identify(pipeline, openpr, config);
	const char *token =
	    identity_token(pipeline->identity, config, report->bot_id, report->bot_name);
	if (!token)
		return ended_why(OUTBOX_PAUSED,
				 "no token for bot %s: set openpr.bots[\"%s\"].token",
				 report->bot_name ? report->bot_name : "?",
				 report->bot_name ? report->bot_name : "?");

	switch (report->kind) {
	case REPORT_COMMENT:
		return report->issue_id
			   ? send_comment(config, openpr, token, report)
			   : ended_why(OUTBOX_DROPPED, "there is no issue to comment on");
	case REPORT_STATE:
		return report->issue_id ? send_state(config, openpr, token, report)
					: ended_why(OUTBOX_DROPPED, "there is no issue to change");
	case REPORT_AI_COMPLETE:
	case REPORT_AI_FAIL:
		return send_ai_end(config, openpr, token, report);
	case REPORT_FORMAT:
		break;
	}
	return ended_why(OUTBOX_DEAD, "a report of an unknown kind");
}
