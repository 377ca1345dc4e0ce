/* What a claimed task needs before it can start: its prompt, or its plan. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "pipeline/gate.h"
#include "pipeline/launch.h"
#include "pipeline/plan.h"

#define ISSUE_TIMEOUT 10000 /* ms for OpenPR to tell about an issue */
#define DEFER_LEAST 5000    /* ms */
#define DEFER_MOST 300000   /* ms */

/* UUIDv7 begins with the milliseconds of its making. */
static int64_t made_at(const char *id)
{
	char hex[13] = { 0 };

	memcpy(hex, id, 8);
	memcpy(hex + 8, id + 9, 4);
	return (int64_t)strtoull(hex, NULL, 16);
}

/* Half the age of the task, so that the waits double. */
static int64_t back_off(const struct store_task *task)
{
	const int64_t now = clock_wall();
	int64_t wait = (now - made_at(task->id)) / 2;

	if (wait < DEFER_LEAST)
		wait = DEFER_LEAST;
	if (wait > DEFER_MOST)
		wait = DEFER_MOST;
	return now + wait;
}

__attribute__((format(printf, 3, 4))) static void
decide_launch(struct launch *launch, enum launch_verdict verdict, const char *fmt, ...)
{
	va_list args;

	launch->verdict = verdict;
	va_start(args, fmt);
	vsnprintf(launch->reason, sizeof(launch->reason), fmt, args);
	va_end(args);
}

/* 0: *completion is set and owned by the caller.  -1: the launch's verdict says why not. */
static int fetch(struct pipeline *pipeline, struct openpr *openpr, struct launch *launch,
		 char **completion)
{
	const struct store_task *task = launch->task;
	const char *token =
	    identity_token(pipeline->identity, launch->config, task->bot_id, task->bot_name);
	json_t *issue = NULL;
	struct err err;

	if (task->source == SOURCE_TUNNEL && (!launch->config->openpr.api_url || !token)) {
		*completion = strdup("{\"issue\":{}}"); /* a dispatch says what it has to say */
		if (*completion)
			return 0;
	}
	if (!task->issue_id || !launch->config->openpr.api_url || !token) {
		decide_launch(
		    launch, LAUNCH_HOLD,
		    "the prompt needs the issue, but openpr.api_url and a token of %s are "
		    "not both set",
		    task->bot_name ? task->bot_name : "the bot");
		return -1;
	}
	switch (openpr_issue(openpr, launch->config, token, task->issue_id, ISSUE_TIMEOUT, &issue,
			     &err)) {
	case OPENPR_OK:
		break;
	case OPENPR_GONE:
		decide_launch(launch, LAUNCH_GONE, "the issue does not exist any more");
		return -1;
	default:
		launch->until = back_off(task);
		decide_launch(launch, LAUNCH_DEFER, "%s", err.text);
		return -1;
	}
	json_t *whole = json_pack("{s:o}", "issue", issue);
	*completion = json_text(whole);
	json_decref(whole);
	if (*completion)
		return 0;
	launch->until = back_off(task);
	decide_launch(launch, LAUNCH_DEFER, "out of memory");
	return -1;
}

static int ask_policy(struct pipeline *pipeline, const struct policy_event *event,
		      struct launch *launch, json_t **actions, struct err *err)
{
	const struct store_task *task = launch->task;
	const struct log_ids ids = { task->event_id, task->run_id, task->issue_id, NULL };
	const int64_t began = clock_micros();

	log_about(&ids);
	const int rc = actions ? policy_handle(pipeline->pool, event, task->agent, actions, err)
			       : policy_render(pipeline->pool, event, task->agent, &launch->prompt,
					       &launch->rendered, err);
	log_about(NULL);
	meters_took(&pipeline->meters, METER_RENDER, clock_micros() - began);
	return rc;
}

/* Asks render, or the handler of a custom agent.  *needs_issue: it reads what the event lacks. */
static int ask(struct pipeline *pipeline, struct launch *launch, const struct policy_event *event,
	       bool *needs_issue, struct err *err)
{
	json_t *actions = NULL;

	if (!launch->agent->handler) {
		if (ask_policy(pipeline, event, launch, NULL, err) < 0)
			return -1;
		*needs_issue = launch->rendered == RENDERED_NEEDS_ISSUE;
		return 0;
	}
	if (ask_policy(pipeline, event, launch, &actions, err) < 0)
		return -1;
	*needs_issue = !actions;
	if (actions && !(launch->plan = plan_new(actions)))
		return err_set(err, ERR_NOMEM, "no memory for a plan");
	return launch->plan ? plan_check(launch->plan, launch->agent, err) : 0;
}

static void render(struct pipeline *pipeline, struct openpr *openpr, struct launch *launch)
{
	const struct store_task *task = launch->task;
	const char *who = launch->agent->handler ? "the handler" : "render";
	_cleanup_free_ char *fetched = NULL;
	bool needs_issue = false;
	struct err err;
	json_t *ours = identity_ours(pipeline->identity);
	struct policy_event event = {
		.body = task->body,
		.body_len = task->body_len,
		.completion = task->completion,
		.ours = ours,
		.now = clock_wall(),
	};

	launch->verdict = LAUNCH_READY;
	int rc = ask(pipeline, launch, &event, &needs_issue, &err);
	if (rc == 0 && needs_issue) {
		if (fetch(pipeline, openpr, launch, &fetched) < 0)
			goto out;
		event.completion = fetched;
		rc = ask(pipeline, launch, &event, &needs_issue, &err);
		if (rc == 0 && needs_issue)
			rc = err_set(&err, ERR_POLICY,
				     "%s still asks for the issue after it was fetched", who);
	}
	if (rc < 0 && err.code == ERR_FULL) {
		launch->until = clock_wall() + DEFER_LEAST;
		decide_launch(launch, LAUNCH_DEFER, "%s", err.text);
	} else if (rc < 0) {
		decide_launch(launch, LAUNCH_HOLD, "%s failed: %s", who, err.text);
	}
out:
	json_decref(ours);
}

/* What an earlier attempt has decided and begun is gone on with. */
static void go_on(struct launch *launch)
{
	struct err err;

	launch->verdict = LAUNCH_READY;
	launch->plan = plan_read(launch->task->plan, &err);
	if (!launch->plan || plan_check(launch->plan, launch->agent, &err) < 0)
		decide_launch(launch, LAUNCH_HOLD, "its actions cannot go on: %s", err.text);
}

void launch_prepare(struct pipeline *pipeline, struct openpr *openpr, struct launch *launch)
{
	const struct store_task *task = launch->task;

	launch->agent = config_agent(launch->config, task->agent);
	if (!launch->agent) {
		decide_launch(launch, LAUNCH_HOLD, "agent \"%s\" is not in config.lua any more",
			      task->agent);
		return;
	}
	const char *gate = gate_closed(launch->config, launch->agent);
	if (gate) {
		decide_launch(launch, LAUNCH_HOLD, "the gate %s is off", gate);
		return;
	}
	if (launch->agent->handler && task->plan)
		go_on(launch);
	else
		render(pipeline, openpr, launch);
}
