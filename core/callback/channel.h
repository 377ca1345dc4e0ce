#pragma once

/*
 * The two ways to speak to OpenPR about an issue; private to core/callback/.  What is
 * read is the envelope's `data` (json_decref()), which is OpenPR's own shape in both.
 */

#include "base/json.h"
#include "callback/comments.h"
#include "http/http.h"
#include "callback/openpr.h"
#include "config/config.h"

/* One conversation. */
struct call {
	struct http *http;
	const struct config *config;
	const char *token;
	int64_t deadline; /* clock_mono() ms */
};

struct channel {
	int64_t timeout; /* ms for one call that has no other */
	bool mcp;	 /* reads names out of a comment's text; takes canonical UUIDs only */
	openpr_result (*issue)(const struct call *call, const char *issue_id, json_t **data,
			       struct err *err);
	openpr_result (*labels)(const struct call *call, const char *issue_id, json_t **data,
				struct err *err);
	/* OK only when the whole list was understood; comments->found and ->newest are then the
	 * answer.  `author` may be NULL. */
	openpr_result (*comments)(const struct call *call, const char *issue_id, const char *mark,
				  const char *author, struct comments *comments, struct err *err);
	/* These take clean text. */
	openpr_result (*comment)(const struct call *call, const char *issue_id, const char *text,
				 struct err *err);
	openpr_result (*set_state)(const struct call *call, const char *issue_id, const char *state,
				   struct err *err);
};

extern const struct channel rest_channel, mcp_channel;

/* Asks the MCP server for the workspace's labels, which needs no id and a good token. */
openpr_result mcp_reach(const struct call *call, struct err *err);
