#pragma once

/* A folder with four policies and two templates, and a config that names it: what these tests
 * share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/cage.h"
#include "policy/policy.h"

/* ms; a sanitizer's build is ten times slower than the real one */
#define TEST_LIMIT (cage_is_real() ? 50 : 100)

struct place {
	char folder[64], policies[96], templates[96], share[96];
	struct config_agent agents[2];
	struct config config;
};

static inline void place_write(const struct place *place, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", place->folder, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static inline void place_make(struct place *place)
{
	memset(place, 0, sizeof(*place));
	strcpy(place->folder, "/tmp/opw-policy-test-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->policies, sizeof(place->policies), "%s/policies", place->folder);
	snprintf(place->templates, sizeof(place->templates), "%s/templates", place->folder);
	snprintf(place->share, sizeof(place->share), "%s/share", place->folder);
	mkdir(place->policies, 0700);
	mkdir(place->templates, 0700);
	mkdir(place->share, 0700);

	place_write(place, "policies/filter.lua", "return function() return accept end\n");
	place_write(place, "policies/route.lua", "return function() return to \"one\" end\n");
	place_write(place, "policies/render.lua", "return function() return \"do it\" end\n");
	place_write(place, "policies/callback.lua", "return function() return nil end\n");
	place_write(place, "templates/default.txt", "Work on {{issue_key}}.\n");
	place_write(place, "templates/mention.txt", "Answer on {{issue_key}}.\n");

	static const char *const names[] = { "one", "two" };
	for (size_t i = 0; i < 2; i++)
		place->agents[i] = (struct config_agent){
			.name = (char *)names[i],
			.type = (char *)"cli",
			.cli = (char *)"codex",
			.prompt_template = (char *)"default.txt",
			.mention_template = (char *)"mention.txt",
			.timeout = 900000,
		};
	place->config.agents = place->agents;
	place->config.agent_count = 2;
	place->config.policies.dir = place->policies;
	place->config.policies.time_limit = TEST_LIMIT;
	place->config.policies.memory_limit = 16u << 20;
	place->config.templates_dir = place->templates;
	place->config.share_dir = place->share;
}

static inline int place_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void place_remove(const struct place *place)
{
	nftw(place->folder, place_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct policy_bundle *place_bundle(const struct place *place)
{
	struct policy_bundle *bundle = NULL;
	struct err err;

	if (policy_bundle_load(&place->config, &bundle, &err) < 0)
		fail_msg("%s", err.text);
	return bundle;
}

/* Puts what lies there now in force. */
static inline void place_use(const struct place *place, struct policy_pool *pool)
{
	struct buf mistakes = { 0 };
	struct err err;

	if (policy_pool_use(pool, place_bundle(place), &mistakes, &err) < 0)
		fail_msg("%s: %s", err.text, mistakes.bytes ? mistakes.bytes : "");
	buf_done(&mistakes);
}

/* A signed event's body with this event name; a policy tells by it what to do. */
static inline struct policy_event test_event(char *body, size_t size, const char *name)
{
	snprintf(body, size,
		 "{\"event\":\"%s\",\"id\":\"e1\",\"actor\":{\"name\":\"Ada\"},"
		 "\"data\":{\"issue\":{\"id\":\"i1\",\"key\":\"WEB-1\",\"title\":\"It breaks\"}},"
		 "\"bot_context\":{\"bot_name\":\"one\",\"is_bot_task\":true}}",
		 name);
	return (
	    struct policy_event){ .body = body, .body_len = strlen(body), .now = 1700000000123 };
}
