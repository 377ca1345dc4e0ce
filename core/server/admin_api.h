#pragma once

/* The admin API (docs/api.md) without its transport. */

#include "base/json.h"
#include "pipeline/pipeline.h"
#include "server/admin.h"
#include "store/store.h"

struct admin_api {
	struct store *store;
	struct pipeline *pipeline;
	struct admin_hooks hooks;
};

struct admin_answer {
	int status;
	json_t *body;	   /* json_decref(); NULL: */
	char *text;	   /* free(); NULL too: out of memory */
	const char *type;  /* of the text; static */
	const char *allow; /* with 405; static text */
};

/*
 * `path` is the request target as it came, with its query.  Blocks for as long as the store does.
 */
struct admin_answer admin_api_call(const struct admin_api *api, const char *method,
				   const char *path);
