#include "policy/trial.h"

#include <stdlib.h>
#include <string.h>

#include "policy/answer.h"
#include "policy/pool.h"

#define PATIENCE 20000 /* ms until a worker that was killed is replaced */

struct trial {
	struct policy_host *host;
	struct policy_bundle *bundle;
	struct policy_pool *pool; /* of one worker; NULL while it rests */
	bool is_loaded;
	json_t *log;
	struct lines ran[BUNDLE_HOOKS];
	json_t *decided[HOOK_ROUTE + 1]; /* names of rules, as keys */
};

struct trial *trial_new(struct policy_host *host, const struct config *config, const json_t *spec,
			struct err *err)
{
	const struct bundle_changes changes = {
		.policies_dir = json_str(spec, "dir"),
		.policies = json_object_get(spec, "policies"),
		.templates = json_object_get(spec, "templates"),
		.agents = json_object_get(spec, "agents"),
		.labels = json_object_get(spec, "labels"),
	};
	struct trial *trial = calloc(1, sizeof(*trial));

	if (trial) {
		trial->log = json_array();
		trial->decided[HOOK_FILTER] = json_object();
		trial->decided[HOOK_ROUTE] = json_object();
	}
	if (!trial || !trial->log || !trial->decided[HOOK_FILTER] || !trial->decided[HOOK_ROUTE]) {
		trial_free(trial);
		err_set(err, ERR_NOMEM, "no memory for policies on trial");
		return NULL;
	}
	trial->host = host;
	if (bundle_on_trial(config, &changes, &trial->bundle, err) == 0)
		return trial;
	trial_free(trial);
	return NULL;
}

void trial_free(struct trial *trial)
{
	if (!trial)
		return;
	trial_rest(trial);
	policy_bundle_free(trial->bundle);
	json_decref(trial->log);
	json_decref(trial->decided[HOOK_FILTER]);
	json_decref(trial->decided[HOOK_ROUTE]);
	for (size_t i = 0; i < BUNDLE_HOOKS; i++)
		lines_done(&trial->ran[i]);
	free(trial);
}

void trial_rest(struct trial *trial)
{
	policy_pool_free(trial->pool);
	trial->pool = NULL;
}

static void hear_log(void *ctx, enum log_level level, const char *text)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	const struct trial *trial = ctx;

	json_array_append_new(trial->log, json_sprintf("%s %s", names[level], text));
}

static void hear_lines(void *ctx, enum policy_hook hook, const char *bits, size_t len)
{
	struct trial *trial = ctx;

	lines_merge(&trial->ran[hook], bits, len); /* short of memory: a line less */
}

/* A pool whose worker has loaded the bundle. */
static int wake(struct trial *trial, struct buf *mistakes, struct err *err)
{
	const struct peer_ears ears = { .log = hear_log, .lines = hear_lines, .ctx = trial };
	struct policy_bundle *bundle = bundle_ref(trial->bundle);

	trial->pool = policy_pool_new(trial->host, 1, err);
	if (trial->pool) {
		pool_on_trial(trial->pool, &ears);
		if (policy_pool_use(trial->pool, bundle, mistakes, err) == 0)
			return 0;
	}
	policy_bundle_free(bundle);
	trial_rest(trial);
	return -1;
}

int trial_load(struct trial *trial, struct buf *mistakes, struct err *err)
{
	json_array_clear(trial->log);
	trial->is_loaded = wake(trial, mistakes, err) == 0;
	return trial->is_loaded || err->code == ERR_CONFIG ? 0 : -1;
}

/* A filter that lets an event pass has asked route, whose rule is the answer's then. */
static void note_rules(struct trial *trial, const struct policy_decision *decision)
{
	const bool passed = decision->action == POLICY_ACCEPT ||
			    decision->action == POLICY_NO_AGENT ||
			    strcmp(decision->rule, decision->filter_rule) != 0;

	json_object_set_new(trial->decided[HOOK_FILTER], decision->filter_rule, json_true());
	if (passed)
		json_object_set_new(trial->decided[HOOK_ROUTE], decision->rule, json_true());
}

