/* Each rule, whether it held, and what made it so. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command/explain_text.h"
#include "command/plain.h"

#define REASONS 6     /* lines of reasons below a rule */
#define NAME_WIDTH 28 /* at most; longer names move their condition */
#define NAME_LEAST 8

/* ---- why ---- */

static void put_value(const json_t *value)
{
	size_t i;
	json_t *item;

	if (json_is_string(value)) {
		putchar('"');
		plain_line(stdout, json_string_value(value));
		putchar('"');
	} else if (json_is_array(value)) {
		putchar('[');
		json_array_foreach(value, i, item)
		{
			fputs(i ? ", " : "", stdout);
			put_value(item);
		}
		putchar(']');
	} else if (json_is_integer(value)) {
		printf("%lld", (long long)json_integer_value(value));
	} else {
		fputs(json_is_true(value)    ? "true"
		      : json_is_false(value) ? "false"
					     : "not there",
		      stdout);
	}
}

static void put_values(const json_t *part)
{
	size_t i;
	json_t *value;

	json_array_foreach(json_at(part, "values"), i, value)
	{
		fputs(i ? ", " : ": ", stdout);
		plain_line(stdout, json_str(value, "path"));
		fputs(" is ", stdout);
		put_value(json_at(value, "value"));
	}
	putchar('\n');
}

static void put_reason(const json_t *part)
{
	fputs(EXPLAIN_MARGIN "             ", stdout);
	plain_line(stdout, json_str(part, "words"));
	fputs(json_is_true(json_at(part, "holds")) ? " holds" : " does not", stdout);
	put_values(part);
}

/* The parts that made the whole hold or not: of "&" the one that failed, of "|" the one that held.
 */
static void put_reasons(const json_t *part, int *room)
{
	const json_t *parts = json_at(part, "parts");
	const size_t count = json_array_size(parts);

	if (count == 0) {
		if (*room > 0)
			put_reason(part);
		else if (*room == 0)
			puts(EXPLAIN_MARGIN "             ...");
		*room -= *room >= 0;
		return;
	}
	const bool holds = json_is_true(json_at(part, "holds"));
	const char *joint = json_str(part, "joint");
	const bool all = (joint[0] == '&') == holds || joint[0] == '~';
	for (size_t i = all ? 0 : count - 1; i < count; i++)
		put_reasons(json_array_get(parts, i), room);
}

/* ---- rules ---- */

static const char *outcome_of(const json_t *rule)
{
	if (!json_at(rule, "holds"))
		return "fails";
	if (!json_is_true(json_at(rule, "holds")))
		return "no";
	return json_at(rule, "verdict") ? "YES" : "passes";
}

static void put_rule(const json_t *rule, int width)
{
	const json_t *condition = json_at(rule, "condition");
	const char *name = json_str(rule, "rule");
	const int len = plain_width(name ? name : "?");
	int room = REASONS;

	printf("%s%3lld %-6s  ", EXPLAIN_MARGIN, (long long)json_int(rule, "n", 0),
	       outcome_of(rule));
	plain_line(stdout, name ? name : "?");
	if (!condition) {
		putchar('\n');
		return;
	}
	printf("%*s  ", len < width ? width - len : 0, "");
	plain_line(stdout, json_str(condition, "words"));
	if (json_at(condition, "parts")) {
		putchar('\n');
		put_reasons(condition, &room);
	} else {
		put_values(condition);
	}
}

static int name_width(const json_t *tried)
{
	int width = NAME_LEAST;
	size_t i;
	json_t *rule;

	json_array_foreach(tried, i, rule)
	{
		const char *name = json_str(rule, "rule");
		const int len = name ? plain_width(name) : 0;
		if (len > width)
			width = len < NAME_WIDTH ? len : NAME_WIDTH;
	}
	return width;
}

static void put_verdict(const json_t *policy)
{
	const char *verdict = json_str(policy, "verdict");
	const json_int_t line = json_int(policy, "line", 0);

	fputs(EXPLAIN_MARGIN "    => ", stdout);
	plain_line(stdout, verdict ? verdict : "no rule decides");
	if (line > 0)
		printf("  (line %lld)", (long long)line);
	putchar('\n');
	const json_int_t untried = json_int(policy, "untried", 0);
	if (untried > 0)
		printf(EXPLAIN_MARGIN "       %lld below %s not tried\n", (long long)untried,
		       untried == 1 ? "it was" : "it were");
}

static void put_policy(const json_t *policy, const json_t *files, bool failed)
{
	const json_t *tried = json_at(policy, "tried");
	const char *hook = json_str(policy, "hook");
	char name[64];
	size_t i;
	json_t *rule;

	explain_head(hook);
	snprintf(name, sizeof(name), "policies/%.32s.lua", hook);
	const char *path = json_string_value(json_object_get(files, name));
	plain_line(stdout, path ? path : name);
	putchar('\n');
	const int width = name_width(tried);
	const json_int_t left_out = json_int(policy, "left_out", 0);
	json_array_foreach(tried, i, rule)
	{
		if (left_out > 0 && i + 1 == json_array_size(tried))
			printf(EXPLAIN_MARGIN "    ... %lld more were tried and did not decide\n",
			       (long long)left_out);
		put_rule(rule, width);
	}
	if (!failed)
		put_verdict(policy);
}

void explain_rules(const json_t *result)
{
	const json_t *policies = json_at(result, "policies");
	const char *failure = json_str(result, "failure");
	size_t i;
	json_t *policy;

	json_array_foreach(policies, i, policy)
	{
		put_policy(policy, json_at(result, "files"),
			   failure && i + 1 == json_array_size(policies));
	}
	if (failure) {
		fputs(EXPLAIN_MARGIN "    fails: ", stdout);
		plain_line(stdout, failure);
		putchar('\n');
	}
}
