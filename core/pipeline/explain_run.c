/* The run that would start, and what OpenPR would be told of it. */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "pipeline/explain_parts.h"
#include "pipeline/gate.h"
#include "pipeline/launch.h"
#include "pipeline/outbox.h"

/* Stands where the daemon makes an id. */
#define RUN_ID "00000000-0000-7000-8000-000000000000"

/* What only OpenPR knows. */
#define NOT_HERE "(not in the event: OpenPR is asked for it when the run starts)"
static const char placeholder[] =
    "{\"issue\":{\"title\":\"" NOT_HERE "\",\"description\":\"" NOT_HERE "\","
    "\"state\":\"" NOT_HERE "\",\"priority\":\"" NOT_HERE "\",\"labels\":[]}}";

/* ---- the prompt ---- */

static int render(struct explaining *on, const char *agent, struct buf *prompt,
		  enum policy_rendered *rendered, bool *whole, struct err *err)
{
	struct policy_event event = {
		.body = on->stored->body,
		.body_len = on->stored->body_len,
		.completion = on->stored->completion,
		.now = on->now,
	};
	*whole = true;
	int rc = policy_render(on->pipeline.pool, &event, agent, prompt, rendered, err);
	if (rc == 0 && *rendered == RENDERED_NEEDS_ISSUE) {
		*whole = false;
		event.completion = placeholder;
		rc = policy_render(on->pipeline.pool, &event, agent, prompt, rendered, err);
		if (rc == 0 && *rendered == RENDERED_NEEDS_ISSUE)
			rc = err_set(err, ERR_POLICY, "it asks for the issue once more");
	}
	return rc;
}

static void add_problem(json_t *run, const char *what, const char *why)
{
	char text[640];

	snprintf(text, sizeof(text), "%s%s", what, why);
	json_array_append_new(json_object_get(run, "problems"), json_string(text));
}

/* ---- what starts ---- */

/* What an agent behind HTTP would be sent. */
static void plan_request(struct explaining *on, const struct config_agent *agent,
			 enum policy_rendered rendered, const struct buf *prompt, json_t *run)
{
	struct err err;
	json_t *request =
	    launch_describe(agent, on->stored->body, on->stored->body_len, rendered, prompt, &err);

	if (!request)
		add_problem(run, "no request could be made: ", err.text);
	else
		json_object_set_new(run, "request", request);
}

static void plan(struct explaining *on, const struct config_agent *agent, int64_t timeout,
		 const struct buf *prompt, json_t *run)
{
	struct err err = { .text = "" };
	_cleanup_free_ char *directory = launch_directory(agent);
	_cleanup_free_ char *log = launch_state_path(on->config, "runs", RUN_ID, ".log", &err);
	_cleanup_free_ char *lock = launch_state_path(on->config, "locks", "-", "", &err);
	json_t *told = NULL, *problem;
	size_t i;

	if (directory && log && lock) {
		const struct run_spec spec =
		    launch_spec(on->config, agent, RUN_ID, timeout, prompt, directory, log, lock);
		told = run_plan(&spec, &err);
	}
	if (!told) {
		add_problem(run, "", err.text[0] ? err.text : "out of memory");
		return;
	}
	json_array_foreach(json_at(told, "problems"), i, problem)
	{
		json_array_append(json_object_get(run, "problems"), problem);
	}
	json_object_update_missing(run, told);
	json_decref(told);
}

static const char *timeout_source(const struct config *config, const struct config_agent *agent,
				  int64_t given)
{
	if (given > 0)
		return "route";
	return agent->timeout == config->executor.timeout ? "executor.timeout_secs"
							  : "agents.X.timeout_secs";
}

/* ---- reports ---- */

static json_t *made_up_run(const struct explaining *on, const char *agent, const char *outcome)
{
	static const char *const kinds[] = {
		[KIND_NONE] = "other",
		[KIND_ASSIGNMENT] = "assignment",
		[KIND_MENTION] = "mention",
		[KIND_OTHER] = "other",
	};
	const bool ended = outcome != NULL;
	const bool success = ended && strcmp(outcome, "success") == 0;
	json_t *run = json_pack(
	    "{s:s, s:s?, s:n, s:n, s:n, s:n, s:n, s:n, s:i, s:s, s:s?, s:s, s:n, s:n, s:n, s:n, "
	    "s:b}",
	    "run_id", RUN_ID, "outcome", outcome, "exit_code", "signal", "cause", "final_text",
	    "tail", "duration", "attempt", 1, "agent", agent, "rule", on->decided.decision.rule,
	    "kind", kinds[on->stored->kind], "session_id", "input_tokens", "output_tokens",
	    "cost_usd", "truncated", false);

	if (ended) {
		json_object_set_new(run, "exit_code", json_integer(success ? 0 : 1));
		json_object_set_new(run, "duration", json_integer(95000));
		json_object_set_new(run, "tail", json_string("(the end of what it printed)"));
	}
	if (success)
		json_object_set_new(run, "final_text", json_string("(the agent's last message)"));
	else if (ended)
		json_object_set_new(run, "cause", json_string("(why it failed)"));
	return run;
}

static const char *ai_end_of(const struct explaining *on, const char *outcome)
{
	if (!on->stored->ai_task_id || !outcome)
		return NULL;
	return strcmp(outcome, "success") == 0 ? "completed" : "failed";
}

