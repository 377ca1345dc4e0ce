#include "policy/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

#define TIMEOUT_MOST ((double)30 * 24 * 3600 * 1000) /* ms */
#define COMMENT_MOST (1u << 20)			     /* bytes */
#define STATE_MOST 64
#define MISTAKES_MOST 1000

static int bad(struct err *err, const char *what)
{
	return err_set(err, ERR_POLICY, "the policies answered nonsense: %s", what);
}

static json_t *parse(const char *text, size_t len, struct err *err)
{
	json_t *value = json_parse(text, len, err);

	if (value && json_is_object(value))
		return value;
	if (value || err->code != ERR_NOMEM)
		bad(err, value ? "not an object" : "not JSON");
	json_decref(value);
	return NULL;
}

/* A name into out, which it must fit whole.  Absent is "". */
static int take_name(const json_t *object, const char *key, char *out, size_t size, struct err *err)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_str(object, key);

	if (!value || json_is_null(value))
		text = "";
	if (!text || strlen(text) >= size)
		return err_set(err, ERR_POLICY, "the policies answered nonsense: \"%s\"%s", key,
			       text ? " is too long" : " is not a text");
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

/* Text for people: cut where it is too long. */
static int take_text(const json_t *object, const char *key, char *out, size_t size, struct err *err)
{
	const json_t *value = json_object_get(object, key);

	out[0] = '\0';
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return err_set(err, ERR_POLICY, "the policies answered nonsense: \"%s\" is no text",
			       key);
	size_t len;
	_cleanup_free_ char *clean =
	    utf8_repair(json_string_value(value), json_string_length(value), &len);
	if (!clean)
		return err_set(err, ERR_NOMEM, "no memory for an answer");
	len = utf8_clip(clean, len, size - 1);
	memcpy(out, clean, len);
	out[len] = '\0';
	return 0;
}

static int take_action(const json_t *object, enum policy_action *action, struct err *err)
{
	static const char *const names[] = {
		[POLICY_ACCEPT] = "accept",
		[POLICY_IGNORE] = "ignore",
		[POLICY_CANCEL] = "cancel",
		[POLICY_NO_AGENT] = "no_agent",
	};
	const char *name = json_str(object, "action");

	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*action = (enum policy_action)i;
			return 0;
		}
	}
	return bad(err, "no known action");
}

static int take_target(const json_t *target, struct policy_decision *decision, struct err *err)
{
	const size_t count = decision->target_count;
	const json_t *timeout = json_object_get(target, "timeout");

	if (!json_is_object(target))
		return bad(err, "a target is no object");
	if (take_name(target, "agent", decision->targets[count].agent,
		      sizeof(decision->targets[count].agent), err) < 0)
		return -1;
	if (!decision->targets[count].agent[0])
		return bad(err, "a target without an agent");
	for (size_t i = 0; i < count; i++)
		if (strcmp(decision->targets[i].agent, decision->targets[count].agent) == 0)
			return bad(err, "two targets of one agent");
	if (timeout && !json_is_null(timeout)) {
		const double ms = json_number_value(timeout);
		if (!json_is_number(timeout) || !(ms >= 1 && ms <= TIMEOUT_MOST))
			return bad(err, "a timeout that is none");
		decision->targets[count].timeout = (int64_t)ms;
	}
	decision->target_count++;
	return 0;
}

static int take_targets(const json_t *object, struct policy_decision *decision, struct err *err)
{
	const json_t *targets = json_object_get(object, "targets");
	const size_t count = json_array_size(targets);

	if (decision->action != POLICY_ACCEPT)
		return 0;
	if (count == 0)
		return bad(err, "accepted, but for no agent");
	if (count > POLICY_TARGETS)
		return err_set(err, ERR_POLICY, "the policies name %zu agents, at most %d can run",
			       count, POLICY_TARGETS);
	for (size_t i = 0; i < count; i++)
		if (take_target(json_array_get(targets, i), decision, err) < 0)
			return -1;
	return 0;
}

int answer_decide(const char *text, size_t len, struct policy_decision *out, struct err *err)
{
	struct policy_decision decision = { 0 };
	json_t *answer = parse(text, len, err);
	int rc = -1;

	if (!answer)
		return -1;
	if (take_action(answer, &decision.action, err) == 0 &&
	    take_text(answer, "rule", decision.rule, sizeof(decision.rule), err) == 0 &&
	    take_text(answer, "filter_rule", decision.filter_rule, sizeof(decision.filter_rule),
		      err) == 0 &&
	    take_text(answer, "reason", decision.reason, sizeof(decision.reason), err) == 0 &&
	    take_targets(answer, &decision, err) == 0) {
		*out = decision;
		rc = 0;
	}
	json_decref(answer);
	return rc;
}

