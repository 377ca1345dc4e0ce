#include "server/admin_api.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "server/admin_metrics.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 1000
#define STATUS_SIZE 32

struct query {
	size_t limit;
	char status[STATUS_SIZE]; /* empty: not given */
};

struct call {
	const struct admin_api *api;
	char id[ID_SIZE]; /* the one in the path */
	struct query query;
};

static struct admin_answer answer(int status, json_t *body)
{
	return (struct admin_answer){ .status = body ? status : 500, .body = body };
}

static struct admin_answer failure(int status, const char *text)
{
	return answer(status, json_pack("{s:s}", "error", text));
}

static struct admin_answer failed(const struct err *err)
{
	switch (err->code) {
	case ERR_NOTFOUND:
		return failure(404, err->text);
	case ERR_CONFLICT:
		return failure(409, err->text);
	case ERR_INVALID:
	case ERR_CONFIG:
		return failure(400, err->text);
	default:
		return failure(500, err->text);
	}
}

/* ---- verbs ---- */

static struct admin_answer list_runs(const struct call *call)
{
	struct err err;
	json_t *runs = store_runs(call->api->store, call->query.limit, &err);

	return runs ? answer(200, runs) : failed(&err);
}

static struct admin_answer show_run(const struct call *call)
{
	struct err err;
	json_t *run = store_show(call->api->store, call->id, &err);

	return run ? answer(200, run) : failed(&err);
}

static struct admin_answer cancel_run(const struct call *call)
{
	struct err err;

	if (store_cancel(call->api->store, call->id, &err) < 0)
		return failed(&err);
	pipeline_tell_run(call->api->pipeline, call->id);
	return answer(200, json_pack("{s:s}", "run_id", call->id));
}

static struct admin_answer retry_run(const struct call *call)
{
	char run_id[ID_SIZE];
	struct err err;

	if (pipeline_retry(call->api->pipeline, call->id, run_id, &err) < 0)
		return failed(&err);
	pipeline_tell_run(call->api->pipeline, run_id);
	return answer(200, json_pack("{s:s}", "run_id", run_id));
}

static struct admin_answer retry_report(const struct call *call)
{
	struct err err;

	if (store_retry_report(call->api->store, call->id, &err) < 0)
		return failed(&err);
	return answer(200, json_pack("{s:s}", "run_id", call->id));
}

static struct admin_answer list_events(const struct call *call)
{
	const char *status = call->query.status[0] ? call->query.status : NULL;
	struct err err;
	json_t *events = store_events(call->api->store, status, call->query.limit, &err);

	return events ? answer(200, events) : failed(&err);
}

static struct admin_answer release_event(const struct call *call)
{
	json_t *decided = NULL;
	struct err err;

	if (pipeline_release(call->api->pipeline, call->id, &decided, &err) < 0)
		return failed(&err);
	return answer(200, decided);
}

static struct admin_answer discard_event(const struct call *call)
{
	struct err err;

	if (store_discard(call->api->store, call->id, &err) < 0)
		return failed(&err);
	return answer(200, json_pack("{s:s}", "event_id", call->id));
}

static json_t *lines(const char *text)
{
	json_t *array = json_array();

	while (text && *text) {
		const size_t len = strcspn(text, "\n");
		if (len > 0)
			json_array_append_new(array, json_stringn(text, len));
		text += len + (text[len] == '\n');
	}
	return array;
}

static struct admin_answer reload(const struct call *call)
{
	const struct admin_hooks *hooks = &call->api->hooks;
	struct buf mistakes = { 0 };
	struct admin_answer done;
	struct err err;

	if (hooks->reload(hooks->ctx, &mistakes, &err) == 0) {
		done = answer(200, json_pack("{s:s}", "status", "reloaded"));
	} else {
		done = failed(&err);
		if (done.body && mistakes.len > 0)
			json_object_set_new(done.body, "mistakes", lines(mistakes.bytes));
	}
	buf_done(&mistakes);
	return done;
}

static json_t *running(struct pipeline *pipeline)
{
	return json_integer((json_int_t)pipeline_running(pipeline));
}

static struct admin_answer drain(const struct call *call)
{
	pipeline_drain(call->api->pipeline);
	return answer(200, json_pack("{s:s, s:o}", "status", "draining", "running",
				     running(call->api->pipeline)));
}

/* One thing that turns /ready, for a glance; the rest is in the list. */
static const char *first_reason(const json_t *troubles)
{
	for (size_t i = 0; i < json_array_size(troubles); i++) {
		const json_t *trouble = json_array_get(troubles, i);
		if (json_is_true(json_at(trouble, "turns")))
			return json_str(trouble, "text");
	}
	return NULL;
}

static struct admin_answer ready(const struct call *call)
{
	json_t *troubles = pipeline_troubles(call->api->pipeline);
	const bool good = !first_reason(troubles);

	return answer(good ? 200 : 503,
		      json_pack("{s:b, s:o}", "ready", good, "reasons", troubles));
}

static struct admin_answer status(const struct call *call)
{
	const struct admin_hooks *hooks = &call->api->hooks;
	struct pipeline *pipeline = call->api->pipeline;
	struct err err;
	json_t *counts = store_counts(call->api->store, &err);

