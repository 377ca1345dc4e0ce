/* `replay`: stored events through other policies, as a diff of what was decided. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "command/command.h"
#include "command/dry.h"
#include "command/plain.h"
#include "command/print.h"
#include "command/replay_diff.h"
#include "store/past.h"

#define PATIENCE 30000	     /* ms; nobody else has the workers */
#define SHOWN 50	     /* changes that are shown without --limit */
#define TRANSITIONS_MOST 500 /* kinds of change that are counted apart */
#define PROGRESS_EVERY 200   /* ms */

struct replay {
	const struct command_line *line;
	struct dry dry;
	struct store *store;
	json_t *ours;
	size_t all, done, compared, changed, pruned, undecided, failed;
	json_t *changes;     /* the first of them, for JSON */
	json_t *transitions; /* "was -> now": count */
	int64_t progress_at;
};

/* ---- which events ---- */

/* "7d", "36h", "90m", "30s" before now, or RFC 3339. */
static int parse_since(const char *text, int64_t *since)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
	char *end = NULL;

	if (clock_parse(text, since) == 0)
		return 0;
	errno = 0;
	const long count = strtol(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (end != text && errno == 0 && count > 0 && count < 1000000 &&
		    end[0] == units[i].unit && end[1] == '\0') {
			*since = clock_wall() - count * units[i].ms;
			return 0;
		}
	return -1;
}

/* ---- progress, on a terminal ---- */

static void show_progress(struct replay *replay)
{
	const int64_t now = clock_mono();

	if (now < replay->progress_at || !isatty(STDERR_FILENO))
		return;
	replay->progress_at = now + PROGRESS_EVERY;
	fprintf(stderr, "\r%zu of %zu events, %zu changed ", replay->done, replay->all,
		replay->changed);
}

static void clear_progress(const struct replay *replay)
{
	if (replay->progress_at > 0)
		fprintf(stderr, "\r%60s\r", "");
}

/* ---- one event ---- */

static const char *or_dash(const char *text)
{
	return text && text[0] ? text : "-";
}

static void put_side(const char *title, const char *verdict, const char *rule, const char *filter,
		     const json_t *agents, const char *reason)
{
	size_t i;
	json_t *agent;

	printf("    %s  %s", title, or_dash(verdict));
	fputs(" by \"", stdout);
	plain_line(stdout, or_dash(rule));
	putchar('"');
	if (filter && rule && strcmp(filter, rule) != 0) {
		fputs(" after \"", stdout);
		plain_line(stdout, filter);
		putchar('"');
	}
	json_array_foreach(agents, i, agent)
	{
		fputs(i ? ", " : ": ", stdout);
		plain_line(stdout, json_string_value(agent));
	}
	if (reason && json_array_size(agents) == 0) {
		fputs(": ", stdout);
		plain_line(stdout, reason);
	}
	putchar('\n');
}

static void put_change(const struct replay_diff *diff, const struct past *past)
{
	char at[CLOCK_TEXT_SIZE];

	clock_format(past->received_at, at);
	printf("%s  %s  ", past->id, at);
	plain_line(stdout, past->name);
	fputs("  ", stdout);
	plain_line(stdout, or_dash(past->issue_key));
	putchar('\n');
	put_side("was", diff->was_verdict, diff->was_rule, diff->was_filter_rule, diff->was_agents,
		 diff->was_reason);
	put_side("now", diff->now_verdict, diff->now_rule, diff->now_filter_rule, diff->now_agents,
		 diff->now_reason);
}

static void count_transition(struct replay *replay, const struct replay_diff *diff)
{
	char words[700];

	snprintf(words, sizeof(words), "%s \"%.200s\" -> %s \"%.200s\"", or_dash(diff->was_verdict),
		 or_dash(diff->was_rule), or_dash(diff->now_verdict), or_dash(diff->now_rule));
	const json_t *before = json_object_get(replay->transitions, words);
	if (!before && json_object_size(replay->transitions) >= TRANSITIONS_MOST)
		snprintf(words, sizeof(words), "others");
	before = json_object_get(replay->transitions, words);
	json_object_set_new(replay->transitions, words,
			    json_integer(json_integer_value(before) + 1));
}

static void take_change(struct replay *replay, const struct replay_diff *diff,
			const struct past *past)
{
	const size_t most = replay->line->limit > 0 ? (size_t)replay->line->limit : SHOWN;

	replay->changed++;
	count_transition(replay, diff);
	if (replay->changed > most)
		return;
	if (replay->line->json) {
		json_array_append_new(replay->changes, replay_diff_json(diff, past));
	} else {
		clear_progress(replay);
		put_change(diff, past);
	}
}