/* What the daemon would make of the answer. */
static int check(struct trial *trial, enum trial_question kind, const struct buf *answer,
		 struct err *err)
{
	struct policy_decision decision;
	struct buf text = { 0 };
	char *comment = NULL, *state = NULL;
	enum policy_rendered rendered = RENDERED_TEXT;
	int rc;

	switch (kind) {
	case TRIAL_DECIDE:
		rc = answer_decide(answer->bytes, answer->len, &decision, err);
		if (rc == 0)
			note_rules(trial, &decision);
		break;
	case TRIAL_RENDER:
		rc = answer_render(answer->bytes, answer->len, &text, &rendered, err);
		break;
	case TRIAL_CALLBACK:
		rc = answer_callback(answer->bytes, answer->len, &comment, &state, err);
		break;
	default:
		rc = answer_rules(answer->bytes, answer->len, &text, err);
		break;
	}
	buf_done(&text);
	free(comment);
	free(state);
	if (rc == 0 && memchr(answer->bytes, '\n', answer->len))
		return err_set(err, ERR_POLICY, "the policy worker sent what is no answer");
	return rc;
}

int trial_ask(struct trial *trial, enum trial_question kind, const struct buf *question,
	      struct buf *answer, struct err *err)
{
	static const enum frame_kind frames[] = {
		[TRIAL_DECIDE] = FRAME_DECIDE,
		[TRIAL_RENDER] = FRAME_RENDER,
		[TRIAL_CALLBACK] = FRAME_CALLBACK,
		[TRIAL_RULES] = FRAME_RULES,
	};
	struct buf mistakes = { 0 }, said = { 0 };
	int rc = 0;

	json_array_clear(trial->log);
	if (!trial->is_loaded)
		return err_set(err, ERR_CONFLICT, "no policies are loaded");
	if (question->len > PROTOCOL_MOST)
		return err_set(err, ERR_POLICY, "the event is too large for a policy");
	if (!trial->pool)
		rc = wake(trial, &mistakes, err);
	if (rc == 0)
		rc = pool_ask(trial->pool, frames[kind], question, PATIENCE, &said, err);
	if (rc == 0)
		rc = check(trial, kind, &said, err);
	if (rc == 0 && buf_append(answer, said.bytes, said.len) < 0)
		rc = err_set(err, ERR_NOMEM, "no memory for the answer of a policy");
	buf_done(&mistakes);
	buf_done(&said);
	return rc;
}

const json_t *trial_decided(const struct trial *trial, enum policy_hook hook)
{
	return hook <= HOOK_ROUTE ? trial->decided[hook] : NULL;
}

json_t *trial_rules(struct trial *trial, enum policy_hook hook)
{
	const struct buf question = { .bytes = (char *)"{}", .len = 2 };
	struct buf answer = { 0 };
	struct err err;
	json_t *told = NULL, *rules = NULL;

	if (hook <= HOOK_ROUTE && trial_ask(trial, TRIAL_RULES, &question, &answer, &err) == 0)
		told = json_parse(answer.bytes, answer.len, &err);
	buf_done(&answer);
	const json_t *list =
	    json_at(json_array_get(json_object_get(told, "policies"), (size_t)hook), "rules");
	if (json_array_size(list) > 0)
		rules = json_object();
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_str(json_array_get(list, i), "name");
		if (name)
			json_object_set_new(
			    rules, name,
			    json_boolean(json_object_get(trial->decided[hook], name) != NULL));
	}
	json_decref(told);
	return rules;
}

const json_t *trial_log(const struct trial *trial)
{
	return trial->log;
}

const struct lines *trial_ran(const struct trial *trial, enum policy_hook hook)
{
	return &trial->ran[hook];
}

const char *trial_path(const struct trial *trial, enum policy_hook hook)
{
	char key[32];

	snprintf(key, sizeof(key), "policies/%s", bundle_hooks[hook]);
	return json_string_value(json_object_get(policy_bundle_files(trial->bundle), key));
}
