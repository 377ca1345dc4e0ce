#pragma once

/*
 * What a custom agent does for one task: the actions that its handler returned (policy_handle()),
 * how many of them are done, and what came of them.  Kept in the queue as JSON text, so that after
 * a crash what was done is not done again.  A plan is a json_t, json_decref() it.
 */

#include "config/config.h"
#include "exec/run.h"

/* Takes the actions; NULL: no memory. */
json_t *plan_new(json_t *actions);
/* What store_plan() was given.  NULL with err filled when it is none of ours. */
json_t *plan_read(const char *text, struct err *err);

/*
 * The whitelist's word on what is left of it, and the agent's configuration's: ERR_INVALID names
 * the action that may not be done, or cannot be.
 */
int plan_check(const json_t *plan, const struct config_agent *agent, struct err *err);

/* The action that is to be done next, borrowed; NULL when only words are left. */
const json_t *plan_next(const json_t *plan);
/* Its number among all, from 1, and how many there are. */
size_t plan_number(const json_t *plan);
size_t plan_count(const json_t *plan);
bool plan_has_run(const json_t *plan);

/* That one is done.  What it said stands for the whole, a program's word before a server's. */
int plan_did(json_t *plan, const struct run_result *result);
/* Fills what came of all of it. */
void plan_result(const json_t *plan, struct run_result *result);

/* The report of success that stands in it, borrowed; both NULL: the callback policy is asked. */
void plan_words(const json_t *plan, const char **comment, const char **state);