/*
 * A text of at most `most` bytes, without NUL bytes, owned by the caller; NULL with 0 where the key
 * is absent.
 */
static int take_string(const json_t *object, const char *key, size_t most, char **out,
		       struct err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) || json_string_length(value) > most)
		return err_set(err, ERR_POLICY, "the policies answered nonsense: \"%s\" is %s", key,
			       json_is_string(value) ? "too long" : "not a text");
	*out = utf8_repair(json_string_value(value), json_string_length(value), NULL);
	return *out ? 0 : err_set(err, ERR_NOMEM, "no memory for an answer");
}

static int append(struct buf *out, const char *text, struct err *err)
{
	return buf_append(out, text, strlen(text)) == 0
		   ? 0
		   : err_set(err, ERR_NOMEM, "no memory for an answer");
}

/* The text at `key`, which must not be blank.  1: there is none. */
static int take_rendered(const json_t *answer, const char *key, struct buf *out, struct err *err)
{
	_cleanup_free_ char *words = NULL;

	if (take_string(answer, key, SIZE_MAX, &words, err) < 0)
		return -1;
	if (!words)
		return 1;
	if (strspn(words, " \t\r\n") == strlen(words))
		return bad(err, "an empty prompt");
	return append(out, words, err);
}

int answer_render(const char *text, size_t len, struct buf *prompt, enum policy_rendered *rendered,
		  struct err *err)
{
	json_t *answer = parse(text, len, err);
	enum policy_rendered kind = RENDERED_TEXT;
	int rc = 0;

	if (!answer)
		return -1;
	const char *needs = json_str(answer, "needs");
	const char *forward = json_str(answer, "forward");
	if (needs && strcmp(needs, "issue") == 0) {
		kind = RENDERED_NEEDS_ISSUE;
	} else if (forward && strcmp(forward, "event") == 0) {
		kind = RENDERED_EVENT;
	} else if ((rc = take_rendered(answer, "prompt", prompt, err)) == 1) {
		kind = RENDERED_JSON;
		rc = take_rendered(answer, "json", prompt, err);
		if (rc == 1)
			rc = bad(err, "an empty prompt");
	}
	if (rc == 0)
		*rendered = kind;
	json_decref(answer);
	return rc;
}

int answer_callback(const char *text, size_t len, char **comment, char **state, struct err *err)
{
	json_t *answer = parse(text, len, err);
	_cleanup_free_ char *said = NULL;
	_cleanup_free_ char *set = NULL;
	int rc = -1;

	if (!answer)
		return -1;
	if (take_string(answer, "comment", COMMENT_MOST, &said, err) == 0 &&
	    take_string(answer, "state", STATE_MOST, &set, err) == 0) {
		*comment = said && said[0] ? TAKE_PTR(said) : NULL;
		*state = set && set[0] ? TAKE_PTR(set) : NULL;
		rc = 0;
	}
	json_decref(answer);
	return rc;
}

int answer_rules(const char *text, size_t len, struct buf *out, struct err *err)
{
	json_t *answer = parse(text, len, err);
	_cleanup_free_ char *words = NULL;
	int rc = -1;

	if (answer && take_string(answer, "text", SIZE_MAX, &words, err) == 0)
		rc = words ? append(out, words, err) : bad(err, "no text");
	json_decref(answer);
	return rc;
}

json_t *answer_told(const char *text, size_t len, struct err *err)
{
	json_t *answer = parse(text, len, err);

	if (!answer || json_is_array(json_object_get(answer, "policies")))
		return answer;
	json_decref(answer);
	bad(err, "no list of policies");
	return NULL;
}

int answer_load(const char *text, size_t len, struct buf *mistakes, size_t *count, struct err *err)
{
	json_t *answer = parse(text, len, err);
	struct buf lines = { 0 };
	int rc = -1;

	if (!answer)
		return -1;
	const json_t *list = json_object_get(answer, "mistakes");
	const size_t all = json_array_size(list);
	const size_t most = all < MISTAKES_MOST ? all : MISTAKES_MOST;
	/* Lua has one empty table, which is written {} */
	if (!json_is_array(list) && !(json_is_object(list) && json_object_size(list) == 0)) {
		bad(err, "no list of mistakes");
		goto out;
	}
	for (size_t i = 0; i < most; i++) {
		char line[1024];
		json_t *item = json_pack("{s:O}", "line", json_array_get(list, i));
		rc = take_text(item, "line", line, sizeof(line), err);
		json_decref(item);
		if (rc < 0 || (rc = append(&lines, line, err)) < 0 ||
		    (rc = append(&lines, "\n", err)) < 0)
			goto out;
	}
	rc = lines.len == 0 ? 0 : append(mistakes, lines.bytes, err);
	if (rc == 0)
		*count = all;
out:
	buf_done(&lines);
	json_decref(answer);
	return rc;
}
