#pragma once

/* A pool of two workers over a folder of policies: what the tests of pool and attacks share. */

#include "policy_test.h"

/* ms; far more than any call takes, so that a busy machine is no failure */
#define PATIENCE 60000

struct fixture {
	struct place place;
	struct policy_host *host;
	struct policy_pool *pool;
};

static inline int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;

	fixture->host = policy_host_start(&err);
	if (!fixture->host)
		fail_msg("%s", err.text);
	fixture->pool = policy_pool_new(fixture->host, 2, &err);
	assert_non_null(fixture->pool);
	place_make(&fixture->place);
	*state = fixture;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	policy_pool_free(fixture->pool);
	policy_host_free(fixture->host);
	place_remove(&fixture->place);
	free(fixture);
	return 0;
}

/* A filter that does this for events named "boom" and accepts all others. */
static inline void use_filter(const struct fixture *fixture, const char *body)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "return function(event)\n  if event.name ~= \"boom\" then return accept end\n"
		 "  do %s end\n  return accept\nend\n",
		 body);
	place_write(&fixture->place, "policies/filter.lua", text);
	place_use(&fixture->place, fixture->pool);
}

static inline int decide(struct policy_pool *pool, const char *name, int64_t patience,
			 struct policy_decision *decision, struct err *err)
{
	char body[1024];
	const struct policy_event event = test_event(body, sizeof(body), name);

	return policy_decide(pool, &event, patience, decision, err);
}

static inline void works(const struct fixture *fixture)
{
	struct policy_decision decision;
	struct err err;

	if (decide(fixture->pool, "calm", PATIENCE, &decision, &err) < 0)
		fail_msg("the next call failed: %s", err.text);
	assert_int_equal(decision.action, POLICY_ACCEPT);
	assert_string_equal(decision.targets[0].agent, "one");
}

static inline struct err boom(const struct fixture *fixture)
{
	struct policy_decision decision;
	struct err err = { 0 };

	if (decide(fixture->pool, "boom", PATIENCE, &decision, &err) == 0)
		err.code = 0;
	return err;
}
