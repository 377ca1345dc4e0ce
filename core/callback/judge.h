#pragma once

/*
 * What an answer of OpenPR means.  It answers HTTP 200 to nearly everything and says the truth in
 * the body: `code` over REST (openpr-contract 3.1), `error` and `isError` over MCP (4.2).  Messages
 * are localised and only quoted.  All take bytes from outside;
 * `body` may be NULL when len is 0.
 */

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "callback/openpr.h"

/* err is filled for all but OK: ERR_CONFLICT is code 400 or 409, ERR_NOTFOUND code 404.  On OK
 * *data is the envelope's `data`, JSON null when it has none; json_decref(). */
openpr_result judge_rest(long status, const char *body, size_t len, json_t **data, struct err *err);

/* The answer to a tools/call whose id was `id`. */
openpr_result judge_mcp(long status, const char *body, size_t len, const char *id, json_t **data,
			struct err *err);

/* No answer came, for the reason in err. */
openpr_result judge_silence(bool sent, enum err_code reason, bool reading);
