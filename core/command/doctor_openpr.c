/* OpenPR: its API and, where it is used, the MCP server, with each token.  No token is shown. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "callback/openpr.h"
#include "command/doctor.h"

static const char *remedy_of(openpr_result result)
{
	switch (result) {
	case OPENPR_DENIED:
		return "the token is not good: it was revoked, has expired, or belongs to another "
		       "OpenPR; make a new one for this bot";
	case OPENPR_RETRY:
	case OPENPR_UNKNOWN:
		return "is OpenPR running, and is this the address of its api?";
	default:
		return "is this the address of OpenPR?";
	}
}

/* The identity's name, or NULL after saying what is wrong. */
static bool check_api(struct doctor *doctor, struct openpr *openpr, const char *name,
		      const char *token, const char *bot)
{
	json_t *user = NULL;
	struct err err;
	const openpr_result result = openpr_whois(openpr, doctor->config, token, &user, &err);
	const char *own = json_str(user, "name"), *id = json_str(user, "id");

	if (result != OPENPR_OK)
		doctor_fail(doctor, name, remedy_of(result), "%s: %s",
			    doctor->config->openpr.api_url, err.text);
	else if (bot && own && strcasecmp(own, bot) != 0)
		doctor_warn(doctor, name, "put it under the name of its bot",
			    "this token speaks for \"%s\" (%s), not for \"%s\"", own, id, bot);
	else
		doctor_ok(doctor, name, "speaks for \"%s\" (%s)", own ? own : "?", id);
	json_decref(user);
	return result == OPENPR_OK;
}

static void check_mcp(struct doctor *doctor, struct openpr *openpr, const char *token)
{
	struct err err;
	const openpr_result result = openpr_mcp_reach(openpr, doctor->config, token, &err);

	if (result == OPENPR_OK)
		doctor_ok(doctor, "openpr.mcp_url", "%s takes the token",
			  doctor->config->openpr.mcp_url);
	else if (result != OPENPR_DENIED && result != OPENPR_RETRY && err.code == ERR_CONFLICT)
		doctor_warn(
		    doctor, "openpr.mcp_url",
		    "it can be reached; whether this bot may comment shows at the first run",
		    "%s: %s", doctor->config->openpr.mcp_url, err.text);
	else
		doctor_fail(doctor, "openpr.mcp_url",
			    result == OPENPR_DENIED ? remedy_of(result)
						    : "is the MCP server running with its http "
						      "transport, and is this its /mcp/rpc?",
			    "%s: %s", doctor->config->openpr.mcp_url, err.text);
}

static void check_token(struct doctor *doctor, struct openpr *openpr, const char *name,
			const char *token, const char *bot)
{
	const struct config *config = doctor->config;

	if (!token || !token[0]) {
		doctor_fail(doctor, name, "`openpr-webhook check` says why", "there is no token");
		return;
	}
	if (check_api(doctor, openpr, name, token, bot) &&
	    config->openpr.callback == CALLBACK_MCP && config->openpr.mcp_url)
		check_mcp(doctor, openpr, token);
}

void doctor_openpr(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	struct openpr *openpr = NULL;
	struct err err = { .text = "" };
	char name[160];

	if (!config->openpr.api_url) {
		doctor_warn(doctor, "openpr.api_url", "set it",
			    "there is none: nothing is reported");
		return;
	}
	openpr = openpr_new(NULL, &err);
	if (!openpr) {
		doctor_fail(doctor, "openpr.api_url", NULL, "%s", err.text);
		return;
	}
	if (config->openpr.token || config->openpr.bot_count == 0)
		check_token(doctor, openpr, "openpr.token", config->openpr.token, NULL);
	for (size_t i = 0; i < config->openpr.bot_count; i++) {
		snprintf(name, sizeof(name), "openpr.bots.%.100s.token",
			 config->openpr.bots[i].name);
		check_token(doctor, openpr, name, config->openpr.bots[i].token,
			    config->openpr.bots[i].name);
	}
	openpr_free(openpr);
}
