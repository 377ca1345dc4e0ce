#include "pipeline/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/redact.h"
#include "pipeline/answer.h"
#include "pipeline/explain_parts.h"

#define PATIENCE 30000 /* ms; a person waits, and nobody else has the workers */

void explain_warn(struct explaining *on, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_array_append_new(on->warnings, json_string(text));
}

/* ---- the event ---- */

/* Policies and gates lie in this process; what only a running daemon knows is not there. */
static int prepare(struct explaining *on, const struct explain *asked, struct err *err)
{
	const int64_t now = clock_wall();

	on->event =
	    event_parse_kept(asked->body, asked->body_len, asked->now ? asked->now : now, err);
	if (!on->event)
		return -1;
	on->stored = event_stored(on->event);
	on->now = asked->now ? asked->now : on->stored->at > 0 ? on->stored->at : now;
	if (asked->completion && event_complete(on->event, asked->completion, err) < 0)
		return err_prefix(err, "the issue");
	on->pipeline.identity = identity_new();
	on->warnings = json_array();
	if (!on->pipeline.identity || !on->warnings)
		return err_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

static void warn_of_age(struct explaining *on, const struct explain *asked)
{
	const int64_t age = clock_wall() - on->stored->at, limit = on->config->webhook.tolerance;

	if (asked->stored || asked->now || event_shape(on->event) != EVENT_WEBHOOK ||
	    (age <= limit && -age <= limit))
		return;
	explain_warn(on,
		     "its timestamp is %lld s %s: posted now, it would be refused (401, "
		     "webhook.tolerance is %lld s); it is explained as of its own time",
		     (long long)(age < 0 ? -age : age) / 1000, age < 0 ? "ahead" : "old",
		     (long long)limit / 1000);
}

static void warn_of_the_unknown(struct explaining *on)
{
	if (event_shape(on->event) == EVENT_AI_TASK && !on->stored->completion &&
	    on->stored->issue_id)
		explain_warn(on, "the daemon asks OpenPR for the issue of an AI task before it "
				 "decides; here nobody is asked: give the issue with --issue");
}

static json_t *time_value(int64_t ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(ms, text);
	return json_string(text);
}

static json_t *work_of(const struct explaining *on)
{
	static const char *const kinds[] = {
		[KIND_NONE] = "none",
		[KIND_ASSIGNMENT] = "assignment",
		[KIND_MENTION] = "mention",
		[KIND_OTHER] = "other",
	};

	return json_pack("{s:s, s:s?, s:s?, s:s?, s:s?}", "kind", kinds[on->stored->kind],
			 "join_key", on->stored->join_key, "issue_id", on->stored->issue_id,
			 "bot_id", on->stored->bot_id, "ai_task_id", on->stored->ai_task_id);
}

/* ---- the decision ---- */

static void decide_it(struct explaining *on, json_t *result)
{
	const struct policy_decision *policy = &on->decided.policy;
	json_t *agents = json_array();

	decide_at(&on->pipeline, on->config, on->event, on->now, PATIENCE, &on->decided);
	const struct store_decision *decision = &on->decided.decision;
	for (size_t i = 0; i < policy->target_count; i++)
		json_array_append_new(agents, json_string(policy->targets[i].agent));
	json_object_set_new(result, "decision",
			    json_pack("{s:s?, s:s?, s:s?, s:s?, s:o}", "verdict", decision->verdict,
				      "filter_rule", decision->filter_rule, "rule", decision->rule,
				      "reason", decision->reason, "agents", agents));
}

static bool equal(const char *a, const char *b)
{
	return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static bool mentions(const json_t *condition, const char *words)
{
	const char *own = json_str(condition, "words");
	size_t i;
	json_t *part;

	if (own && strcmp(own, words) == 0)
		return true;
	json_array_foreach(json_at(condition, "parts"), i, part)
	{
		if (mentions(part, words))
			return true;
	}
	return false;
}

/* Whose token openpr.token is only OpenPR can say. */
static void warn_of_ours(struct explaining *on, const json_t *policies)
{
	size_t i, j;
	json_t *policy, *rule;

	json_array_foreach(policies, i, policy)
	{
		json_array_foreach(json_at(policy, "tried"), j, rule)
		{
			if (!mentions(json_at(rule, "condition"), "ours"))
				continue;
			explain_warn(on,
				     "which identities the daemon writes as is asked of OpenPR; "
				     "here nobody is asked, and when.ours does not hold");
			return;
		}
	}
}

/* The trace, asked for separately: the decision itself comes from the very path of the daemon. */
static void trace(struct explaining *on, json_t *result)
{
	const struct policy_event asked = {
		.body = on->stored->body,
		.body_len = on->stored->body_len,
		.completion = on->stored->completion,
		.now = on->now,
		.skip_filter = on->config->tunnel.skip_filter,
	};
	struct err why;
	json_t *told = policy_explain(on->pipeline.pool, &asked, &why);

	if (!told) {
		explain_warn(on, "the rules cannot be told one by one: %s", why.text);
		return;
	}
	json_object_update_missing(json_object_get(result, "event"), json_at(told, "event"));
	json_object_set(result, "policies", json_at(told, "policies"));
	if (json_at(told, "failure"))
		json_object_set(result, "failure", json_at(told, "failure"));
	const char *rule = json_str(told, "decision.rule");
	if (rule && (!equal(json_str(told, "decision.action"), on->decided.decision.verdict) ||
		     !equal(rule, on->decided.decision.rule)))
		explain_warn(on,
			     "asked twice, the policies answered differently: they go by chance");
	warn_of_ours(on, json_at(told, "policies"));
	json_decref(told);
}

/* ---- the answer ---- */

static struct store_answer answer_of(const struct explaining *on)
{
	static const enum store_status statuses[] = {
		[ACTION_ACCEPT] = STATUS_DISPATCHED, [ACTION_IGNORE] = STATUS_IGNORED,
		[ACTION_CANCEL] = STATUS_IGNORED,    [ACTION_HOLD] = STATUS_HELD,
		[ACTION_UNDECIDED] = STATUS_HELD,    [ACTION_NO_AGENT] = STATUS_NO_AGENT,
		[ACTION_DISABLED] = STATUS_DISABLED, [ACTION_OBSERVE] = STATUS_OBSERVED,
	};
	const struct store_decision *decision = &on->decided.decision;
	struct store_answer answer = { .status = statuses[decision->action] };

	snprintf(answer.rule, sizeof(answer.rule), "%s", decision->rule ? decision->rule : "");
	snprintf(answer.reason, sizeof(answer.reason), "%s",
		 decision->reason ? decision->reason : "");
	snprintf(answer.gate, sizeof(answer.gate), "%s", decision->gate ? decision->gate : "");
	for (size_t i = 0; i < decision->target_count && i < STORE_TARGETS; i++)
		snprintf(answer.runs[i].agent, sizeof(answer.runs[i].agent), "%s",
			 decision->targets[i].agent);
	answer.run_count = decision->target_count;
	return answer;
}

/* {"http": status, ...the body}; takes the answer's body. */
static json_t *answer_value(struct pipeline_answer answer)
{
	struct err ignored;
	_cleanup_free_ char *text = answer.body;
	json_t *body = text ? json_parse(text, strlen(text), &ignored) : NULL;

	json_object_set_new(body, "http", json_integer(answer.status));
	return body;
}

static void answer_it(const struct explaining *on, json_t *result)
{
	const struct store_answer answer = answer_of(on);

	json_object_set_new(result, "answer", answer_value(answer_stored(on->stored, &answer)));
}

static json_t *gates_of(const struct config *config)
{
	return json_pack("{s:b, s:b, s:b, s:b}", "cli_executor", config->features.cli_executor,
			 "wss_tunnel", config->features.wss_tunnel, "webhook_forward",
			 config->features.webhook_forward, "custom_agent",
			 config->features.custom_agent);
}

/* ---- secrets ---- */

static json_t *without_secrets(const json_t *text)
{
	size_t len;
	_cleanup_free_ char *clean =
	    redact(json_string_value(text), json_string_length(text), &len);

	return clean ? json_stringn(clean, len) : json_null();
}

static void hide(json_t *value)
{
	const char *name;
	json_t *item;
	void *next;
	size_t i;

	json_object_foreach_safe(value, next, name, item)
	{
		if (json_is_string(item))
			json_object_set_new(value, name, without_secrets(item));
		else
			hide(item);
	}
	json_array_foreach(value, i, item)
	{
		if (json_is_string(item))
			json_array_set_new(value, i, without_secrets(item));
		else
			hide(item);
	}
}

/* ---- all of it ---- */

static json_t *explain_known(struct explaining *on, const struct explain *asked)
{
	json_t *result = json_pack(
	    "{s:{s:s, s:s}, s:o, s:o, s:o, s:b, s:[]}", "event", "name", on->stored->name, "source",
	    event_shape(on->event) == EVENT_AI_TASK ? "ai_task" : "webhook", "now",
	    time_value(on->now), "work", work_of(on), "gates", gates_of(on->config), "safe_mode",
	    on->config->executor.safe_mode, "policies");

	if (!result)
		return NULL;
	warn_of_age(on, asked);
	warn_of_the_unknown(on);
	decide_it(on, result);
	trace(on, result);
	answer_it(on, result);
	json_object_set_new(result, "runs", explain_runs(on));
	return result;
}

static json_t *explain_unknown(void)
{
	return json_pack("{s:{s:s}, s:o}", "event", "name", "unknown", "answer",
			 answer_value(answer_unknown()));
}

json_t *explain(const struct config *config, struct policy_pool *pool, const struct explain *asked,
		struct err *err)
{
	struct explaining on = { .config = config, .pipeline = { .pool = pool } };
	json_t *result = NULL;

	if (prepare(&on, asked, err) == 0) {
		result = event_shape(on.event) == EVENT_UNKNOWN ? explain_unknown()
								: explain_known(&on, asked);
		if (result) {
			json_object_set(result, "warnings", on.warnings);
			hide(result);
		} else {
			err_set(err, ERR_NOMEM, "out of memory");
		}
	}
	json_decref(on.warnings);
	identity_free(on.pipeline.identity);
	event_free(on.event);
	return result;
}
