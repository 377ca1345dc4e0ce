#include "server/admin_metrics.h"

#include <string.h>

#include "base/exposition.h"

static const struct exposition_label none;

static struct exposition_label label(const char *name, const char *value)
{
	return (struct exposition_label){ name, value };
}

/* Members of a JSON object, each under a label's value; NULL: the member's own name. */
struct member {
	const char *name, *value;
};

static void labelled(struct exposition *out, const json_t *from, const char *name,
		     const struct member *members, size_t count)
{
	for (size_t i = 0; i < count; i++)
		exposition_labelled(
		    out, label(name, members[i].value ? members[i].value : members[i].name), none,
		    json_int(from, members[i].name, 0));
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct member statuses[] = {
	{ "dispatched", "queued" }, { "joined", NULL },	   { "held", NULL },
	{ "ignored", NULL },	    { "duplicate", NULL }, { "observed", NULL },
	{ "no_agent", NULL },	    { "disabled", NULL },  { "unavailable", NULL },
};

static void number(struct exposition *out, const char *family, enum exposition_kind kind,
		   const char *help, int64_t value)
{
	exposition_open(out, family, kind, help);
	exposition_number(out, value);
}

static void expose_receiving(struct exposition *out, const json_t *server, const json_t *pipeline)
{
	static const struct member late[] = { { "invalid", NULL }, { "stale", NULL } };
	json_t *rejected = json_at(server, "rejected"), *count;
	const char *reason;

	number(out, "openpr_webhook_connections_total", EXPOSITION_COUNTER,
	       "Connections that were accepted.", json_int(server, "connections", 0));
	exposition_open(out, "openpr_webhook_received_total", EXPOSITION_COUNTER,
			"Requests of the webhook's port, whole or not, without /health and "
			"/ready; dispatches of the tunnel.");
	exposition_labelled(out, label("source", "webhook"), none, json_int(server, "received", 0));
	exposition_labelled(out, label("source", "tunnel"), none,
			    json_int(pipeline, "from_tunnel", 0));
	number(out, "openpr_webhook_verified_total", EXPOSITION_COUNTER,
	       "Requests of the webhook's port whose signature was good.",
	       json_int(server, "verified", 0));
	exposition_open(out, "openpr_webhook_rejected_total", EXPOSITION_COUNTER,
			"Requests that were refused, or cut off to keep a limit, by reason.");
	json_object_foreach(rejected, reason, count)
	{
		exposition_labelled(out, label("reason", reason), none, json_integer_value(count));
	}
	labelled(out, pipeline, "reason", late, COUNT(late));
	number(out, "openpr_webhook_slow_readers_total", EXPOSITION_COUNTER,
	       "Clients that did not take their answer.", json_int(server, "slow_readers", 0));
}

static void expose_deciding(struct exposition *out, const json_t *pipeline)
{
	int64_t open = json_int(pipeline, "received", 0) - json_int(pipeline, "invalid", 0) -
		       json_int(pipeline, "stale", 0);

	for (size_t i = 0; i < COUNT(statuses); i++)
		open -= json_int(pipeline, statuses[i].name, 0);
	exposition_open(out, "openpr_webhook_events_total", EXPOSITION_COUNTER,
			"Events by what they were answered; queued ones made work.");
	labelled(out, pipeline, "status", statuses, COUNT(statuses));
	number(out, "openpr_webhook_events_open", EXPOSITION_GAUGE,
	       "Verified events that have no answer yet.", open > 0 ? open : 0);
}

static void expose_running(struct exposition *out, const json_t *pipeline)
{
	static const struct member outcomes[] = {
		{ "runs_success", "success" },	       { "runs_failure", "failure" },
		{ "runs_timeout", "timeout" },	       { "runs_cancelled", "cancelled" },
		{ "runs_interrupted", "interrupted" },
	};
	static const struct member reports[] = {
		{ "reports_delivered", "delivered" },
		{ "reports_retried", "retried" },
		{ "reports_dropped", "dropped" },
		{ "reports_dead", "dead" },
	};

	number(out, "openpr_webhook_runs_started_total", EXPOSITION_COUNTER,
	       "Agents that were started.", json_int(pipeline, "runs_started", 0));
	exposition_open(out, "openpr_webhook_runs_ended_total", EXPOSITION_COUNTER,
			"Runs by how they ended; also those that ended before they started.");
	labelled(out, pipeline, "outcome", outcomes, COUNT(outcomes));
	exposition_open(
	    out, "openpr_webhook_reports_total", EXPOSITION_COUNTER,
	    "Calls to OpenPR by what became of them; a retried one counts again later.");
	labelled(out, pipeline, "result", reports, COUNT(reports));
}

/* What the queue holds; nothing when it cannot be asked. */
static void expose_queue(struct exposition *out, struct store *store)
{
	static const struct member tasks[] = { { "waiting", NULL },
					       { "running", NULL },
					       { "held", NULL } };
	struct err err;
	json_t *counts = store_counts(store, &err);

	if (!counts)
		return;
	exposition_open(out, "openpr_webhook_tasks", EXPOSITION_GAUGE,
			"What the queue holds; held ones wait for a person.");
	labelled(out, counts, "state", tasks, COUNT(tasks));
	number(out, "openpr_webhook_reports_pending", EXPOSITION_GAUGE,
	       "Reports that are owed to OpenPR.", json_int(counts, "reports_pending", 0));
	number(out, "openpr_webhook_reports_given_up", EXPOSITION_GAUGE,
	       "Reports that were given up and not sent again since.",
	       json_int(counts, "reports_dead", 0));
	json_decref(counts);
}

/* Several targets may be in the same trouble; a series is there once. */
static bool is_first(const json_t *troubles, size_t at, const char *reason)
{
	for (size_t i = 0; i < at; i++) {
		const char *earlier = json_str(json_array_get(troubles, i), "reason");
		if (earlier && strcmp(earlier, reason) == 0)
			return false;
	}
	return true;
}

static void expose_troubles(struct exposition *out, struct pipeline *pipeline)
{
	json_t *troubles = pipeline_troubles(pipeline);

	number(out, "openpr_webhook_ready", EXPOSITION_GAUGE, "Whether GET /ready answers 200.",
	       !pipeline_unready(pipeline));
	exposition_open(out, "openpr_webhook_trouble", EXPOSITION_GAUGE,
			"1 for each reason that GET /api/ready gives now.");
	for (size_t i = 0; i < json_array_size(troubles); i++) {
		const char *reason = json_str(json_array_get(troubles, i), "reason");
		if (reason && is_first(troubles, i, reason))
			exposition_labelled(out, label("reason", reason), none, 1);
	}
	json_decref(troubles);
}

char *admin_metrics(const struct admin_api *api)
{
	const struct admin_hooks *hooks = &api->hooks;
	json_t *counters = hooks->counters ? hooks->counters(hooks->ctx) : NULL;
	json_t *pipeline = pipeline_counters(api->pipeline);
	struct exposition out = { 0 };

	exposition_open(&out, "openpr_webhook_build_info", EXPOSITION_GAUGE, "Always 1.");
	exposition_labelled(&out, label("version", OPW_VERSION), none, 1);
	expose_receiving(&out, json_at(counters, "server"), pipeline);
	expose_deciding(&out, pipeline);
	expose_running(&out, pipeline);
	expose_queue(&out, api->store);
	expose_troubles(&out, api->pipeline);
	pipeline_expose(api->pipeline, &out);
	json_decref(counters);
	json_decref(pipeline);
	if (!out.failed)
		return buf_take(&out.text, NULL);
	buf_done(&out.text);
	return NULL;
}
