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

	const char *mark, *author, *id;
	struct json_scan outer; /* MCP's answer, when `id`; its text is another JSON text */
	struct json_scan inner; /* OpenPR's */
	bool outer_failed, id_differs, code_zero, in_data, listed, found;
	int64_t total, bodies; /* what OpenPR counts, -1 when it says nothing; what was seen */
	enum { LINE_START, LINE_MARK, LINE_END, LINE_REST } line;
	size_t matched, id_matched; /* bytes of mark and of id */

	/* The comment at hand, while `author` is looked for; and the newest of the author's that
	 * does not begin a line with `mark`, in OpenPR's own wall ms: -1 when there is none. */
	struct {
		size_t author_matched, at_len;
		bool author_differs, marked;
		char at[40]; /* created_at */
	} item;
	int64_t newest;
	int64_t date; /* OpenPR's clock when it answered, wall ms; 0: it did not say */
};

/* `mark` is one line, not empty, printable ASCII without outer spaces.  `author` is an id, or NULL:
 * nobody's comments are asked for.  `id` is that of the MCP request, NULL for REST.  All are
 * borrowed. */
void comments_start(struct comments *comments, const char *mark, const char *author,
		    const char *id);

/* For http_request.sink: `arg` is the struct comments. */
void comments_feed(void *arg, const char *bytes, size_t len);

/* OK when all of it came and it is a list of as many comments as OpenPR counts; only then `found`
 * and `newest` say something.  Else what the first bytes say is wrong, in err. */
openpr_result comments_judge(struct comments *comments, long status, struct err *err);
