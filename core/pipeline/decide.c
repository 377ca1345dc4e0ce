#include "pipeline/decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/redact.h"
#include "pipeline/gate.h"

#define COMPLETION_TIMEOUT 3000 /* ms; OpenPR's worker gives up on us after 10 s */

static void hold(struct decided *decided, const struct err *err)
{
	decided->decision = (struct store_decision){
		.action = err->code == ERR_FULL ? ACTION_UNDECIDED : ACTION_HOLD,
		.rule = err->code == ERR_FULL ? "not decided yet" : "policy failed",
		.reason = decided->reason,
		.verdict = err->code == ERR_FULL ? NULL : "hold",
	};
	snprintf(decided->reason, sizeof(decided->reason), "%.*s", (int)sizeof(decided->reason) - 1,
		 err->text);
}

static void accept_targets(const struct config *config, struct decided *decided)
{
	struct store_decision *decision = &decided->decision;
	const struct policy_decision *policy = &decided->policy;

	for (size_t i = 0; i < policy->target_count && i < STORE_TARGETS; i++) {
		const struct config_agent *agent = config_agent(config, policy->targets[i].agent);
		if (!agent) {
			struct err err;
			err_set(&err, ERR_POLICY,
				"the policies name agent \"%s\", config.lua does not",
				policy->targets[i].agent);
			hold(decided, &err);
			decided->agent_unknown = true;
			return;
		}
		decision->asked[decision->asked_count++] = policy->targets[i].agent;
		const char *gate = gate_closed(config, agent);
		if (gate) {
			decision->gate = gate;
			continue;
		}
		decision->targets[decision->target_count++] = (struct store_target){
			.agent = policy->targets[i].agent,
			.timeout = policy->targets[i].timeout,
		};
	}
	if (decision->target_count == 0)
		decision->action = decision->gate ? ACTION_DISABLED : ACTION_NO_AGENT;
	if (decision->action == ACTION_DISABLED)
		decision->reason = "the gate this agent needs is off (features in config.lua)";
	if (decision->action == ACTION_ACCEPT && config->executor.safe_mode) {
		decision->action = ACTION_OBSERVE;
		decision->reason = "safe mode: nothing is started";
	}
}

static bool is_deletion(const struct store_event *stored)
{
	return strcmp(stored->name, "issue.deleted") == 0;
}

static void translate(const struct config *config, const struct event *event,
		      struct decided *decided)
{
	static const enum store_action action_of[] = {
		[POLICY_ACCEPT] = ACTION_ACCEPT,
		[POLICY_IGNORE] = ACTION_IGNORE,
		[POLICY_CANCEL] = ACTION_CANCEL,
		[POLICY_NO_AGENT] = ACTION_NO_AGENT,
	};
	static const char *const verdicts[] = {
		[POLICY_ACCEPT] = "accept",
		[POLICY_IGNORE] = "ignore",
		[POLICY_CANCEL] = "cancel",
		[POLICY_NO_AGENT] = "no_agent",
	};
	const struct policy_decision *policy = &decided->policy;

	decided->decision = (struct store_decision){
		.action = action_of[policy->action],
		.verdict = verdicts[policy->action],
		.filter_rule = policy->filter_rule,
		.rule = policy->rule[0] ? policy->rule : policy->filter_rule,
		.reason = policy->reason[0] ? policy->reason : NULL,
		.issue_gone = policy->action == POLICY_CANCEL && is_deletion(event_stored(event)),
	};
	if (policy->action == POLICY_ACCEPT)
		accept_targets(config, decided);
}

/* An AI task must be ended with its bot's token later; without one it must not be taken. */
static bool lacks_token(struct pipeline *pipeline, const struct config *config,
			const struct store_event *stored)
{
	return stored->source == SOURCE_AI_TASK &&
	       !identity_token(pipeline->identity, config, stored->bot_id, stored->bot_name);
}

/* A policy's words may quote the event, and go back to OpenPR, which keeps them. */
static void hide_secrets(char *text, size_t size)
{
	_cleanup_free_ char *clean = redact(text, strlen(text), NULL);

	snprintf(text, size, "%s", clean ? clean : "");
}

