#pragma once

/*
 * config.lua and policies in this process alone, for the verbs that ask them and start, send and
 * store nothing: no daemon is needed, and one that runs notices nothing.
 */

#include "base/json.h"
#include "command/command.h"
#include "config/config.h"
#include "policy/policy.h"
#include "store/store.h"

struct dry {
	struct config *config;
	struct policy_pool *pool; /* the policies are in force in it */
	json_t *warnings;	  /* secrets that are not set here: an array of strings */
	json_t *files;		  /* where each policy was found */
	json_t *log;		  /* what policies logged, as they did it: an array of strings */
	struct policy_host *host;
};

/*
 * With line->policies in the place of policies.dir.  0, or an exit code after saying every mistake;
 * dry_close() in either case.
 */
int dry_open(const struct command_line *line, struct dry *dry);
void dry_close(struct dry *dry);

/* The queue of this configuration for reading, or NULL with err filled; store_close(). */
struct store *dry_queue(const struct dry *dry, struct err *err);