/* outcome NULL: the start. */
static json_t *report(struct explaining *on, const char *agent, const char *outcome)
{
	struct store_report row = {
		.run_id = RUN_ID,
		.kind = REPORT_FORMAT,
		.started = !outcome,
		.run = made_up_run(on, agent, outcome),
		.body = (char *)on->stored->body,
		.body_len = on->stored->body_len,
		.completion = (char *)on->stored->completion,
	};
	struct outbox_words words;
	struct err err;
	json_t *told = NULL;

	if (outbox_word(&on->pipeline, &row, on->now, &words, &err) < 0) {
		told = json_pack("{s:s}", "failure", err.text);
	} else {
		told = json_pack("{s:s?, s:s?, s:s*, s:s*}", "comment", words.comment, "state",
				 words.state, "ai_task", ai_end_of(on, outcome), "failure",
				 words.why.code ? words.why.text : NULL);
		outbox_words_done(&words);
	}
	json_decref(row.run);
	return told;
}

static const char *no_report(const struct explaining *on)
{
	if (!on->config->openpr.api_url)
		return "openpr.api_url is not set: nothing is reported";
	if (!identity_token(on->pipeline.identity, on->config, on->stored->bot_id,
			    on->stored->bot_name))
		return "there is no token for this bot: its reports wait (openpr.token, "
		       "openpr.bots)";
	return NULL;
}

static json_t *reports(struct explaining *on, const char *agent)
{
	return json_pack("{s:s, s:s?, s:o?, s:o?, s:o?}", "by",
			 on->config->openpr.callback == CALLBACK_MCP ? "mcp" : "api", "problem",
			 no_report(on), "started", report(on, agent, NULL), "success",
			 report(on, agent, "success"), "failure", report(on, agent, "failure"));
}

/* ---- one agent ---- */

static void tell_prompt(struct explaining *on, const struct config_agent *agent, bool whole,
			json_t *run)
{
	json_object_set_new(run, "prompt_complete", json_boolean(whole));
	if (!whole)
		explain_warn(
		    on,
		    "the prompt of %s needs the issue, which OpenPR is asked for when a run "
		    "starts: give it with --issue to see all of it",
		    agent->name);
}

static void tell_work(struct explaining *on, const struct config_agent *agent, int64_t timeout,
		      json_t *run)
{
	const struct buf none = { .bytes = (char *)"" };
	struct buf prompt = { 0 };
	enum policy_rendered rendered = RENDERED_TEXT;

	if (strcmp(agent->type, "custom") == 0) {
		json_object_set_new(run, "timeout",
				    json_integer(timeout > 0 ? timeout : agent->timeout));
		explain_warn(on,
			     "agent \"%s\": its handler says what is done when the task starts; "
			     "it is not asked here",
			     agent->name);
		return;
	}
	bool whole;
	struct err err;
	const bool good = render(on, agent->name, &prompt, &rendered, &whole, &err) == 0;

	if (good)
		tell_prompt(on, agent, whole, run);
	else
		add_problem(run, "render failed, the task would be held: ", err.text);
	json_object_set_new(run, "timeout", json_integer(timeout > 0 ? timeout : agent->timeout));
	if (strcmp(agent->type, "cli") == 0)
		plan(on, agent, timeout, good ? &prompt : &none, run);
	else if (good && gateway_speaks(agent))
		plan_request(on, agent, rendered, &prompt, run);
	if (!good)
		json_object_del(run, "stdin");
	buf_done(&prompt);
}

/* What is said of programs alone. */
static void tell_program(const struct config_agent *agent, json_t *run)
{
	json_object_set_new(run, "cli", json_string(agent->cli));
	json_object_set_new(
	    run, "permissions",
	    json_string(agent->permissions == PERMISSIONS_FULL ? "full" : "workspace"));
	json_object_set_new(run, "trust_repository", json_boolean(agent->trust_repository));
}

static json_t *tell_agent(struct explaining *on, size_t target)
{
	const char *name = on->decided.policy.targets[target].agent;
	const int64_t timeout = on->decided.policy.targets[target].timeout;
	const struct config_agent *agent = config_agent(on->config, name);

	if (!agent)
		return json_pack("{s:s, s:[s]}", "agent", name, "problems",
				 "config.lua has no such agent");
	const char *gate = gate_closed(on->config, agent);
	json_t *run = json_pack(
	    "{s:s, s:s, s:s?, s:b, s:s?, s:s, s:[]}", "agent", name, "type", agent->type, "gate",
	    gate, "starts", !gate && on->decided.decision.action == ACTION_ACCEPT, "model",
	    agent->model, "timeout_from", timeout_source(on->config, agent, timeout), "problems");

	if (!run)
		return NULL;
	if (strcmp(agent->type, "cli") == 0)
		tell_program(agent, run);
	tell_work(on, agent, timeout, run);
	if (agent->reports)
		json_object_set_new(run, "reports_itself", json_true());
	if (json_array_size(json_at(run, "problems")) > 0)
		json_object_set_new(run, "starts", json_false());
	json_object_set_new(run, "reports", reports(on, name));
	return run;
}

json_t *explain_runs(struct explaining *on)
{
	json_t *runs = json_array();

	if (on->decided.policy.action != POLICY_ACCEPT)
		return runs;
	for (size_t i = 0; i < on->decided.policy.target_count; i++)
		json_array_append_new(runs, tell_agent(on, i));
	return runs;
}
