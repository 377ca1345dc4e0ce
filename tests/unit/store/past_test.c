/* Events and what was decided about them then. */

#include "helper.h"

#include <dirent.h>

#include "store/past.h"

/* A decision as the pipeline makes it. */
static struct store_answer decided(struct store *store, struct store_event event,
				   enum store_action action, const char *verdict,
				   const char *filter_rule, const char *rule)
{
	struct store_decision decision = decide(action);
	struct store_answer answer;

	decision.verdict = verdict;
	decision.filter_rule = filter_rule;
	decision.rule = rule;
	if (strcmp(verdict, "accept") == 0) {
		decision.asked[0] = "default";
		decision.asked[1] = "second";
		decision.asked_count = 2;
	}
	ok(store_accept_wait(store, &event, &decision, &answer, &err));
	return answer;
}

static struct store_event plain(const char *key, int64_t at)
{
	struct store_event event = webhook("issue.updated", KIND_NONE, NULL, at);

	event.dedupe_key = key;
	event.received_at = at;
	event.body = "{\"a\":1}";
	event.body_len = 7;
	return event;
}

static struct past *found(struct store *store, const char *id)
{
	struct past *past = NULL;

	ok(past_find(store, id, &past, &err));
	return past;
}

static void an_event_tells_what_was_decided(void **state)
{
	struct store *store = store_of(state);
	struct past *past;
	struct err why;

	const struct store_answer answer =
	    decided(store, plain("a", T0), ACTION_DISABLED, "accept", "assigned", "bot name");
	past = found(store, answer.event_id);
	assert_string_equal(past->status, "disabled");
	assert_string_equal(past->verdict, "accept");
	assert_string_equal(past->filter_rule, "assigned");
	assert_string_equal(past->rule, "bot name");
	assert_int_equal(json_array_size(past->agents), 2);
	assert_string_equal(json_string_value(json_array_get(past->agents, 1)), "second");
	assert_string_equal(past->body, "{\"a\":1}");
	assert_int_equal(past->body_len, 7);
	past_free(past);
	past_free(NULL);

	assert_int_equal(past_find(store, "01900000-0000-7000-8000-000000000000", &past, &why), -1);
	assert_int_equal(why.code, ERR_NOTFOUND);
}

static void a_second_decision_takes_the_place_of_the_first(void **state)
{
	struct store *store = store_of(state);
	const struct store_answer answer =
	    decided(store, plain("a", T0), ACTION_DISABLED, "accept", "one", "two");
	struct store_decision again = decide(ACTION_IGNORE);
	struct store_answer second;

	again.verdict = "ignore";
	again.filter_rule = again.rule = "three";
	ok(store_redecide(store, answer.event_id, &again, &second, &err));
	struct past *past = found(store, answer.event_id);
	assert_string_equal(past->verdict, "ignore");
	assert_string_equal(past->filter_rule, "three");
	assert_null(past->agents);
	past_free(past);
}

static int64_t hits(const json_t *told, const char *policy, const char *rule)
{
	return json_integer_value(json_object_get(json_at(told, policy), rule));
}

static void rules_are_counted(void **state)
{
	struct store *store = store_of(state);

	decided(store, plain("a", T0 + 5), ACTION_IGNORE, "ignore", "edit", "edit");
	decided(store, plain("b", T0), ACTION_IGNORE, "ignore", "edit", "edit");
	decided(store, plain("c", T0), ACTION_ACCEPT, "accept", "assigned", "bot name");
	decided(store, plain("d", T0), ACTION_NO_AGENT, "no_agent", "assigned", "no rule");
	decided(store, plain("e", T0), ACTION_IGNORE, "ignore", "assigned", "not now");
	decided(store, plain("f", T0), ACTION_OBSERVE, "accept", "assigned", "bot name");
	receive(store, plain("g", T0), ACTION_UNDECIDED); /* nobody was asked */
	struct err why;
	json_t *told = past_hits(store, &why);
	assert_non_null(told);
	assert_int_equal(json_int(told, "events", -1), 7);
	assert_int_equal(json_int(told, "since", -1), T0);
	assert_int_equal(hits(told, "filter", "edit"), 2);
	assert_int_equal(hits(told, "filter", "assigned"), 4);
	assert_int_equal(hits(told, "route", "bot name"), 2);
	assert_int_equal(hits(told, "route", "no rule"), 1);
	assert_int_equal(hits(told, "route", "not now"), 1);
	assert_int_equal(json_object_size(json_at(told, "filter")), 2);
	assert_int_equal(json_object_size(json_at(told, "route")), 3);
	json_decref(told);
}

