#include "command/test_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "command/test_coverage.h"
#include "policy/trial.h"

#define TRIALS_MOST 500	 /* each holds a descriptor and its texts */
#define TRIALS_AWAKE 4	 /* have a worker */
#define TESTS_MOST 20000 /* whose results are kept */

struct test_session {
	struct policy_host *host;
	const struct config *config;
	struct trial *trials[TRIALS_MOST];
	char *dirs[TRIALS_MOST]; /* whose policies are the spec's own; NULL: none */
	size_t trial_count;
	size_t awake[TRIALS_AWAKE]; /* indices + 1, the latest first; 0: none */
	json_t *results, *running;
	bool done;
	void (*ended)(const json_t *test);
};

struct test_session *test_session_new(struct policy_host *host, const struct config *config,
				      void (*ended)(const json_t *test), struct err *err)
{
	struct test_session *session = calloc(1, sizeof(*session));

	if (!session || !(session->results = json_array())) {
		free(session);
		err_set(err, ERR_NOMEM, "no memory for tests");
		return NULL;
	}
	session->host = host;
	session->config = config;
	session->ended = ended;
	return session;
}

void test_session_free(struct test_session *session)
{
	if (!session)
		return;
	for (size_t i = 0; i < session->trial_count; i++) {
		trial_free(session->trials[i]);
		free(session->dirs[i]);
	}
	json_decref(session->results);
	json_decref(session->running);
	free(session);
}

const json_t *test_session_results(const struct test_session *session)
{
	return session->results;
}

const json_t *test_session_running(const struct test_session *session)
{
	return session->running;
}

bool test_session_done(const struct test_session *session)
{
	return session->done;
}

/* ---- results ---- */

static void begin(struct test_session *session, const json_t *told)
{
	json_decref(session->running);
	session->running = json_incref((json_t *)told);
}

static void end(struct test_session *session, const json_t *told)
{
	json_decref(session->running);
	session->running = NULL;
	if (json_array_size(session->results) < TESTS_MOST)
		json_array_append(session->results, (json_t *)told);
	if (session->ended)
		session->ended(told);
}

void test_session_fail(struct test_session *session, const char *why)
{
	json_t *told = session->running ? json_copy(session->running)
					: json_pack("{s:s}", "name", "the specs");

	json_object_set_new(told, "status", json_string("error"));
	json_object_set_new(told, "message", json_string(why));
	end(session, told);
	json_decref(told);
}

/* ---- policies ---- */

/* Moves a trial to the front of those that are awake; the last one gives up its worker. */
static void stir(struct test_session *session, size_t number)
{
	size_t at = 0;

	while (at < TRIALS_AWAKE - 1 && session->awake[at] != number && session->awake[at] != 0)
		at++;
	if (session->awake[at] != number && session->awake[at] != 0)
		trial_rest(session->trials[session->awake[at] - 1]);
	memmove(session->awake + 1, session->awake, at * sizeof(session->awake[0]));
	session->awake[0] = number;
}

/* {"log": [...], MORE} and a line's end; MORE is JSON members. */
static int reply_with(const struct trial *trial, const char *more, size_t len, struct buf *reply,
		      struct err *err)
{
	_cleanup_free_ char *log = trial ? json_text(trial_log(trial)) : strdup("[]");

	if (!log || buf_appendf(reply, "{\"log\":%s,", log) < 0 ||
	    buf_append(reply, more, len) < 0 || buf_append(reply, "}\n", 2) < 0)
		return err_set(err, ERR_NOMEM, "no memory to answer a spec");
	return 0;
}

static int reply_error(const struct trial *trial, const struct err *why, struct buf *reply,
		       struct err *err)
{
	json_t *value = json_string(why->text);
	_cleanup_free_ char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
	_cleanup_free_ char *member = NULL;

	json_decref(value);
	if (!text || asprintf(&member, "\"error\":%s", text) < 0)
		return err_set(err, ERR_NOMEM, "no memory to answer a spec");
	return reply_with(trial, member, strlen(member), reply, err);
}

static json_t *lines_of(const struct buf *text)
{
	json_t *list = json_array();

	for (const char *at = text->bytes; at && *at;) {
		const size_t len = strcspn(at, "\n");
		json_array_append_new(list, json_stringn(at, len));
		at += len + (at[len] == '\n');
	}
	return list;
}

/* Keeps the trial and returns its number; 0 with err filled. */
static size_t keep(struct test_session *session, const json_t *spec, struct err *err)
{
	const char *dir =
	    json_str(spec, "dir") ? json_str(spec, "dir") : session->config->policies.dir;
	const size_t at = session->trial_count;

	if (at == TRIALS_MOST) {
		err_set(err, ERR_FULL,
			"more than %d deployments; deploy once in describe(), not in each it()",
			TRIALS_MOST);
		return 0;
	}
	session->trials[at] = trial_new(session->host, session->config, spec, err);
	if (!session->trials[at])
		return 0;
	session->dirs[at] = dir ? strdup(dir) : NULL;
	return ++session->trial_count;
}

static int deploy(struct test_session *session, const json_t *spec, struct buf *reply,
		  struct err *err)
{
	struct buf mistakes = { 0 };
	struct err why;
	const size_t number = keep(session, spec, &why);
	struct trial *trial = number > 0 ? session->trials[number - 1] : NULL;

