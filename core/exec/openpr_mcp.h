#pragma once

/*
 * OpenPR's MCP server as each CLI is told of it, for agents that report themselves (agents.md 6).
 * The token goes into the environment; the rest names the variable that it is in, so that nothing
 * secret is in an argument or a file.  `url` NULL: there is no server, and nothing is added.
 */

#include "base/err.h"
#include "exec/strings.h"
#include "exec/whitelist.h"

#define OPENPR_MCP_VARIABLE "OPENPR_MCP_TOKEN"

/* What claude lets the agent use of it, behind a comma. */
#define OPENPR_MCP_CLAUDE_TOOLS                                                                    \
	",mcp__openpr__work_items_get,mcp__openpr__work_items_update"                              \
	",mcp__openpr__comments_list,mcp__openpr__comments_create"

/* 0, or -1: no memory. */
int openpr_mcp_codex(const char *url, struct strings *argv);
int openpr_mcp_claude(const char *url, struct strings *argv);

/*
 * The token's variable; for opencode also OPENCODE_CONFIG_CONTENT, with what is in it already.
 * ERR_INVALID when that is no JSON object, or the executor cannot be given a server.
 */
int openpr_mcp_environment(const struct executor *executor, const char *url, const char *token,
			   struct strings *environment, struct err *err);
