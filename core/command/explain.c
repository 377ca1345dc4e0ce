/* `explain`: why an event is decided as it is, and what would follow. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "command/command.h"
#include "command/dry.h"
#include "command/example.h"
#include "command/explain_text.h"
#include "command/input.h"
#include "command/print.h"
#include "pipeline/explain.h"
#include "store/past.h"

struct question {
	struct buf body, issue;
	char *completion;
	struct past *past;
	struct explain asked;
};

static void question_done(struct question *question)
{
	buf_done(&question->body);
	buf_done(&question->issue);
	free(question->completion);
	past_free(question->past);
}

/* ---- what is asked about ---- */

static int read_stored(const struct dry *dry, const char *id, struct question *question,
		       struct err *err)
{
	struct store *store = dry_queue(dry, err);

	if (!store)
		return err_prefix(err, "%s is no file, and no event of the queue", id);
	const int rc = past_find(store, id, &question->past, err);
	store_close(store);
	if (rc < 0)
		return -1;
	const struct past *past = question->past;
	if (!past->body)
		return err_set(
		    err, ERR_NOTFOUND,
		    "the body of event %s is not kept any more (queue.keep_days); it was "
		    "%s by rule \"%s\"",
		    id, past->status, past->rule ? past->rule : "?");
	question->asked.body = past->body;
	question->asked.body_len = past->body_len;
	question->asked.completion = past->completion;
	question->asked.now = past->received_at;
	question->asked.stored = true;
	return 0;
}

static int read_event(const struct dry *dry, const struct command_line *line,
		      struct question *question, struct err *err)
{
	const char *name = line->argument;
	int rc;

	if (line->example)
		rc = example_make(dry->config, line->example, &question->body, err);
	else if (id_valid(name) && access(name, F_OK) < 0)
		return read_stored(dry, name, question, err);
	else
		rc = input_read(name, &question->body, err);
	question->asked.body = question->body.bytes ? question->body.bytes : "";
	question->asked.body_len = question->body.len;
	return rc;
}

/* {"issue": ...} of what a person has: that, OpenPR's answer ({"data": ...}), or the issue alone.
 */
static json_t *issue_of(json_t *file)
{
	json_t *data = json_at(file, "data");

	if (json_at(file, "issue") || json_at(file, "missing"))
		return json_incref(file);
	return json_pack("{s:O}", "issue", json_is_object(data) ? data : file);
}

static int read_issue(const struct command_line *line, struct question *question, struct err *err)
{
	if (!line->issue)
		return 0;
	if (input_read(line->issue, &question->issue, err) < 0)
		return -1;
	json_t *file = json_parse(question->issue.bytes ? question->issue.bytes : "",
				  question->issue.len, err);
	if (!file)
		return err_prefix(err, "%s", line->issue);
	json_t *whole = json_is_object(file) ? issue_of(file) : NULL;
	question->completion = whole ? json_text(whole) : NULL;
	json_decref(whole);
	json_decref(file);
	question->asked.completion = question->completion;
	return question->completion
		   ? 0
		   : err_set(err, ERR_INVALID, "%s is no issue: it wants a JSON object",
			     line->issue);
}

static int read_time(const struct command_line *line, struct question *question, struct err *err)
{
	if (!line->at || clock_parse(line->at, &question->asked.now) == 0)
		return 0;
	return err_set(err, ERR_INVALID,
		       "--at wants a time such as 2026-09-30T08:20:00Z, not \"%s\"", line->at);
}

/* ---- the answer ---- */

/* What was decided when it came. */
static void add_past(json_t *result, const struct past *past)
{
	if (past)
		json_object_set_new(result, "recorded",
				    json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:O*}", "event_id",
					      past->id, "status", past->status, "filter_rule",
					      past->filter_rule, "rule", past->rule, "reason",
					      past->reason, "agents", past->agents));
}

static int tell(const struct command_line *line, const struct dry *dry,
		const struct question *question)
{
	struct err err;
	json_t *result = explain(dry->config, dry->pool, &question->asked, &err);

	if (!result)
		return command_fail(
		    EXIT_FAILED, "%s%s", err.text,
		    err.code == ERR_INVALID ? "; posted, it would be refused with 400" : "");
	add_past(result, question->past);
	json_array_extend(json_object_get(result, "warnings"), dry->warnings);
	json_object_set(result, "log", dry->log);
	json_object_set(result, "files", dry->files);
	const int code = line->json ? print_json(result) : (explain_text(result), EXIT_OK);
	json_decref(result);
	return code;
}

int command_explain(const struct command_line *line)
{
	struct question question = { 0 };
	struct dry dry;
	struct err err;

	if (!line->argument == !line->example)
		return command_fail(
		    EXIT_USAGE, "explain wants an event: a file, -, an id that `events` lists, or "
				"--example NAME");
	int code = dry_open(line, &dry);
	if (code == EXIT_OK) {
		if (read_time(line, &question, &err) < 0)
			code = command_fail(EXIT_USAGE, "%s", err.text);
		else if (read_event(&dry, line, &question, &err) < 0 ||
			 read_issue(line, &question, &err) < 0)
			code = command_fail(EXIT_FAILED, "%s", err.text);
		else
			code = tell(line, &dry, &question);
	}
	question_done(&question);
	dry_close(&dry);
	return code;
}
