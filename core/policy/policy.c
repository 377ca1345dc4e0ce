#include "policy/policy.h"

#include "policy/answer.h"
#include "policy/pool.h"
#include "policy/question.h"

#define PATIENCE 30000 /* ms for a free worker, where nobody waits for an HTTP answer */

/* One question about an event, from words to words. */
static int ask(struct policy_pool *pool, enum frame_kind kind, const struct policy_event *event,
	       const char *agent, const json_t *run, int64_t patience, struct buf *answer,
	       struct err *err)
{
	struct buf question = { 0 };
	int rc = question_write(&question, event, agent, run, err);

	if (rc == 0)
		rc = pool_ask(pool, kind, &question, patience, answer, err);
	buf_done(&question);
	return rc;
}

int policy_decide(struct policy_pool *pool, const struct policy_event *event, int64_t patience,
		  struct policy_decision *decision, struct err *err)
{
	struct buf answer = { 0 };
	int rc = ask(pool, FRAME_DECIDE, event, NULL, NULL, patience, &answer, err);

	if (rc == 0)
		rc = answer_decide(answer.bytes, answer.len, decision, err);
	buf_done(&answer);
	return rc;
}

json_t *policy_explain(struct policy_pool *pool, const struct policy_event *event, struct err *err)
{
	struct buf answer = { 0 };
	json_t *told = NULL;

	if (ask(pool, FRAME_EXPLAIN, event, NULL, NULL, PATIENCE, &answer, err) == 0)
		told = answer_told(answer.bytes, answer.len, err);
	buf_done(&answer);
	return told;
}

int policy_render(struct policy_pool *pool, const struct policy_event *event, const char *agent,
		  struct buf *prompt, enum policy_rendered *rendered, struct err *err)
{
	struct buf answer = { 0 };
	int rc = ask(pool, FRAME_RENDER, event, agent, NULL, PATIENCE, &answer, err);

	if (rc == 0)
		rc = answer_render(answer.bytes, answer.len, prompt, rendered, err);
	buf_done(&answer);
	return rc;
}

int policy_handle(struct policy_pool *pool, const struct policy_event *event, const char *agent,
		  json_t **actions, struct err *err)
{
	struct buf answer = { 0 };
	int rc = ask(pool, FRAME_HANDLE, event, agent, NULL, PATIENCE, &answer, err);

	if (rc == 0)
		rc = answer_handle(answer.bytes, answer.len, actions, err);
	buf_done(&answer);
	return rc;
}

int policy_callback(struct policy_pool *pool, const struct policy_event *event, const json_t *run,
		    const char *agent, char **comment, char **state, struct err *err)
{
	struct buf answer = { 0 };
	int rc = ask(pool, FRAME_CALLBACK, event, agent, run, PATIENCE, &answer, err);

	if (rc == 0)
		rc = answer_callback(answer.bytes, answer.len, comment, state, err);
	buf_done(&answer);
	return rc;
}

static int ask_rules(struct policy_pool *pool, struct buf *answer, struct err *err)
{
	const struct buf question = { .bytes = (char *)"{}", .len = 2 };

	return pool_ask(pool, FRAME_RULES, &question, PATIENCE, answer, err);
}

int policy_rules(struct policy_pool *pool, struct buf *out, struct err *err)
{
	struct buf answer = { 0 };
	int rc = ask_rules(pool, &answer, err);

	if (rc == 0)
		rc = answer_rules(answer.bytes, answer.len, out, err);
	buf_done(&answer);
	return rc;
}

json_t *policy_rule_list(struct policy_pool *pool, struct err *err)
{
	struct buf answer = { 0 };
	json_t *told = NULL;

	if (ask_rules(pool, &answer, err) == 0)
		told = answer_told(answer.bytes, answer.len, err);
	buf_done(&answer);
	json_object_del(told, "text");
	return told;
}
