#pragma once

/* What the tests of the store share: a store in a folder of its own, and events as OpenPR sends
 * them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/internal.h"

#define ISSUE "a1b2c3d4-1111-4222-8333-444455556666"
#define BOT "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f"
#define OTHER_BOT "99999999-5d4e-4b8a-9c6f-0a1b2c3d4e5f"
#define AI_TASK "11111111-2222-4333-8444-555555555555"
#define KEY "assignment:" ISSUE ":" BOT
#define T0 1790000000000LL /* the envelope's time of the first event in a test */

/* cmocka's setup and teardown: *state is a struct place. */
struct place {
	char folder[64], path[96];
	struct store *store;
};

static inline int place_setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	struct err err = { .text = "" };

	snprintf(place->folder, sizeof(place->folder), "/tmp/opw-store-XXXXXX");
	if (!mkdtemp(place->folder))
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/queue.db", place->folder);
	if (store_open(place->path, &place->store, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	*state = place;
	return 0;
}

static inline void place_remove(const char *folder)
{
	static const char *const names[] = { "queue.db", "queue.db-wal", "queue.db-shm",
					     "queue.db.lock" };
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		remove(path);
	}
	remove(folder);
}

static inline int place_teardown(void **state)
{
	struct place *place = *state;

	store_close(place->store);
	place_remove(place->folder);
	free(place);
	return 0;
}

static inline struct store *store_of(void **state)
{
	return ((struct place *)*state)->store;
}

#define place_test(function) cmocka_unit_test_setup_teardown(function, place_setup, place_teardown)

/* Shows the error's text when the call failed. */
#define ok(call)                                                                                   \
	do {                                                                                       \
		struct err err = { .text = "" };                                                   \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, err.text);                                       \
	} while (0)
#define refused(call, expected)                                                                    \
	do {                                                                                       \
		struct err err = { .text = "" };                                                   \
		assert_int_equal((call), -1);                                                      \
		assert_int_equal(err.code, (expected));                                            \
		assert_true(err.text[0] != '\0');                                                  \
	} while (0)

/* ---- opening ---- */

static inline void close_store(void **state)
{
	struct place *place = *state;

	store_close(place->store);
	place->store = NULL;
}

static inline void refused_naming(const char *path, enum err_code code, const char *word)
{
	struct store *store = NULL;
	struct err err = { .text = "" };

	assert_int_equal(store_open(path, &store, &err), -1);
	assert_null(store);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

/* ---- events ---- */

static inline const char *fresh_key(const char *prefix)
{
	static _Thread_local char keys[64][64];
	static _Thread_local int next;
	char id[ID_SIZE];
	char *key = keys[next++ % 64];

	id_make(id);
	snprintf(key, 64, "%s:%s", prefix, id);
	return key;
}

static inline struct store_event webhook(const char *name, enum store_kind kind,
					 const char *join_key, int64_t at)
{
	return (struct store_event){
		.source = SOURCE_WEBHOOK,
		.dedupe_key = fresh_key("delivery"),
		.name = name,
		.kind = kind,
		.join_key = join_key,
		.issue_id = ISSUE,
		.issue_key = "CORE-A1B2C3D4",
		.issue_title = "Login fails",
		.issue_state = "todo",
		.bot_id = BOT,
		.bot_name = "ai-fixer",
		.at = at,
		.received_at = at + 1,
		.body = "{\"event\":1}",
		.body_len = 11,
	};
}

static inline struct store_event created(int64_t at)
{
	return webhook("issue.created", KIND_ASSIGNMENT, KEY, at);
}

static inline struct store_event assigned(int64_t at)
{
	return webhook("issue.assigned", KIND_ASSIGNMENT, KEY, at);
}

static inline struct store_event mentioned(const char *comment, int64_t at)
{
	static char keys[16][128];
	static int next;
	char *key = keys[next++ % 16];

	snprintf(key, 128, "mention:%s:" BOT, comment);
	struct store_event event = webhook("comment.created", KIND_MENTION, key, at);
	event.comment_id = comment;
	return event;
}

static inline struct store_event ai_task(const char *id, int attempt, const char *join_key,
					 int64_t received_at)
{
	static char keys[16][96];
	static int next;
	char *key = keys[next++ % 16];

	snprintf(key, 96, "ai:%s:%d", id, attempt);
	struct store_event event =
	    webhook("task.issue_assigned", KIND_ASSIGNMENT, join_key, received_at);
	event.source = SOURCE_AI_TASK;
	event.dedupe_key = key;
	event.ai_task_id = id;
	event.ai_attempt = attempt;
	event.ai_max_attempts = 3;
	event.received_at = received_at;
	return event;
}

static inline struct store_event removal(const char *const *bots, size_t count, int64_t at)
{
	struct store_event event = webhook("issue.assigned", KIND_NONE, NULL, at);

	event.removed_bots = bots;
	event.removed_count = count;
	return event;
}

static inline struct store_decision decide(enum store_action action)
{
	return (struct store_decision){
		.action = action,
		.rule = "a rule",
		.reason = action == ACTION_ACCEPT ? NULL : "a reason",
		.gate = action == ACTION_DISABLED ? "cli_executor" : NULL,
		.targets = { { .agent = "default" } },
		.target_count = 1,
	};
}

static inline struct store_answer receive(struct store *store, struct store_event event,
					  enum store_action action)
{
	const struct store_decision decision = decide(action);
	struct store_answer answer;

	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	return answer;
}

/* ---- runs ---- */

static inline struct store_task *claim(struct store *store, int64_t now)
{
	struct store_task *task = NULL;

	ok(store_claim(store, now, NULL, 0, &task, &err));
	return task;
}

/* Claims and starts; the run's id is copied out. */
static inline void start(struct store *store, char run_id[ID_SIZE])
{
	struct store_task *task = claim(store, clock_wall());

	assert_non_null(task);
	memcpy(run_id, task->run_id, ID_SIZE);
	ok(store_started(store, run_id, clock_wall(), "/runs/x.log", &err));
	store_task_free(task);
}

static inline void end(struct store *store, const char *run_id, enum outcome outcome)
{
	const struct store_end done = {
		.run_id = run_id,
		.outcome = outcome,
		.exit_code = outcome == OUTCOME_SUCCESS ? 0 : 1,
		.ended_at = clock_wall(),
		.duration = 1500,
		.cause = outcome == OUTCOME_SUCCESS ? NULL : "it broke",
		.final_text = "all done",
		.tail = "last lines",
		.input_tokens = 10,
		.output_tokens = 20,
		.cost_usd = 0.5,
	};

	ok(store_end(store, &done, true, 2, &err));
}

static inline void run_to(struct store *store, enum outcome outcome)
{
	char run_id[ID_SIZE];

	start(store, run_id);
	end(store, run_id, outcome);
}

/* ---- reports ---- */

static inline struct store_report *take(struct store *store)
{
	struct store_report *report = NULL;

	ok(store_take_report(store, clock_wall() + 1000000, NULL, 0, &report, &err));
	return report;
}

/* Delivers everything that is owed; FORMAT rows become one comment.  The kinds in the order of
 * delivery come back as "format comment ai_complete ". */
static inline const char *deliver_all(struct store *store)
{
	static char said[512];
	struct store_report *report;

	said[0] = '\0';
	while ((report = take(store))) {
		const struct store_call call = { REPORT_COMMENT, "a comment" };
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s ",
			 word_report(report->kind));
		if (report->kind == REPORT_FORMAT)
			ok(store_expand_report(store, report->id, &call, 1, &err));
		else
			ok(store_report_delivered(store, report->id, &err));
		store_report_free(report);
	}
	return said;
}

