#pragma once

/*
 * Reads what a worker answers.  Strict: a policy is a stranger's program, so anything that is not
 * exactly an answer is ERR_POLICY, and outputs are untouched then.
 */

#include "policy/policy.h"

int answer_decide(const char *text, size_t len, struct policy_decision *decision, struct err *err);

/* Appends to prompt what there is of text. */
int answer_render(const char *text, size_t len, struct buf *prompt, enum policy_rendered *rendered,
		  struct err *err);

/* policy_handle() says what they are; *actions NULL: the issue is needed. */
int answer_handle(const char *text, size_t len, json_t **actions, struct err *err);

/* Both are owned by the caller, NULL where nothing is to be said. */
int answer_callback(const char *text, size_t len, char **comment, char **state, struct err *err);

int answer_rules(const char *text, size_t len, struct buf *out, struct err *err);

/* What is shown to people and machines: an object with a list of `policies`, NULL when it is not.
 */
json_t *answer_told(const char *text, size_t len, struct err *err);

/* Appends each mistake as a line, and counts them. */
int answer_load(const char *text, size_t len, struct buf *mistakes, size_t *count, struct err *err);
