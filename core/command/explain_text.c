#include "command/explain_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command/plain.h"

#define WIDTH 90
#define TEXT_MOST (64 * 1024) /* bytes of a prompt or a comment that are shown */

void explain_head(const char *word)
{
	printf("\n%-10s", word);
}

static void put(const char *before, const char *text, const char *after)
{
	if (!text)
		return;
	fputs(before, stdout);
	plain_line(stdout, text);
	fputs(after, stdout);
}

static void put_line(const char *before, const char *text)
{
	fputs(EXPLAIN_MARGIN, stdout);
	put(before, text ? text : "-", "\n");
}

/* ---- the event ---- */

static const char *either(const json_t *object, const char *first, const char *second)
{
	const char *text = json_str(object, first);

	return text ? text : json_str(object, second);
}

static void put_people(const json_t *event)
{
	const char *bot = either(event, "bot.name", "bot.id");
	const char *actor = either(event, "actor.name", "actor.id");

	if (!bot && !actor)
		return;
	fputs(EXPLAIN_MARGIN, stdout);
	put("bot ", bot, "");
	put(" (", json_str(event, "bot.type"), ")");
	if (bot)
		fputs(json_is_true(json_at(event, "bot.asked")) ? " is asked" : " is not asked",
		      stdout);
	put(bot ? ", by " : "by ", actor, "");
	put(" (", json_str(event, "actor.kind"), ")");
	putchar('\n');
}

static void put_event(const json_t *result)
{
	const json_t *event = json_at(result, "event");
	const char *key = either(event, "issue.key", "issue.id");

	printf("%-10s", "event");
	put("", json_str(event, "name"), "");
	put(" at ", json_str(result, "now"), "");
	put(", project ", json_str(event, "project"), "");
	putchar('\n');
	if (key) {
		put(EXPLAIN_MARGIN "issue ", key, "");
		put(" \"", json_str(event, "issue.title"), "\"");
		put(", state ", json_str(event, "issue.state"), "");
		putchar('\n');
	}
	put(EXPLAIN_MARGIN "comment \"", json_str(event, "comment"), "\"\n");
	put_people(event);
}

static void put_work(const json_t *result)
{
	const char *kind = json_str(result, "work.kind");
	const char *join = json_str(result, "work.join_key");

	if (!kind)
		return;
	explain_head("work");
	if (strcmp(kind, "none") == 0) {
		puts("of no kind: it joins nothing, and nothing joins it");
		return;
	}
	printf("%s; what else OpenPR sends about it joins the same task\n", kind);
	put_line("join key ", join);
}

/* ---- the decision ---- */

static void put_names(const json_t *names)
{
	size_t i;
	json_t *name;

	json_array_foreach(names, i, name)
	{
		put(i ? ", " : "", json_string_value(name), "");
	}
}

static void put_decision(const json_t *result)
{
	const json_t *decision = json_at(result, "decision");

	if (!decision)
		return;
	explain_head("decision");
	put("", json_str(decision, "verdict"), "");
	put(", by rule \"", json_str(decision, "rule"), "\"");
	put(": ", json_str(decision, "reason"), "");
	if (json_array_size(json_at(decision, "agents")) > 0) {
		fputs("; agents ", stdout);
		put_names(json_at(decision, "agents"));
	}
	putchar('\n');
}

static void put_gates(const json_t *result)
{
	const char *name;
	json_t *open;

	if (!json_at(result, "gates"))
		return;
	explain_head("gates");
	json_object_foreach(json_at(result, "gates"), name, open)
	{
		printf("%s %s  ", name, json_is_true(open) ? "ON" : "off");
	}
	printf("safe mode %s\n", json_is_true(json_at(result, "safe_mode")) ? "ON" : "off");
}

static void put_answer(const json_t *result)
{
	const json_t *answer = json_at(result, "answer");

	explain_head("answer");
	printf("%lld", (long long)json_int(answer, "http", 0));
	put(" ", json_str(answer, "status"), "");
	put(", gate ", json_str(answer, "gate"), "");
	put(": ", json_str(answer, "reason"), "");
	putchar('\n');
}

static void put_recorded(const json_t *result)
{
	const json_t *past = json_at(result, "recorded");

	if (!past)
		return;
	explain_head("recorded");
	put("when it came: ", json_str(past, "status"), "");
	put(", by rule \"", json_str(past, "rule"), "\"");
	put(": ", json_str(past, "reason"), "");
	if (json_array_size(json_at(past, "agents")) > 0) {
		fputs("; agents ", stdout);
		put_names(json_at(past, "agents"));
	}
	putchar('\n');
}

/* ---- a run ---- */

static void put_time(const json_t *run)
{
	const json_int_t ms = json_int(run, "timeout", 0);

	if (ms % 60000 == 0)
		printf(EXPLAIN_MARGIN "time limit   %lld min", (long long)ms / 60000);
	else
		printf(EXPLAIN_MARGIN "time limit   %.3g s", (double)ms / 1000);
	put(" (", json_str(run, "timeout_from"), ")\n");
}

static void put_permissions(const json_t *run)
{
	printf(EXPLAIN_MARGIN "permissions  %s; the repository's own settings are %s\n",
	       json_str(run, "permissions"),
	       json_is_true(json_at(run, "trust_repository")) ? "trusted" : "not used");
}