static void expect_walk(struct store *store, int64_t since, size_t last, const char *keys)
{
	struct past_walk walk;
	struct past *past;
	size_t count = 0, seen = 0;
	char got[64] = "";

	ok(past_walk_from(store, since, last, &walk, &count, &err));
	for (;;) {
		ok(past_walk_next(store, &walk, &past, &err));
		if (!past)
			break;
		strcat(got, past->rule);
		past_free(past);
		seen++;
	}
	assert_string_equal(got, keys);
	assert_int_equal(count, seen);
}

static void they_are_walked_oldest_first(void **state)
{
	struct store *store = store_of(state);
	static const char *const keys[] = { "a", "b", "c", "d" };

	expect_walk(store, 0, 0, "");
	for (int i = 3; i >= 0; i--)
		decided(store, plain(keys[i], T0 + i), ACTION_IGNORE, "ignore", keys[i], keys[i]);
	expect_walk(store, 0, 0, "abcd");
	expect_walk(store, 0, 2, "cd");
	expect_walk(store, 0, 4, "abcd");
	expect_walk(store, 0, 9, "abcd");
	expect_walk(store, T0 + 1, 0, "bcd");
	expect_walk(store, T0 + 1, 1, "d");
	expect_walk(store, T0 + 9, 0, "");
}

static void a_body_that_is_gone_is_told(void **state)
{
	struct store *store = store_of(state);
	struct store_event event = plain("a", T0);
	json_t *logs = NULL;

	event.kind = KIND_ASSIGNMENT;
	event.join_key = "k";
	const struct store_answer answer =
	    decided(store, event, ACTION_IGNORE, "ignore", "edit", "edit");
	ok(store_prune(store, T0 + 1000000, 1, 1, &logs, &err));
	json_decref(logs);
	struct past *past = found(store, answer.event_id);
	assert_null(past->body);
	assert_string_equal(past->rule, "edit");
	past_free(past);
}

/* ---- reading without a trace ---- */

static int files_beside(const char *path)
{
	char folder[256];
	int count = 0;

	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	DIR *entries = opendir(folder);
	while (readdir(entries))
		count++;
	closedir(entries);
	return count;
}

static void a_reader_makes_no_file(void **state)
{
	struct place *place = *state;
	struct store *reader = NULL;
	struct past *past = NULL;
	struct past_walk walk = { 0 };

	decided(place->store, plain("a", T0), ACTION_IGNORE, "ignore", "x", "x");
	close_store(state);
	const int before = files_beside(place->path);
	ok(store_open_reader(place->path, &reader, &err));
	ok(past_walk_next(reader, &walk, &past, &err));
	assert_non_null(past);
	past_free(past);
	assert_int_equal(files_beside(place->path), before);

	/* A daemon starts meanwhile: what it writes is seen. */
	ok(store_open(place->path, &place->store, &err));
	decided(place->store, plain("b", T0 + 1), ACTION_IGNORE, "ignore", "y", "y");
	ok(past_walk_next(reader, &walk, &past, &err));
	assert_non_null(past);
	assert_string_equal(past->rule, "y");
	past_free(past);
	store_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(an_event_tells_what_was_decided),
		place_test(a_second_decision_takes_the_place_of_the_first),
		place_test(rules_are_counted),
		place_test(they_are_walked_oldest_first),
		place_test(a_body_that_is_gone_is_told),
		place_test(a_reader_makes_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
