#include "callback/openpr.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/utf8.h"
#include "callback/channel.h"
#include "callback/clean.h"
#include "callback/rest.h"

#define WHOAMI_TIMEOUT 3000 /* ms; somebody may be waiting for an answer of ours */
#define REACH_TIMEOUT 10000
#define LOOK_TIMEOUT 60000 /* for a list of comments, as long as it may be */
#define SAME_CLOCK 2000	   /* ms */

struct openpr {
	struct http *http;
};

struct openpr *openpr_new(const atomic_bool *stop, struct err *err)
{
	struct openpr *openpr = calloc(1, sizeof(*openpr));

	if (!openpr) {
		err_set(err, ERR_NOMEM, "no memory for talking to OpenPR");
		return NULL;
	}
	openpr->http = http_new(stop, err);
	if (!openpr->http) {
		free(openpr);
		return NULL;
	}
	return openpr;
}

void openpr_free(struct openpr *openpr)
{
	if (!openpr)
		return;
	http_free(openpr->http);
	free(openpr);
}

/* ---- before a call ---- */

static const struct channel *channel_of(const struct config *config)
{
	return config->openpr.callback == CALLBACK_MCP ? &mcp_channel : &rest_channel;
}

static openpr_result begin(struct call *call, const struct openpr *openpr,
			   const struct config *config, const char *token, int64_t timeout,
			   struct err *err)
{
	const bool mcp = config->openpr.callback == CALLBACK_MCP;

	if (!config->openpr.api_url || (mcp && !config->openpr.mcp_url)) {
		err_set(err, ERR_CONFIG, "openpr.%s is not set", mcp ? "mcp_url" : "api_url");
		return OPENPR_RETRY;
	}
	if (!token || !token[0]) {
		err_set(err, ERR_CONFIG, "there is no token");
		return OPENPR_DENIED;
	}
	*call = (struct call){ .http = openpr->http,
			       .config = config,
			       .token = token,
			       .deadline = clock_mono() + timeout };
	return OPENPR_OK;
}

/* The id as it goes into a path or an argument. */
static openpr_result take_id(const char *id, bool uuid_only, char out[static CLEAN_ID_SIZE],
			     struct err *err)
{
	if (!clean_id(id) || (uuid_only && !id_valid(id))) {
		err_set(err, ERR_INVALID, "the event's id is none of OpenPR's");
		return OPENPR_REFUSED;
	}
	const bool uuid = id_valid(id);
	size_t i;
	for (i = 0; id[i]; i++)
		out[i] = uuid ? (char)tolower((unsigned char)id[i]) : id[i];
	out[i] = '\0';
	return OPENPR_OK;
}

static openpr_result no_memory(struct err *err)
{
	err_set(err, ERR_NOMEM, "no memory for a request");
	return OPENPR_RETRY;
}

static openpr_result not_understood(struct err *err, const char *what)
{
	err_set(err, ERR_INVALID, "OpenPR's answer has no %s", what);
	return OPENPR_RETRY;
}

/* ---- reading ---- */

openpr_result openpr_whois(struct openpr *openpr, const struct config *config, const char *token,
			   json_t **user, struct err *err)
{
	json_t *data = NULL;
	struct call call;
	openpr_result result = begin(&call, openpr, config, token, WHOAMI_TIMEOUT, err);

	if (result == OPENPR_OK)
		result = rest_call(&call, "GET", "/auth/me", NULL, &data, err);
	if (result == OPENPR_OK && !json_str(data, "user.id"))
		result = not_understood(err, "user.id");
	if (result == OPENPR_OK)
		*user = json_incref(json_at(data, "user"));
	json_decref(data);
	return result;
}

openpr_result openpr_whoami(struct openpr *openpr, const struct config *config, const char *token,
			    char **id, struct err *err)
{
	json_t *user = NULL;
	openpr_result result = openpr_whois(openpr, config, token, &user, err);
	char *copy = result == OPENPR_OK ? strdup(json_str(user, "id")) : NULL;

	if (copy)
		*id = copy;
	else if (result == OPENPR_OK)
		result = no_memory(err);
	json_decref(user);
	return result;
}

