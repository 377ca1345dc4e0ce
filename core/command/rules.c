/* `rules`: filter and route as they were written, and how often each rule has decided. */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "command/command.h"
#include "command/dry.h"
#include "command/plain.h"
#include "command/print.h"
#include "store/past.h"

#define NAME_MOST 32 /* columns that are lined up; longer ones move what follows */
#define WHEN_MOST 48

/* ---- hits ---- */

/* Of a policy that is a function, and of rules that are gone: what no rule of the list has. */
static json_t *others(const json_t *policy, json_t *hits)
{
	json_t *rest = json_copy(hits);
	size_t i;
	json_t *rule;

	json_array_foreach(json_at(policy, "rules"), i, rule)
	{
		const char *name = json_str(rule, "name");
		const json_t *count = name ? json_object_get(hits, name) : NULL;
		json_object_set_new(rule, "hits", json_integer(json_integer_value(count)));
		if (name)
			json_object_del(rest, name);
	}
	return rest;
}

static void add_hits(json_t *told, const json_t *hits)
{
	char since[CLOCK_TEXT_SIZE];
	size_t i;
	json_t *policy;

	clock_format(json_int(hits, "since", 0), since);
	json_object_set(told, "events", json_at(hits, "events"));
	json_object_set_new(told, "since",
			    json_int(hits, "since", 0) > 0 ? json_string(since) : json_null());
	json_array_foreach(json_at(told, "policies"), i, policy)
	{
		json_object_set_new(
		    policy, "others",
		    others(policy, json_object_get(hits, json_str(policy, "hook"))));
	}
}

/* A host without a queue, or another's queue, still has rules. */
static void count(const struct dry *dry, json_t *told)
{
	struct err err;
	struct store *store = dry_queue(dry, &err);
	json_t *hits = store ? past_hits(store, &err) : NULL;

	store_close(store);
	if (hits)
		add_hits(told, hits);
	else
		json_object_set_new(told, "no_hits", json_string(err.text));
	json_decref(hits);
}

static void add_paths(const struct dry *dry, json_t *told)
{
	char name[64];
	size_t i;
	json_t *policy;

	json_array_foreach(json_at(told, "policies"), i, policy)
	{
		snprintf(name, sizeof(name), "policies/%.32s.lua", json_str(policy, "hook"));
		json_object_set(policy, "path", json_object_get(dry->files, name));
	}
}

/* ---- for people ---- */

static int width_of(const json_t *rules, const char *key, int most)
{
	int width = 4;
	size_t i;
	json_t *rule;

	json_array_foreach(rules, i, rule)
	{
		const char *text = json_str(rule, key);
		const int len = text ? plain_width(text) : 0;
		if (len > width)
			width = len < most ? len : most;
	}
	return width;
}

static void put_cell(const char *text, int width)
{
	const int len = plain_width(text);

	plain_line(stdout, text);
	printf("%*s  ", len < width ? width - len : 0, "");
}

static void put_rules(const json_t *rules)
{
	const int name = width_of(rules, "name", NAME_MOST);
	const int when = width_of(rules, "when", WHEN_MOST);
	size_t i;
	json_t *rule;

	printf("    #     HITS  %-*s  %-*s  THEN\n", name, "RULE", when, "WHEN");
	json_array_foreach(rules, i, rule)
	{
		const json_t *hits = json_at(rule, "hits");
		printf("%5lld ", (long long)json_int(rule, "n", 0));
		if (hits)
			printf("%8lld  ", (long long)json_integer_value(hits));
		else
			printf("%8s  ", "-");
		put_cell(json_str(rule, "name"), name);
		put_cell(json_str(rule, "when"), when);
		plain_line(stdout, json_str(rule, "action"));
		putchar('\n');
	}
}

static void put_others(const json_t *policy)
{
	const char *rule;
	json_t *hits;

	json_object_foreach(json_at(policy, "others"), rule, hits)
	{
		printf("      %8lld  ", (long long)json_integer_value(hits));
		plain_line(stdout, rule);
		puts(json_at(policy, "rules") ? "  (not a rule of this file)" : "");
	}
}

static void put_policies(const json_t *told)
{
	size_t i;
	json_t *policy;

	json_array_foreach(json_at(told, "policies"), i, policy)
	{
		const char *path = json_str(policy, "path");
		printf("%s%-6s  ", i ? "\n" : "", json_str(policy, "hook"));
		plain_line(stdout, path ? path : "?");
		putchar('\n');
		if (json_at(policy, "rules"))
			put_rules(json_at(policy, "rules"));
		else
			puts("    a function, not a list of rules");
		put_others(policy);
	}
	if (json_at(told, "events"))
		printf("\nhits: %lld events%s%s\n", (long long)json_int(told, "events", 0),
		       json_str(told, "since") ? " since " : "",
		       json_str(told, "since") ? json_str(told, "since") : "");
	else
		printf("\nno hits: %s\n", json_str(told, "no_hits"));
}

int command_rules(const struct command_line *line)
{
	struct dry dry;
	struct err err;
	int code = dry_open(line, &dry);

	if (code == EXIT_OK) {
		json_t *told = policy_rule_list(dry.pool, &err);
		if (told) {
			add_paths(&dry, told);
			count(&dry, told);
			if (line->json)
				code = print_json(told);
			else
				put_policies(told);
		} else {
			code = command_fail(EXIT_FAILED, "%s", err.text);
		}
		json_decref(told);
	}
	dry_close(&dry);
	return code;
}
