#pragma once

/* A bundle within this layer: what is read from files, and what a spec changes in it. */

#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

enum policy_hook { HOOK_FILTER, HOOK_ROUTE, HOOK_RENDER, HOOK_CALLBACK };
#define BUNDLE_HOOKS 4
extern const char *const bundle_hooks[BUNDLE_HOOKS]; /* "filter.lua", ... */

#define BUNDLE_FILES 256	    /* templates, at most */
#define BUNDLE_FILE_MOST (1u << 20) /* bytes of one file */
#define BUNDLE_MOST (16u << 20)	    /* bytes of all */

/* What a spec puts in place of the deployment's own; each member may be NULL.  Borrowed. */
struct bundle_changes {
	const char *policies_dir;	    /* instead of policies.dir */
	const json_t *policies, *templates; /* texts by name: "filter.lua", "default.txt" */
	const json_t *agents, *labels;	    /* as openpr.worker's load takes them */
};

/* policy_bundle_load() with changes, for a worker that tells which lines ran. */
int bundle_on_trial(const struct config *config, const struct bundle_changes *changes,
		    struct policy_bundle **bundle, struct err *err);

int bundle_fd(const struct policy_bundle *bundle); /* borrowed */
int64_t bundle_time_limit(const struct policy_bundle *bundle);

/* Shared by count, from any thread; policy_bundle_free() gives one back. */
struct policy_bundle *bundle_ref(struct policy_bundle *bundle);