openpr_result openpr_mcp_reach(struct openpr *openpr, const struct config *config,
			       const char *token, struct err *err)
{
	struct call call;
	const openpr_result result = begin(&call, openpr, config, token, REACH_TIMEOUT, err);

	return result == OPENPR_OK ? mcp_reach(&call, err) : result;
}

/* {items: [{id, name, ...}]} to [{id, name}]; new, or NULL. */
static json_t *plain_labels(const json_t *data)
{
	const json_t *items = json_object_get(data, "items");
	json_t *labels = json_is_array(items) ? json_array() : NULL;
	size_t i;
	json_t *item;

	if (!labels)
		return NULL;
	json_array_foreach(items, i, item)
	{
		const char *id = json_str(item, "id"), *name = json_str(item, "name");
		if (id && name)
			json_array_append_new(labels,
					      json_pack("{s:s, s:s}", "id", id, "name", name));
	}
	return labels;
}

static openpr_result add_labels(const struct call *call, const char *issue_id, json_t *issue,
				struct err *err)
{
	json_t *data = NULL;
	openpr_result result = channel_of(call->config)->labels(call, issue_id, &data, err);

	if (result == OPENPR_OK) {
		json_t *labels = plain_labels(data);
		if (!labels)
			result = not_understood(err, "list of labels");
		else if (json_object_set_new(issue, "labels", labels) < 0)
			result = no_memory(err);
	}
	json_decref(data);
	return result;
}

static bool is_issue(const json_t *data, const char *issue_id)
{
	const char *id = json_str(data, "id");

	return id && strcasecmp(id, issue_id) == 0;
}

openpr_result openpr_issue(struct openpr *openpr, const struct config *config, const char *token,
			   const char *issue_id, int64_t timeout, json_t **issue, struct err *err)
{
	const struct channel *channel = channel_of(config);
	char id[CLEAN_ID_SIZE];
	json_t *data = NULL;
	struct call call;
	openpr_result result = begin(&call, openpr, config, token, timeout, err);

	if (result == OPENPR_OK)
		result = take_id(issue_id, channel->mcp, id, err);
	if (result == OPENPR_OK)
		result = channel->issue(&call, id, &data, err);
	if (result == OPENPR_OK && !is_issue(data, id))
		result = not_understood(err, "such issue");
	if (result == OPENPR_OK)
		result = add_labels(&call, id, data, err);
	if (result == OPENPR_OK)
		*issue = data;
	else
		json_decref(data);
	return result;
}

openpr_result openpr_has_comment(struct openpr *openpr, const struct config *config,
				 const char *token, const char *issue_id, const char *mark,
				 bool *found, struct err *err)
{
	const struct channel *channel = channel_of(config);
	struct comments *comments = calloc(1, sizeof(*comments));
	char id[CLEAN_ID_SIZE];
	struct call call;
	openpr_result result = begin(&call, openpr, config, token, LOOK_TIMEOUT, err);

	if (!comments)
		return no_memory(err);
	if (result == OPENPR_OK)
		result = take_id(issue_id, channel->mcp, id, err);
	if (result == OPENPR_OK)
		result = channel->comments(&call, id, mark, NULL, comments, err);
	if (result == OPENPR_OK)
		*found = comments->found;
	free(comments);
	return result;
}

/*
 * `since` of this machine's clock in OpenPR's own.  Clocks that differ by less than the header can
 * tell are taken for the same.
 */
static int64_t on_their_clock(int64_t since, int64_t date, int64_t asked_at)
{
	const int64_t answered_at = clock_wall();
	const int64_t ahead =
	    date + 500 - (asked_at + answered_at) / 2; /* it tells whole seconds */

	return date == 0 || (ahead < SAME_CLOCK && ahead > -SAME_CLOCK) ? since : since + ahead;
}

