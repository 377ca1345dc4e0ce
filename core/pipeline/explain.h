#pragma once

/*
 * Why an event is decided as it is, and what would follow, told instead of done: by the code that
 * decides, renders, runs and reports.  Nothing is stored, started, sent or made, nobody is asked.
 */

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "policy/policy.h"

struct explain {
	const void *body; /* as OpenPR sends it */
	size_t body_len;
	const char *completion; /* JSON {"issue": {...}} as OpenPR would tell it, or NULL */
	int64_t now; /* wall ms that the event comes at; 0: its own timestamp, else now */
	bool stored; /* it was taken once: its age says nothing */
};

/*
 * An object, json_decref(): docs/operating.md has its fields.  Secrets that redact_add() knows are
 * replaced in every text; texts of the event may hold anything else.  NULL with err filled when the
 * body is no event (ERR_INVALID), when policies cannot be asked at all, or memory is short; a
 * policy that fails is part of the answer.
 */
json_t *explain(const struct config *config, struct policy_pool *pool, const struct explain *asked,
		struct err *err);
