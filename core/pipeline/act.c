#include "pipeline/act.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define OWN_HEADERS 2

void act_done(struct act *act)
{
	if (act->bearer)
		explicit_bzero(act->bearer, strlen(act->bearer));
	free(act->bearer);
	*act = (struct act){ .bearer = NULL };
}

/* The strings stay the list's. */
static size_t pairs_of(const json_t *list, struct config_pair *pairs, size_t most)
{
	const size_t count = json_array_size(list) < most ? json_array_size(list) : most;

	for (size_t i = 0; i < count; i++) {
		const json_t *pair = json_array_get(list, i);
		pairs[i].name = (char *)(uintptr_t)json_str(pair, "name");
		pairs[i].value = (char *)(uintptr_t)json_str(pair, "value");
	}
	return count;
}

static const char *own_variable(const struct config_agent *agent, const char *name)
{
	for (size_t i = 0; i < agent->env_count; i++)
		if (strcmp(agent->env[i].name, name) == 0)
			return agent->env[i].value;
	return NULL;
}

static int set_headers(struct act *act, const struct launch *launch, const json_t *action,
		       struct err *err)
{
	const size_t most = sizeof(act->headers) / sizeof(act->headers[0]) - OWN_HEADERS;
	const char *bearer = json_str(action, "bearer");
	const char *token = bearer ? own_variable(launch->agent, bearer) : NULL;
	size_t count = pairs_of(json_at(action, "headers"), act->headers, most);

	act->headers[count].name = (char *)"Idempotency-Key";
	act->headers[count++].value = act->key;
	if (bearer &&
	    (!token || strpbrk(token, "\r\n") || asprintf(&act->bearer, "Bearer %s", token) < 0)) {
		act->bearer = NULL;
		return err_set(err, ERR_INVALID, "agents.%s.env.%s is no token",
			       launch->agent->name, bearer);
	}
	if (bearer) {
		act->headers[count].name = (char *)"Authorization";
		act->headers[count++].value = act->bearer;
	}
	act->http.headers = act->headers;
	act->http.header_count = count;
	return 0;
}

struct gateway *act_request(struct act *act, const struct launch *launch, const json_t *action,
			    size_t number, int64_t timeout, const char *log_path,
			    struct breakers *breakers, struct err *err)
{
	const struct store_task *task = launch->task;
	const char *body = json_str(action, "body");

	snprintf(act->key, sizeof(act->key), "%s-%zu", task->key, number);
	act->http = (struct gateway_http){
		.method = json_str(action, "method"),
		.url = json_str(action, "url"),
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.allow_private = launch->agent->allow_private,
		.what = "The request was taken by",
	};
	if (set_headers(act, launch, action, err) < 0)
		return NULL;
	const struct gateway_spec spec = {
		.agent = launch->agent,
		.run_id = task->run_id,
		.key = act->key,
		.key_sent = task->put_off > 0 || strcmp(task->key, task->run_id) != 0,
		.http = &act->http,
		.timeout = timeout,
		.log_path = log_path,
		.breakers = breakers,
	};
	return gateway_start(&spec, err);
}

struct run *act_run(const struct launch *launch, const json_t *action, int64_t timeout,
		    const char *log_path, struct err *err)
{
	const struct config_agent *agent = launch->agent;
	const json_t *list = json_at(action, "environment");
	const json_t *arguments = json_at(action, "arguments");
	const size_t count = json_array_size(arguments);
	_cleanup_free_ struct config_pair *env =
	    calloc(agent->env_count + json_array_size(list) + 1, sizeof(*env));
	_cleanup_free_ const char **texts = calloc(count + 1, sizeof(*texts));

	if (!env || !texts) {
		err_set(err, ERR_NOMEM, "no memory for an action");
		return NULL;
	}
	if (agent->env_count > 0)
		memcpy(env, agent->env, agent->env_count * sizeof(*env));
	for (size_t i = 0; i < count; i++)
		texts[i] = json_string_value(json_array_get(arguments, i));
	const struct launch_program program = {
		.executor = json_str(action, "executor"),
		.model = json_str(action, "model"),
		.prompt = json_str(action, "prompt"),
		.arguments = texts,
		.argument_count = count,
		.env = env,
		.env_count = agent->env_count +
			     pairs_of(list, env + agent->env_count, json_array_size(list)),
		.timeout = timeout,
	};
	return launch_run(launch, &program, log_path, err);
}