static void hide_all_secrets(struct decided *decided)
{
	struct policy_decision *policy = &decided->policy;

	hide_secrets(decided->reason, sizeof(decided->reason));
	hide_secrets(policy->reason, sizeof(policy->reason));
	hide_secrets(policy->rule, sizeof(policy->rule));
	hide_secrets(policy->filter_rule, sizeof(policy->filter_rule));
}

static void say_empty(struct decided *decided)
{
	decided->decision = (struct store_decision){
		.action = ACTION_IGNORE,
		.rule = "empty dispatch",
		.reason = "the dispatch has neither a body nor an issue",
	};
}

/* OpenPR is told of a dispatch as of a webhook, if it can be told. */
static bool is_quiet(struct pipeline *pipeline, const struct config *config,
		     const struct store_event *stored)
{
	return stored->source == SOURCE_TUNNEL &&
	       (!config->openpr.api_url ||
		!identity_token(pipeline->identity, config, stored->bot_id, stored->bot_name));
}

void decide(struct pipeline *pipeline, const struct config *config, const struct event *event,
	    int64_t patience, struct decided *decided)
{
	decide_at(pipeline, config, event, clock_wall(), patience, decided);
}

void decide_at(struct pipeline *pipeline, const struct config *config, const struct event *event,
	       int64_t now, int64_t patience, struct decided *decided)
{
	const struct store_event *stored = event_stored(event);
	json_t *ours = identity_ours(pipeline->identity);
	struct err err;

	const int64_t began = clock_micros();
	const struct log_ids ids = { .issue = stored->issue_id,
				     .delivery = event_delivery(stored) };

	memset(decided, 0, sizeof(*decided));
	log_about(&ids);
	const struct policy_event asked = {
		.body = stored->body,
		.body_len = stored->body_len,
		.completion = stored->completion,
		.ours = ours,
		.now = now,
		.skip_filter = config->tunnel.skip_filter,
	};
	if (event_is_empty(event)) {
		say_empty(decided);
	} else if (patience <= 0) {
		err_set(&err, ERR_FULL,
			"the policy workers are busy; decided as soon as one is free");
		hold(decided, &err);
	} else if (policy_decide(pipeline->pool, &asked, patience, &decided->policy, &err) < 0) {
		hold(decided, &err);
		if (err.code != ERR_FULL)
			atomic_fetch_add(&pipeline->policy_failures, 1);
	} else {
		atomic_store(&pipeline->policy_failures, 0);
		translate(config, event, decided);
	}
	json_decref(ours);
	log_about(NULL);
	hide_all_secrets(decided);
	decided->decision.quiet = is_quiet(pipeline, config, stored);
	if (patience > 0)
		meters_took(&pipeline->meters, METER_DECIDE, clock_micros() - began);

	if (decided->decision.action == ACTION_ACCEPT && lacks_token(pipeline, config, stored)) {
		decided->decision.action = ACTION_NO_AGENT;
		decided->decision.reason = "no token for bot";
		decided->decision.target_count = 0;
	}
}

int decide_complete(struct pipeline *pipeline, const struct config *config, struct openpr *openpr,
		    struct event *event, struct err *err)
{
	const struct store_event *stored = event_stored(event);
	const char *token =
	    identity_token(pipeline->identity, config, stored->bot_id, stored->bot_name);
	json_t *issue = NULL;

	if (stored->completion || !stored->issue_id || !config->openpr.api_url || !token ||
	    config->executor.safe_mode)
		return 0;

	const openpr_result result =
	    openpr_issue(openpr, config, token, stored->issue_id, COMPLETION_TIMEOUT, &issue, err);
	if (result == OPENPR_GONE)
		return event_complete(event, "{\"missing\":\"issue\"}", err);
	if (result != OPENPR_OK)
		return err_prefix(err, "OpenPR could not be asked for the issue");

	json_t *whole = json_pack("{s:o}", "issue", issue);
	char *text = json_text(whole);
	const int rc = text ? event_complete(event, text, err)
			    : err_set(err, ERR_NOMEM, "no memory for an issue");
	free(text);
	json_decref(whole);
	return rc;
}