/* Arguments as a shell would need them, for reading; none is involved. */
static void put_argument(const char *argument)
{
	const bool bare =
	    argument[0] && !argument[strcspn(argument, " \t\n'\"\\$&|;<>(){}[]*?#~`!")];

	fputs(bare ? "" : "'", stdout);
	plain_line(stdout, argument);
	fputs(bare ? "" : "'", stdout);
}

/* Words that are broken into lines of about `WIDTH` columns. */
static void put_words(const char *head, const json_t *words, void (*put_word)(const char *))
{
	size_t i, column = 0;
	json_t *word;

	if (!words)
		return;
	printf(EXPLAIN_MARGIN "%-13s", head);
	json_array_foreach(words, i, word)
	{
		const char *text = json_string_value(word) ? json_string_value(word) : "?";
		if (column > 0 && column + strlen(text) > WIDTH) {
			fputs("\n" EXPLAIN_MARGIN "             ", stdout);
			column = 0;
		}
		fputs(column > 0 ? " " : "", stdout);
		put_word(text);
		column += strlen(text) + 1;
	}
	putchar('\n');
}

static void put_word(const char *text)
{
	plain_line(stdout, text);
}

static void put_prompt(const json_t *run)
{
	const char *prompt = json_str(run, "stdin");

	if (!prompt)
		return;
	printf(EXPLAIN_MARGIN "prompt       %zu bytes on standard input%s:\n", strlen(prompt),
	       json_is_false(json_at(run, "prompt_complete")) ? ", without what OpenPR would tell"
							      : "");
	plain_block(stdout, prompt, EXPLAIN_MARGIN "  | ", TEXT_MOST);
}

static void put_request(const json_t *request)
{
	const char *body = json_str(request, "body");

	if (!request)
		return;
	put(EXPLAIN_MARGIN "request      ", json_str(request, "method"), "");
	put(" ", json_str(request, "url"), "\n");
	put_words("headers", json_at(request, "headers"), put_word);
	puts(body ? EXPLAIN_MARGIN "body" : EXPLAIN_MARGIN "body         not UTF-8");
	if (body)
		plain_block(stdout, body, EXPLAIN_MARGIN "  | ", TEXT_MOST);
}

static void put_report(const json_t *reports, const char *which, const char *title)
{
	const json_t *report = json_object_get(reports, which);
	const char *comment = json_str(report, "comment"), *state = json_str(report, "state");
	const char *failure = json_str(report, "failure");

	printf(EXPLAIN_MARGIN "%-12s ", title);
	put("state ", state, comment ? ", comment" : "");
	fputs(!state && comment ? "comment" : !state ? "nothing" : "", stdout);
	put(", the AI task is ", json_str(report, "ai_task"), "");
	fputs(comment ? ":\n" : "\n", stdout);
	if (comment)
		plain_block(stdout, comment, EXPLAIN_MARGIN "  | ", TEXT_MOST);
	if (failure)
		put_line("  the callback policy fails, and these are the built-in words: ",
			 failure);
}

static void put_reports(const json_t *reports)
{
	const char *problem = json_str(reports, "problem"), *by = json_str(reports, "by");

	put_line("reports by   ", by && strcmp(by, "mcp") == 0 ? "MCP" : "REST");
	if (problem)
		put_line("             ", problem);
	put_report(reports, "started", "  at start");
	put_report(reports, "success", "  if it works");
	put_report(reports, "failure", "  if it fails");
}

static void put_run(const json_t *run)
{
	const char *gate = json_str(run, "gate");
	size_t i;
	json_t *problem;

	explain_head("run");
	put("agent ", json_str(run, "agent"), "");
	put(", ", json_str(run, "type"), "");
	put(" ", json_str(run, "cli"), "");
	put(": would not start, the gate ", gate, " is off");
	if (!gate)
		fputs(json_is_true(json_at(run, "starts")) ? ": starts" : ": would not start",
		      stdout);
	putchar('\n');
	json_array_foreach(json_at(run, "problems"), i, problem)
	{
		put_line("problem      ", json_string_value(problem));
	}
	if (json_at(run, "working_dir"))
		put_line("directory    ", json_str(run, "working_dir"));
	if (json_at(run, "timeout"))
		put_time(run);
	if (json_str(run, "model"))
		put_line("model        ", json_str(run, "model"));
	if (json_at(run, "permissions"))
		put_permissions(run);
	put_words("command", json_at(run, "argv"), put_argument);
	put_words("environment", json_at(run, "environment"), put_word);
	put_prompt(run);
	put_request(json_at(run, "request"));
	if (json_is_true(json_at(run, "reports_itself")))
		put_line("", "the agent reports its success itself; below, what the daemon says "
			     "where it has not");
	if (json_at(run, "reports"))
		put_reports(json_at(run, "reports"));
}

/* ---- all of it ---- */

static void put_list(const json_t *list, const char *head)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		if (i == 0)
			explain_head(head);
		put(i == 0 ? "" : EXPLAIN_MARGIN, json_string_value(item), "\n");
	}
}

void explain_text(const json_t *result)
{
	size_t i;
	json_t *run;

	put_event(result);
	put_work(result);
	explain_rules(result);
	put_decision(result);
	put_gates(result);
	put_answer(result);
	put_recorded(result);
	json_array_foreach(json_at(result, "runs"), i, run)
	{
		put_run(run);
	}
	put_list(json_at(result, "log"), "log");
	put_list(json_at(result, "warnings"), "note");
}