	if (trial)
		stir(session, number);
	if (!trial || trial_load(trial, &mistakes, &why) < 0) {
		buf_done(&mistakes);
		return reply_error(trial, &why, reply, err);
	}
	json_t *answer =
	    json_pack("{s:I, s:o}", "id", (json_int_t)number, "mistakes", lines_of(&mistakes));
	_cleanup_free_ char *text = answer ? json_text(answer) : NULL;
	json_decref(answer);
	buf_done(&mistakes);
	if (!text)
		return err_set(err, ERR_NOMEM, "no memory to answer a spec");
	return reply_with(trial, text + 1, strlen(text) - 2, reply, err); /* without its braces */
}

static int ask(struct test_session *session, enum trial_question kind, const char *rest, size_t len,
	       struct buf *reply, struct err *err)
{
	struct buf question = { 0 }, answer = { 0 };
	struct err why;
	char *json = NULL;
	const unsigned long number = strtoul(rest, &json, 10);
	int rc;

	if (number < 1 || number > session->trial_count || *json != ' ')
		return err_set(err, ERR_INVALID, "a spec asks policies that are not deployed");
	struct trial *trial = session->trials[number - 1];
	stir(session, number);
	if (buf_append(&question, json + 1, len - (size_t)(json + 1 - rest)) < 0 ||
	    buf_appendf(&answer, "\"answer\":") < 0)
		rc = err_set(err, ERR_NOMEM, "no memory to ask a policy");
	else if (trial_ask(trial, kind, &question, &answer, &why) < 0)
		rc = reply_error(trial, &why, reply, err);
	else
		rc = reply_with(trial, answer.bytes, answer.len, reply, err);
	buf_done(&question);
	buf_done(&answer);
	return rc;
}

/* ---- lines ---- */

static int hear_told(struct test_session *session, const char *verb, size_t verb_len,
		     const char *json, size_t len, struct buf *reply, struct err *err)
{
	json_t *told = json_parse(json, len, err);
	int rc = 0;

	if (!told)
		return err_prefix(err, "a spec said \"%.*s\"", (int)verb_len, verb);
	if (verb_len == 5 && strncmp(verb, "begin", 5) == 0)
		begin(session, told);
	else if (verb_len == 3 && strncmp(verb, "end", 3) == 0)
		end(session, told);
	else if (verb_len == 4 && strncmp(verb, "done", 4) == 0)
		session->done = true;
	else if (verb_len == 6 && strncmp(verb, "deploy", 6) == 0)
		rc = deploy(session, told, reply, err);
	else
		rc = err_set(err, ERR_INVALID, "a spec said what is nothing to say");
	json_decref(told);
	return rc;
}

int test_session_hear(struct test_session *session, const char *line, size_t len, struct buf *reply,
		      struct err *err)
{
	static const char *const questions[] = {
		[TRIAL_DECIDE] = "decide ",
		[TRIAL_RENDER] = "render ",
		[TRIAL_CALLBACK] = "callback ",
		[TRIAL_RULES] = "rules ",
	};
	const char *space = memchr(line, ' ', len);

	if (!space || memchr(line, '\0', len))
		return err_set(err, ERR_INVALID, "a spec said what is nothing to say");
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		const size_t n = strlen(questions[i]);
		if (len > n && strncmp(line, questions[i], n) == 0)
			return ask(session, (enum trial_question)i, line + n, len - n, reply, err);
	}
	return hear_told(session, line, (size_t)(space - line), space + 1,
			 len - (size_t)(space + 1 - line), reply, err);
}

/* The file that a trial has of its own folder; NULL: it is a shipped one, or the spec's text. */
static const char *own_path(const struct test_session *session, size_t number,
			    enum policy_hook hook)
{
	const char *path = trial_path(session->trials[number], hook), *dir = session->dirs[number];
	const size_t len = dir ? strlen(dir) : 0;

	return path && len > 0 && strncmp(path, dir, len) == 0 && path[len] == '/' ? path : NULL;
}

static void cover(struct test_session *session, struct test_coverage *coverage,
		  enum policy_hook hook)
{
	for (size_t i = 0; i < session->trial_count; i++) {
		const char *path = own_path(session, i, hook);
		if (!path)
			continue;
		test_coverage_add(coverage, path, trial_ran(session->trials[i], hook));
		if (test_coverage_add_decided(coverage, path,
					      trial_decided(session->trials[i], hook)))
			continue;
		stir(session, i + 1);
		json_t *rules = trial_rules(session->trials[i], hook);
		if (rules)
			test_coverage_add_rules(coverage, path, rules);
		json_decref(rules);
	}
}

json_t *test_session_coverage(struct test_session *session, bool all)
{
	struct test_coverage *coverage = test_coverage_new();
	char path[4096];

	if (!coverage)
		return NULL;
	for (size_t hook = 0; hook < BUNDLE_HOOKS; hook++) {
		if (all && session->config->policies.dir) {
			snprintf(path, sizeof(path), "%s/%s", session->config->policies.dir,
				 bundle_hooks[hook]);
			test_coverage_add(coverage, path, NULL);
		}
		cover(session, coverage, (enum policy_hook)hook);
	}
	json_t *told = test_coverage_tell(coverage);
	test_coverage_free(coverage);
	return told;
}
