#pragma once

/*
 * Looks for a line in the answer that lists an issue's comments, while it arrives.  OpenPR sends
 * all comments of an issue at once, each as large as people like, and has no query for less; what
 * is not read to its end is not known, and a comment must not be posted twice.  So nothing here
 * depends on how long the list is.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "callback/json_scan.h"
#include "callback/openpr.h"

#define COMMENTS_HEAD 8192

struct comments {
	/* A list that is not understood is judged by its first bytes. */
	char head[COMMENTS_HEAD];
	size_t len; /* of the whole answer */

	const char *mark, *id;
	struct json_scan outer; /* MCP's answer, when `id`; its text is another JSON text */
	struct json_scan inner; /* OpenPR's */
	bool outer_failed, id_differs, code_zero, in_data, listed, found;
	int64_t total, bodies; /* what OpenPR counts, -1 when it says nothing; what was seen */
	enum { LINE_START, LINE_MARK, LINE_END, LINE_REST } line;
	size_t matched, id_matched; /* bytes of mark and of id */
};

/* `mark` is one line, not empty, printable ASCII without outer spaces.  `id` is that of the MCP
 * request, NULL for REST.  Both are borrowed. */
void comments_start(struct comments *comments, const char *mark, const char *id);

/* For http_request.sink: `arg` is the struct comments. */
void comments_feed(void *arg, const char *bytes, size_t len);

/* OK when all of it came and it is a list of as many comments as OpenPR counts; only then `found`
 * says something.  Else what the first bytes say is wrong, in err. */
openpr_result comments_judge(const struct comments *comments, long status, struct err *err);
