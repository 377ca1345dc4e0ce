/* What an agent behind HTTP is told. */

#include <string.h>

#include "base/id.h"
#include "pipeline/launch.h"

/* OpenPR's two headers say what the signed body says; an AI task and what came by the tunnel have
 * none of their own. */
static void name_event(struct launch *launch, struct gateway_spec *spec)
{
	const struct store_task *task = launch->task;
	struct err ignored;

	json_decref(launch->envelope);
	launch->envelope = json_parse(task->body, task->body_len, &ignored);
	spec->event = json_str(launch->envelope, "event");
	spec->delivery = json_str(launch->envelope, "id");
	if (!spec->event)
		spec->event = json_str(launch->envelope, "task_type");
	if (!spec->delivery)
		spec->delivery = json_str(launch->envelope, "task_id");
	if (!spec->delivery)
		spec->delivery = task->run_id;
}

static void set_body(struct launch *launch)
{
	const bool whole = launch->rendered == RENDERED_EVENT;

	launch->http = gateway_http_of(launch->agent);
	launch->http.body = whole ? launch->task->body : launch->prompt.bytes;
	launch->http.body_len = whole ? launch->task->body_len : launch->prompt.len;
	if (launch->rendered == RENDERED_TEXT)
		launch->http.content_type = "text/plain; charset=utf-8";
}

static struct gateway_spec spec_of(struct launch *launch, const char *log_path,
				   struct breakers *breakers)
{
	const struct store_task *task = launch->task;
	struct gateway_spec spec = {
		.agent = launch->agent,
		.run_id = task->run_id,
		.key = task->key,
		.key_sent = task->put_off > 0 || strcmp(task->key, task->run_id) != 0,
		.session = task->session,
		.prompt = launch->prompt.bytes,
		.prompt_len = launch->prompt.len,
		.timeout = task->timeout > 0 ? task->timeout : launch->agent->timeout,
		.log_path = log_path,
		.breakers = breakers,
	};

	if (strcmp(launch->agent->type, "webhook") == 0) {
		set_body(launch);
		name_event(launch, &spec);
		spec.http = &launch->http;
	}
	return spec;
}

struct gateway *launch_converse(struct launch *launch, const char *log_path,
				struct breakers *breakers, struct err *err)
{
	const struct gateway_spec spec = spec_of(launch, log_path, breakers);

	return gateway_start(&spec, err);
}

json_t *launch_describe(const struct config_agent *agent, const char *body, size_t body_len,
			enum policy_rendered rendered, const struct buf *prompt, struct err *err)
{
	struct store_task task = { .body = (char *)(uintptr_t)body, .body_len = body_len };
	struct launch launch = {
		.task = &task, .agent = agent, .prompt = *prompt, .rendered = rendered
	};

	id_make(task.run_id);
	memcpy(task.key, task.run_id, ID_SIZE);
	const struct gateway_spec spec = spec_of(&launch, NULL, NULL);
	json_t *shown = gateway_describe(&spec, err);
	json_decref(launch.envelope);
	return shown;
}
