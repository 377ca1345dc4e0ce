#include "command/replay_diff.h"

#include <string.h>

#include "base/clock.h"

static bool is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

/* ---- what was ---- */

/* Of an event that was stored before its policies' verdict was kept. */
static const char *verdict_of_status(const char *status)
{
	if (is(status, "dispatched") || is(status, "observed") || is(status, "disabled"))
		return "accept";
	if (is(status, "ignored"))
		return "ignore";
	return is(status, "no_agent") ? "no_agent" : NULL;
}

static const char *verdict_of(const struct past *past)
{
	return past->verdict ? past->verdict : verdict_of_status(past->status);
}

bool replay_diff_known(const struct past *past)
{
	return verdict_of(past) != NULL;
}

/* ---- what is now ---- */

static const char *verdict_now(const struct policy_decision *decision)
{
	static const char *const verdicts[] = {
		[POLICY_ACCEPT] = "accept",
		[POLICY_IGNORE] = "ignore",
		[POLICY_CANCEL] = "cancel",
		[POLICY_NO_AGENT] = "no_agent",
	};

	return verdicts[decision->action];
}

static void take_now(struct replay_diff *diff, const struct policy_decision *decision)
{
	diff->now_verdict = verdict_now(decision);
	diff->now_filter_rule = decision->filter_rule;
	diff->now_rule = decision->rule;
	diff->now_reason = decision->reason[0] ? decision->reason : NULL;
	diff->now_agents = json_array();
	for (size_t i = 0; i < decision->target_count; i++)
		json_array_append_new(diff->now_agents, json_string(decision->targets[i].agent));
}

/* ---- beside each other ---- */

static bool differ(const char *was, const char *now)
{
	return was && (!now || strcmp(was, now) != 0);
}

/* A verdict that was read from a status does not tell ignore from cancel. */
static bool verdicts_differ(const struct replay_diff *diff, const struct past *past)
{
	if (!past->verdict && is(diff->was_verdict, "ignore") && is(diff->now_verdict, "cancel"))
		return false;
	return differ(diff->was_verdict, diff->now_verdict);
}

static bool agents_differ(const struct replay_diff *diff)
{
	const size_t now = json_array_size(diff->now_agents);

	if (!diff->was_agents)
		return false;
	return json_array_size(diff->was_agents) != now ||
	       (now > 0 && !json_equal(diff->was_agents, diff->now_agents));
}

void replay_diff_make(struct replay_diff *diff, const struct past *past,
		      const struct policy_decision *decision, const struct err *err)
{
	*diff = (struct replay_diff){
		.was_verdict = verdict_of(past),
		.was_filter_rule = past->filter_rule,
		.was_rule = past->verdict ? past->own_rule : past->rule,
		.was_reason = past->reason,
		.was_agents = past->agents,
	};
	if (err) {
		diff->now_verdict = "hold";
		diff->now_reason = err->text;
	} else {
		take_now(diff, decision);
	}
	diff->verdict = verdicts_differ(diff, past);
	if (is(diff->was_verdict, "hold") || err)
		return; /* no rule decided */
	diff->filter_rule = differ(diff->was_filter_rule, diff->now_filter_rule);
	diff->rule = differ(diff->was_rule, diff->now_rule);
	diff->agents = agents_differ(diff);
}

void replay_diff_done(struct replay_diff *diff)
{
	json_decref(diff->now_agents);
	diff->now_agents = NULL;
}

bool replay_diff_any(const struct replay_diff *diff)
{
	return diff->verdict || diff->filter_rule || diff->rule || diff->agents;
}

static json_t *names(const struct replay_diff *diff)
{
	json_t *list = json_array();

	if (diff->verdict)
		json_array_append_new(list, json_string("verdict"));
	if (diff->filter_rule)
		json_array_append_new(list, json_string("filter_rule"));
	if (diff->rule)
		json_array_append_new(list, json_string("rule"));
	if (diff->agents)
		json_array_append_new(list, json_string("agents"));
	return list;
}

json_t *replay_diff_json(const struct replay_diff *diff, const struct past *past)
{
	char at[CLOCK_TEXT_SIZE];

	clock_format(past->received_at, at);
	return json_pack("{s:s, s:s, s:s?, s:s, s:s, s:{s:s?, s:s?, s:s?, s:s?, s:O?},"
			 " s:{s:s?, s:s?, s:s?, s:s?, s:O?}, s:o}",
			 "event_id", past->id, "name", past->name, "issue_key", past->issue_key,
			 "received_at", at, "status", past->status, "was", "verdict",
			 diff->was_verdict, "filter_rule", diff->was_filter_rule, "rule",
			 diff->was_rule, "reason", diff->was_reason, "agents",
			 (json_t *)diff->was_agents, "now", "verdict", diff->now_verdict,
			 "filter_rule", diff->now_filter_rule, "rule", diff->now_rule, "reason",
			 diff->now_reason, "agents", diff->now_agents, "differs", names(diff));
}
