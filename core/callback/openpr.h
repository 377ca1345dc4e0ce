#pragma once

/*
 * What we ask of OpenPR, by REST (callback = "api") or MCP (callback = "mcp"), judged by code,
 * error and isError and never by HTTP status alone (openpr-contract 3, 4).  One `struct openpr` per
 * thread.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "config/config.h"

struct openpr;

struct openpr *openpr_new(const atomic_bool *stop, struct err *err);
void openpr_free(struct openpr *openpr); /* accepts NULL */

enum openpr_verdict {
	OPENPR_OK,
	OPENPR_RETRY,	/* not reached, overloaded, 5xx: send again later */
	OPENPR_UNKNOWN, /* as RETRY, but it may have arrived */
	OPENPR_DENIED,	/* 401 or 403: this token is not good for this */
	OPENPR_GONE,	/* code 404; a bare HTTP 404 is not OpenPR's word on an issue: RETRY */
	OPENPR_REFUSED, /* any other permanent no */
};

/* err is filled for all but OK, worded for an operator, without tokens. */
typedef enum openpr_verdict openpr_result;

/* GET /auth/me: whose token this is.  *id is owned by the caller. */
openpr_result openpr_whoami(struct openpr *openpr, const struct config *config, const char *token,
			    char **id, struct err *err);

/* The same as {id, name, email, ...}; json_decref(). */
openpr_result openpr_whois(struct openpr *openpr, const struct config *config, const char *token,
			   json_t **user, struct err *err);

/* Whether the MCP server answers and passes this token on: lists labels, changes nothing. */
openpr_result openpr_mcp_reach(struct openpr *openpr, const struct config *config,
			       const char *token, struct err *err);

/* The issue as {id, title, description, state, assignee_id, project_id, labels:[{id,name}], ...};
 * json_decref(). `timeout` in ms for both calls. */
openpr_result openpr_issue(struct openpr *openpr, const struct config *config, const char *token,
			   const char *issue_id, int64_t timeout, json_t **issue, struct err *err);

/* Whether a comment of the issue has the line `mark` (a whole line, trimmed; printable ASCII).  OK
 * only when all comments were read. */
openpr_result openpr_has_comment(struct openpr *openpr, const struct config *config,
				 const char *token, const char *issue_id, const char *mark,
				 bool *found, struct err *err);

/*
 * Whether whoever the token belongs to has commented on the issue since `since` (wall ms of this
 * machine's clock; OpenPR's may differ), but for comments of ours, which have a line that begins
 * with `mark`.  Always REST.
 */
openpr_result openpr_wrote(struct openpr *openpr, const struct config *config, const char *token,
			   const char *issue_id, const char *mark, int64_t since, bool *wrote,
			   struct err *err);

/* Texts are cleaned on the way: callback/clean.h. */
openpr_result openpr_comment(struct openpr *openpr, const struct config *config, const char *token,
			     const char *issue_id, const char *text, struct err *err);
openpr_result openpr_set_state(struct openpr *openpr, const struct config *config,
			       const char *token, const char *issue_id, const char *state,
			       struct err *err);

/* Always REST.  `json_body` is JSON text.  A repeated end of an ended task is OPENPR_OK. */
openpr_result openpr_ai_end(struct openpr *openpr, const struct config *config, const char *token,
			    const char *ai_task_id, bool complete, const char *json_body,
			    struct err *err);