/* Accepts, claims, starts and ends well. */
static inline struct store_answer ended_task(struct store *store, struct store_event event)
{
	const struct store_answer answer = receive(store, event, ACTION_ACCEPT);

	run_to(store, OUTCOME_SUCCESS);
	return answer;
}

/* Takes the next FORMAT row and puts these calls in its place. */
static inline void expand(struct store *store, const struct store_call *calls, size_t count)
{
	struct store_report *report = take(store);

	assert_non_null(report);
	assert_int_equal(report->kind, REPORT_FORMAT);
	ok(store_expand_report(store, report->id, calls, count, &err));
	store_report_free(report);
}

/* ---- looking ---- */

static inline size_t count_runs(struct store *store)
{
	struct err err;
	json_t *runs = store_runs(store, 1000, &err);
	const size_t count = json_array_size(runs);

	json_decref(runs);
	return count;
}

/* `show RUN`; json_decref(). */
static inline json_t *show(struct store *store, const char *run_id)
{
	struct err err = { .text = "" };
	json_t *run = store_show(store, run_id, &err);

	if (!run)
		fail_msg("show %s: %s", run_id, err.text);
	return run;
}

/* A member of `show RUN`, copied. */
static inline const char *shown(struct store *store, const char *run_id, const char *path)
{
	static char values[8][256];
	static int next;
	char *value = values[next++ % 8];
	json_t *run = show(store, run_id);
	const json_t *found = json_at(run, path);
	if (json_is_integer(found))
		snprintf(value, 256, "%lld", (long long)json_integer_value(found));
	else
		snprintf(value, 256, "%s",
			 json_is_string(found) ? json_string_value(found) : "null");
	json_decref(run);
	return value;
}

/* The status of one event now. */
static inline const char *status_of(struct store *store, const char *event_id)
{
	static char status[32];
	struct err err;
	json_t *events = store_events(store, NULL, 1000, &err);

	snprintf(status, sizeof(status), "none");
	for (size_t i = 0; i < json_array_size(events); i++) {
		const json_t *event = json_array_get(events, i);
		if (strcmp(json_str(event, "event_id"), event_id) == 0)
			snprintf(status, sizeof(status), "%s", json_str(event, "status"));
	}
	json_decref(events);
	return status;
}

static inline long long count_of(struct store *store, const char *key)
{
	struct err err;
	json_t *counts = store_counts(store, &err);
	const long long count = json_int(counts, key, -1);

	json_decref(counts);
	return count;
}
