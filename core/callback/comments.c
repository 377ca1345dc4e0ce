#include "callback/comments.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "callback/judge.h"

static bool is_space(unsigned char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\v' || byte == '\f';
}

/* ---- one comment's text, byte by byte ---- */

static void end_line(struct comments *comments)
{
	const bool all = comments->mark[comments->matched] == '\0';

	if (all)
		comments->item.marked = true;

	if (all && (comments->line == LINE_MARK || comments->line == LINE_END))
		comments->found = true;
	comments->line = LINE_START;
	comments->matched = 0;
}

static void in_line(struct comments *comments, unsigned char byte)
{
	const unsigned char next = (unsigned char)comments->mark[comments->matched];

	switch (comments->line) {
	case LINE_START:
		if (is_space(byte))
			return;
		comments->line = LINE_MARK;
		/* fall through */
	case LINE_MARK:
		if (next != '\0' && byte == next)
			comments->matched++;
		else
			comments->line = next == '\0' && is_space(byte) ? LINE_END : LINE_REST;
		return;
	case LINE_END:
		if (!is_space(byte))
			comments->line = LINE_REST;
		return;
	case LINE_REST:
		return;
	}
}

/* ---- OpenPR's answer: {code, message, data: {items: [{body, ...}]}} ---- */

static bool is_body(const struct json_scan *scan)
{
	return strcmp(scan->key, "body") == 0;
}

/* The comment at hand is whole. */
static void end_item(struct comments *comments)
{
	int64_t at;

	comments->item.at[comments->item.at_len] = '\0';
	if (comments->author && !comments->item.author_differs &&
	    comments->author[comments->item.author_matched] == '\0' && !comments->item.marked &&
	    clock_parse(comments->item.at, &at) == 0 && at > comments->newest)
		comments->newest = at;
	memset(&comments->item, 0, sizeof(comments->item));
}

/* Of author_id and created_at. */
static void item_byte(struct comments *comments, const struct json_scan *scan, char byte)
{
	if (!comments->author)
		return;
	if (strcmp(scan->key, "author_id") == 0) {
		const char next = comments->author[comments->item.author_matched];
		if (next != '\0' && tolower((unsigned char)next) == tolower((unsigned char)byte))
			comments->item.author_matched++;
		else
			comments->item.author_differs = true;
	} else if (strcmp(scan->key, "created_at") == 0 &&
		   comments->item.at_len < sizeof(comments->item.at) - 1) {
		comments->item.at[comments->item.at_len++] = byte;
	}
}

static void inner_byte(void *arg, const struct json_scan *scan, unsigned char byte)
{
	struct comments *comments = arg;

	if (!is_body(scan)) {
		item_byte(comments, scan, (char)byte);
		return;
	}
	if (byte == '\n')
		end_line(comments);
	else
		in_line(comments, byte);
}

static void inner_string(void *arg, const struct json_scan *scan)
{
	struct comments *comments = arg;

	if (!is_body(scan))
		return;
	end_line(comments);
	comments->bodies++;
}

static void inner_open(void *arg, const struct json_scan *scan, bool object)
{
	struct comments *comments = arg;

	if (scan->depth == 1)
		comments->in_data = strcmp(scan->key, "data") == 0;
	if (!object && comments->in_data && scan->depth == 2 && strcmp(scan->key, "items") == 0)
		comments->listed = true;
	if (object && comments->in_data && scan->depth == 3)
		end_item(comments); /* of the one before */
}

static void inner_word(void *arg, const struct json_scan *scan, const char *word)
{
	struct comments *comments = arg;

	if (scan->depth == 1 && strcmp(scan->key, "code") == 0)
		comments->code_zero = strcmp(word, "0") == 0;
	if (comments->in_data && scan->depth == 2 && strcmp(scan->key, "total") == 0)
		comments->total = strtoll(word, NULL, 10);
}

/* ---- MCP's answer around it: {id, jsonrpc, result: {content: [{text}], isError}} ---- */

static bool is_id(const struct json_scan *scan)
{
	return scan->depth == 1 && strcmp(scan->key, "id") == 0;
}

static void outer_byte(void *arg, const struct json_scan *scan, unsigned char byte)
{
	struct comments *comments = arg;
	const char c = (char)byte;

	if (scan->depth == 4 && strcmp(scan->key, "text") == 0) {
		json_scan_feed(&comments->inner, &c, 1);
	} else if (is_id(scan)) {
		if (c != '\0' && comments->id[comments->id_matched] == c)
			comments->id_matched++;
		else
			comments->id_differs = true;
	}
}

static void outer_ignore(void *arg, const struct json_scan *scan)
{
	(void)arg, (void)scan;
}

static void outer_open(void *arg, const struct json_scan *scan, bool object)
{
	(void)arg, (void)scan, (void)object;
}

static void outer_word(void *arg, const struct json_scan *scan, const char *word)
{
	struct comments *comments = arg;

	if (strcmp(scan->key, "isError") == 0 && strcmp(word, "false") != 0 &&
	    strcmp(word, "null") != 0)
		comments->outer_failed = true;
}

void comments_start(struct comments *comments, const char *mark, const char *author, const char *id)
{
	memset(comments, 0, sizeof(*comments));
	comments->mark = mark;
	comments->author = author;
	comments->newest = -1;
	comments->id = id;
	comments->total = -1;
	comments->inner.handler = (struct json_scan_handler){ inner_open, inner_byte, inner_string,
							      inner_word, comments };
	comments->outer.handler = (struct json_scan_handler){ outer_open, outer_byte, outer_ignore,
							      outer_word, comments };
}

void comments_feed(void *arg, const char *bytes, size_t len)
{
	struct comments *comments = arg;

	if (comments->len < COMMENTS_HEAD) {
		const size_t room = COMMENTS_HEAD - comments->len;
		memcpy(comments->head + comments->len, bytes, len < room ? len : room);
	}
	comments->len += len;
	json_scan_feed(comments->id ? &comments->outer : &comments->inner, bytes, len);
}

static bool right_answer(const struct comments *comments)
{
	return !comments->outer_failed && !comments->id_differs &&
	       comments->id[comments->id_matched] == '\0' && json_scan_whole(&comments->outer);
}

static bool understood(const struct comments *comments)
{
	if (comments->id && !right_answer(comments))
		return false;
	return json_scan_whole(&comments->inner) && comments->code_zero && comments->listed &&
	       (comments->total < 0 || comments->total == comments->bodies);
}

openpr_result comments_judge(struct comments *comments, long status, struct err *err)
{
	const size_t len = comments->len < COMMENTS_HEAD ? comments->len : COMMENTS_HEAD;
	json_t *data = NULL;
	openpr_result result;

	end_item(comments);
	if (status >= 200 && status <= 299 && understood(comments))
		return OPENPR_OK;
	result = comments->id ? judge_mcp(status, comments->head, len, comments->id, &data, err)
			      : judge_rest(status, comments->head, len, &data, err);
	if (result == OPENPR_OK) {
		err_set(err, ERR_INVALID, "that is no list of all comments");
		result = OPENPR_RETRY;
	}
	json_decref(data);
	return result;
}