/* -1: the policies cannot be asked at all. */
static int replay_event(struct replay *replay, const struct past *past, struct err *err)
{
	const struct policy_event event = {
		.body = past->body,
		.body_len = past->body_len,
		.completion = past->completion,
		.ours = replay->ours,
		.now = past->received_at,
	};
	struct policy_decision decision;
	struct replay_diff diff;
	const int rc = policy_decide(replay->dry.pool, &event, PATIENCE, &decision, err);

	if (rc < 0 && (err->code == ERR_FULL || err->code == ERR_IO))
		return -1;
	json_array_clear(replay->dry.log);
	replay->failed += rc < 0;
	replay->compared++;
	replay_diff_make(&diff, past, &decision, rc < 0 ? err : NULL);
	if (replay_diff_any(&diff))
		take_change(replay, &diff, past);
	replay_diff_done(&diff);
	return 0;
}

static int replay_all(struct replay *replay, struct past_walk *walk, struct err *err)
{
	struct past *past = NULL;
	int rc;

	while ((rc = past_walk_next(replay->store, walk, &past, err)) == 0 && past) {
		if (!past->body)
			replay->pruned++;
		else if (!replay_diff_known(past))
			replay->undecided++;
		else
			rc = replay_event(replay, past, err);
		past_free(past);
		if (rc < 0)
			break;
		replay->done++;
		show_progress(replay);
	}
	clear_progress(replay);
	return rc;
}

/* ---- the end ---- */

static void put_summary(const struct replay *replay)
{
	const char *words;
	json_t *count;

	const size_t shown = replay->line->limit > 0 ? (size_t)replay->line->limit : SHOWN;
	if (replay->changed > shown)
		printf("... and %zu more; --limit shows them\n", replay->changed - shown);
	json_object_foreach(replay->transitions, words, count)
	{
		printf("%8lld  ", (long long)json_integer_value(count));
		plain_line(stdout, words);
		putchar('\n');
	}
	if (replay->changed > 0)
		putchar('\n');
	printf("%zu events: %zu decided as before, %zu changed", replay->done,
	       replay->compared - replay->changed, replay->changed);
	if (replay->failed > 0)
		printf(" (%zu where a policy fails now)", replay->failed);
	if (replay->pruned > 0)
		printf(", %zu left out whose bodies are not kept any more (queue.keep_days)",
		       replay->pruned);
	if (replay->undecided > 0)
		printf(", %zu left out that no policy decided", replay->undecided);
	putchar('\n');
}

static int finish(struct replay *replay)
{
	if (!replay->line->json) {
		put_summary(replay);
	} else {
		json_t *all = json_pack(
		    "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O, s:O}", "events",
		    (json_int_t)replay->done, "compared", (json_int_t)replay->compared, "same",
		    (json_int_t)(replay->compared - replay->changed), "changed",
		    (json_int_t)replay->changed, "failed", (json_int_t)replay->failed, "pruned",
		    (json_int_t)replay->pruned, "undecided", (json_int_t)replay->undecided,
		    "transitions", replay->transitions, "changes", replay->changes);
		print_json(all);
		json_decref(all);
	}
	return replay->changed > 0 ? EXIT_FAILED : EXIT_OK;
}

/* Everything that keeps it from comparing is exit 2, so that 1 always means a change. */
static int run(struct replay *replay, int64_t since)
{
	struct past_walk walk;
	struct err err;

	replay->store = dry_queue(&replay->dry, &err);
	if (!replay->store)
		return command_fail(EXIT_USAGE, "%s", err.text);
	replay->ours = past_identities(replay->store, &err);
	if (!replay->ours ||
	    past_walk_from(replay->store, since, (size_t)replay->line->last, &walk, &replay->all,
			   &err) < 0 ||
	    replay_all(replay, &walk, &err) < 0)
		return command_fail(EXIT_USAGE, "%s", err.text);
	return finish(replay);
}

int command_replay(const struct command_line *line)
{
	struct replay replay = { .line = line };
	int64_t since = 0;

	if (line->since && parse_since(line->since, &since) < 0)
		return command_fail(EXIT_USAGE,
				    "--since wants 7d, 36h, 90m or a time such as "
				    "2026-09-30T08:20:00Z, not \"%s\"",
				    line->since);
	replay.changes = json_array();
	replay.transitions = json_object();
	int code = dry_open(line, &replay.dry);
	if (code == EXIT_OK)
		code = run(&replay, since);
	else
		code = EXIT_USAGE;
	store_close(replay.store);
	dry_close(&replay.dry);
	json_decref(replay.ours);
	json_decref(replay.changes);
	json_decref(replay.transitions);
	return code;
}