	if (!counts)
		return failed(&err);
	json_t *counters = hooks->counters ? hooks->counters(hooks->ctx) : NULL;
	if (!counters)
		counters = json_object();
	json_object_set_new(counters, "pipeline", pipeline_counters(pipeline));
	json_t *troubles = pipeline_troubles(pipeline);
	const char *reason = first_reason(troubles);
	return answer(200, json_pack("{s:s, s:i, s:b, s:s?, s:o, s:b, s:o, s:o, s:o}", "version",
				     OPW_VERSION, "pid", (int)getpid(), "ready", !reason, "reason",
				     reason, "reasons", troubles, "draining",
				     pipeline_draining(pipeline), "running", running(pipeline),
				     "counts", counts, "counters", counters));
}

static struct admin_answer metrics(const struct call *call)
{
	return (struct admin_answer){
		.status = 200,
		.text = admin_metrics(call->api),
		.type = ADMIN_METRICS_TYPE,
	};
}

static struct admin_answer no_such_path(const struct call *call)
{
	(void)call;
	return failure(404, "no such path");
}

/* ---- routes ---- */

/* A `*` stands for an id. */
static const struct route {
	const char *method, *path;
	struct admin_answer (*serve)(const struct call *call);
} routes[] = {
	{ "GET", "/api/runs", list_runs },
	{ "GET", "/api/runs/*", show_run },
	{ "POST", "/api/runs/*/cancel", cancel_run },
	{ "POST", "/api/runs/*/retry", retry_run },
	{ "POST", "/api/runs/*/retry-report", retry_report },
	{ "GET", "/api/events", list_events },
	{ "POST", "/api/events/*/release", release_event },
	{ "POST", "/api/events/*/discard", discard_event },
	{ "POST", "/api/reload", reload },
	{ "POST", "/api/drain", drain },
	{ "GET", "/api/status", status },
	{ "GET", "/api/ready", ready },
	{ "GET", "/metrics", metrics },
	/* admin_stream.c answers these before; here they refuse other methods and what is no id */
	{ "GET", "/api/runs/*/log", no_such_path },
	{ "GET", "/api/stream", no_such_path },
};

/* The segment in the place of `*` goes to id, cut to fit. */
static bool match(const char *pattern, const char *path, char id[ID_SIZE])
{
	const char *star = strchr(pattern, '*');
	const size_t before = star ? (size_t)(star - pattern) : strlen(pattern);

	if (strncmp(path, pattern, before) != 0)
		return false;
	path += before;
	if (!star)
		return *path == '\0';
	const size_t len = strcspn(path, "/");
	if (len == 0 || strcmp(path + len, star + 1) != 0)
		return false;
	snprintf(id, ID_SIZE, "%.*s", len < ID_SIZE ? (int)len : 0, path);
	for (char *c = id; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return true;
}

static int parse_limit(const char *text, size_t *limit)
{
	char *end;

	errno = 0;
	const unsigned long value = strtoul(text, &end, 10);
	if (errno || !isdigit((unsigned char)text[0]) || *end || value < 1 || value > LIMIT_MAX)
		return -1;
	*limit = value;
	return 0;
}

/* `query` is cut up.  NULL, or what is wrong with it. */
static const char *parse_query(char *query, struct query *parsed)
{
	char *rest = query;

	for (char *pair = strsep(&rest, "&"); pair; pair = strsep(&rest, "&")) {
		char *value = strchr(pair, '=');

		if (!value)
			return "malformed query";
		*value++ = '\0';
		if (strcmp(pair, "limit") == 0) {
			if (parse_limit(value, &parsed->limit) < 0)
				return "limit is not a number from 1 to 1000";
		} else if (strcmp(pair, "status") == 0) {
			if (!*value || strlen(value) >= STATUS_SIZE ||
			    value[strspn(value, "abcdefghijklmnopqrstuvwxyz_")])
				return "malformed status";
			strcpy(parsed->status, value);
		} else {
			return "unknown parameter";
		}
	}
	return NULL;
}

static struct admin_answer serve(const struct route *route, struct call *call, char *query)
{
	const char *wrong = query ? parse_query(query, &call->query) : NULL;

	if (strchr(route->path, '*') && !id_valid(call->id))
		wrong = "not an id";
	return wrong ? failure(400, wrong) : route->serve(call);
}

struct admin_answer admin_api_call(const struct admin_api *api, const char *method,
				   const char *path)
{
	struct call call = { .api = api, .query = { .limit = LIMIT_DEFAULT } };
	const char *allow = NULL;
	char target[512];

	if (strlen(path) >= sizeof(target))
		return failure(404, "no such path");
	strcpy(target, path);
	char *query = target;
	strsep(&query, "?");
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!match(routes[i].path, target, call.id))
			continue;
		if (strcmp(routes[i].method, method) == 0)
			return serve(&routes[i], &call, query);
		allow = routes[i].method;
	}
	if (!allow)
		return failure(404, "no such path");
	struct admin_answer refused = failure(405, "this path does not have that method");
	refused.allow = allow;
	return refused;
}
