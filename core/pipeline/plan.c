#include "pipeline/plan.h"

#include <stdlib.h>
#include <string.h>

#include "exec/argv.h"
#include "exec/permit.h"
#include "policy/policy.h"

json_t *plan_new(json_t *actions)
{
	return json_pack("{s:o, s:i}", "actions", actions, "done", 0);
}

json_t *plan_read(const char *text, struct err *err)
{
	json_t *plan = json_parse(text, strlen(text), err);
	const size_t count = json_array_size(json_at(plan, "actions"));
	const int64_t done = json_int(plan, "done", -1);

	if (plan && count > 0 && count <= POLICY_ACTIONS && done >= 0 && done <= (int64_t)count)
		return plan;
	json_decref(plan);
	err_set(err, ERR_INVALID, "what is kept of its actions is not understood");
	return NULL;
}

static const json_t *action_at(const json_t *plan, size_t index)
{
	return json_array_get(json_at(plan, "actions"), index);
}

static bool is_kind(const json_t *action, const char *kind)
{
	const char *own = json_str(action, "kind");

	return own && strcmp(own, kind) == 0;
}

static size_t done(const json_t *plan)
{
	return (size_t)json_int(plan, "done", 0);
}

size_t plan_count(const json_t *plan)
{
	return json_array_size(json_at(plan, "actions"));
}

size_t plan_number(const json_t *plan)
{
	return done(plan) + 1;
}

const json_t *plan_next(const json_t *plan)
{
	const json_t *action = action_at(plan, done(plan));

	return is_kind(action, "http") || is_kind(action, "run") ? action : NULL;
}

bool plan_has_run(const json_t *plan)
{
	for (size_t i = 0; i < plan_count(plan); i++)
		if (is_kind(action_at(plan, i), "run"))
			return true;
	return false;
}

/* ---- may it be done ---- */

static int check_arguments(const struct executor *executor, const json_t *list, bool full,
			   struct err *err)
{
	const char *arguments[PERMIT_ARGUMENTS + 1];
	const size_t count = json_array_size(list);

	for (size_t i = 0; i < count && i <= PERMIT_ARGUMENTS; i++)
		arguments[i] = json_string_value(json_array_get(list, i));
	return permit_arguments(executor, arguments, count, full, err);
}

static int check_environment(const json_t *list, bool full, struct err *err)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (permit_variable(json_str(json_array_get(list, i), "name"), PERMIT_HANDLER, full,
				    err) < 0)
			return -1;
	return 0;
}

static int check_run(const json_t *action, const struct config_agent *agent, struct err *err)
{
	const char *name = json_str(action, "executor");
	const struct executor *executor = whitelist_find(name);
	const bool full = agent->permissions == PERMISSIONS_FULL;

	if (!executor)
		return err_set(err, ERR_INVALID, "\"%.100s\" is not on the whitelist", name);
	if (!agent->working_dir)
		return err_set(err, ERR_INVALID,
			       "a program needs agents.%s.working_dir or executor.working_dir",
			       agent->name);
	if (argv_check_model(json_str(action, "model"), err) < 0 ||
	    check_arguments(executor, json_at(action, "arguments"), full, err) < 0)
		return -1;
	return check_environment(json_at(action, "environment"), full, err);
}

static int check_http(const json_t *action, const struct config_agent *agent, struct err *err)
{
	const char *bearer = json_str(action, "bearer");

	for (size_t i = 0; bearer && i < agent->env_count; i++)
		if (strcmp(agent->env[i].name, bearer) == 0)
			return 0;
	return bearer ? err_set(err, ERR_INVALID, "agents.%s.env has no %.100s for its bearer",
				agent->name, bearer)
		      : 0;
}

int plan_check(const json_t *plan, const struct config_agent *agent, struct err *err)
{
	for (size_t i = done(plan); i < plan_count(plan); i++) {
		const json_t *action = action_at(plan, i);
		int rc = 0;
		if (is_kind(action, "run"))
			rc = check_run(action, agent, err);
		else if (is_kind(action, "http"))
			rc = check_http(action, agent, err);
		if (rc < 0)
			return err_prefix(err, "%s: action %zu", agent->handler, i + 1);
	}
	return 0;
}

/* ---- what came of it ---- */

int plan_did(json_t *plan, const struct run_result *result)
{
	const bool program = is_kind(plan_next(plan), "run");

	if (program) {
		json_object_set_new(
		    plan, "program",
		    json_pack("{s:s?, s:I, s:I, s:f}", "session", result->session_id,
			      "input_tokens", (json_int_t)result->input_tokens, "output_tokens",
			      (json_int_t)result->output_tokens, "cost_usd", result->cost_usd));
		json_object_del(plan, "text");
	}
	if (result->final_text && (program || !json_at(plan, "program")))
		json_object_set_new(plan, "text", json_string(result->final_text));
	return json_object_set_new(plan, "done", json_integer((json_int_t)plan_number(plan)));
}

static char *copy_of(const char *text)
{
	return text ? strdup(text) : NULL;
}

void plan_result(const json_t *plan, struct run_result *result)
{
	const json_t *program = json_at(plan, "program");
	const json_t *cost = json_at(program, "cost_usd");

	*result = (struct run_result){
		.outcome = OUTCOME_SUCCESS,
		.exit_code = program ? 0 : -1,
		.final_text = copy_of(json_str(plan, "text")),
		.session_id = copy_of(json_str(program, "session")),
		.input_tokens = json_int(program, "input_tokens", -1),
		.output_tokens = json_int(program, "output_tokens", -1),
		.cost_usd = json_is_number(cost) ? json_number_value(cost) : -1,
	};
}

void plan_words(const json_t *plan, const char **comment, const char **state)
{
	*comment = *state = NULL;
	for (size_t i = 0; i < plan_count(plan); i++) {
		const json_t *action = action_at(plan, i);
		if (is_kind(action, "comment"))
			*comment = json_str(action, "text");
		else if (is_kind(action, "state"))
			*state = json_str(action, "text");
	}
}