openpr_result openpr_wrote(struct openpr *openpr, const struct config *config, const char *token,
			   const char *issue_id, const char *mark, int64_t since, bool *wrote,
			   struct err *err)
{
	_cleanup_free_ char *author = NULL;
	_cleanup_free_ struct comments *comments = calloc(1, sizeof(*comments));
	int64_t asked_at = 0;
	char id[CLEAN_ID_SIZE];
	struct call call;
	openpr_result result = begin(&call, openpr, config, token, LOOK_TIMEOUT, err);

	if (!comments)
		return no_memory(err);
	if (result == OPENPR_OK)
		result = take_id(issue_id, false, id, err);
	if (result == OPENPR_OK)
		result = openpr_whoami(openpr, config, token, &author, err);
	asked_at = clock_wall();
	if (result == OPENPR_OK)
		result = rest_channel.comments(&call, id, mark, author, comments, err);
	if (result == OPENPR_OK)
		*wrote = comments->newest >= on_their_clock(since, comments->date, asked_at);
	return result;
}

/* ---- writing ---- */

openpr_result openpr_comment(struct openpr *openpr, const struct config *config, const char *token,
			     const char *issue_id, const char *text, struct err *err)
{
	const struct channel *channel = channel_of(config);
	_cleanup_free_ char *clean = clean_text(text, strlen(text), channel->mcp);
	char id[CLEAN_ID_SIZE];
	struct call call;
	openpr_result result = begin(&call, openpr, config, token, channel->timeout, err);

	if (!clean)
		return no_memory(err);
	if (result == OPENPR_OK)
		result = take_id(issue_id, channel->mcp, id, err);
	return result == OPENPR_OK ? channel->comment(&call, id, clean, err) : result;
}

openpr_result openpr_set_state(struct openpr *openpr, const struct config *config,
			       const char *token, const char *issue_id, const char *state,
			       struct err *err)
{
	const struct channel *channel = channel_of(config);
	_cleanup_free_ char *clean = clean_text(state, strlen(state), false);
	char id[CLEAN_ID_SIZE];
	struct call call;
	openpr_result result = begin(&call, openpr, config, token, channel->timeout, err);

	if (!clean)
		return no_memory(err);
	if (result == OPENPR_OK)
		result = take_id(issue_id, channel->mcp, id, err);
	return result == OPENPR_OK ? channel->set_state(&call, id, clean, err) : result;
}

static json_t *clean_body(const char *json_body, struct err *err)
{
	size_t len;
	_cleanup_free_ char *repaired = utf8_repair(json_body, strlen(json_body), &len);
	json_t *given, *clean;

	if (!repaired) {
		err_set(err, ERR_NOMEM, "no memory for a request");
		return NULL;
	}
	given = json_parse(repaired, len, err);
	if (!given)
		return NULL;
	clean = clean_json(given);
	json_decref(given);
	if (!clean)
		err_set(err, ERR_NOMEM, "no memory for a request");
	return clean;
}

/* OpenPR's code 400 to a well-formed end says that the task is not in a state to be ended so: it
 * has ended, or waits to be sent again, and then we are asked again.  A 400 of HTTP is no code. */
static bool has_ended(openpr_result result, const struct err *err)
{
	return result == OPENPR_REFUSED && err->code == ERR_CONFLICT;
}

openpr_result openpr_ai_end(struct openpr *openpr, const struct config *config, const char *token,
			    const char *ai_task_id, bool complete, const char *json_body,
			    struct err *err)
{
	json_t *body = NULL, *data = NULL;
	char id[CLEAN_ID_SIZE], path[256];
	struct call call;
	openpr_result result = begin(&call, openpr, config, token, rest_channel.timeout, err);

	if (result == OPENPR_OK)
		result = take_id(ai_task_id, false, id, err);
	if (result == OPENPR_OK) {
		body = clean_body(json_body, err);
		if (!body)
			result = err->code == ERR_NOMEM ? OPENPR_RETRY : OPENPR_REFUSED;
	}
	if (result == OPENPR_OK) {
		snprintf(path, sizeof(path), "/ai/callbacks/task/%s/%s", id,
			 complete ? "complete" : "fail");
		result = rest_call(&call, "POST", path, body, &data, err);
	}
	json_decref(body);
	json_decref(data);
	return has_ended(result, err) ? OPENPR_OK : result;
}
