#pragma once

/* Configuration and policies, loaded and their mistakes said. */

#include "base/json.h"
#include "command/command.h"
#include "config/config.h"
#include "policy/policy.h"

/*
 * Loads config.lua for a verb that only wants to find the daemon or the queue: mistakes are
 * mentioned, and only a file that cannot be run is refused.  NULL after saying why; *code is then
 * the exit code.
 */
struct config *check_config_for_client(const struct command_line *line, int *code);

/* Logs as config.lua says from now on; --verbose wins. */
void check_log(const struct config *config, const struct command_line *line);

/* Loads config.lua as the daemon needs it and logs as it says; warnings are logged.  NULL after
 * saying every mistake.
 */
struct config *check_config_for_serving(const struct command_line *line);

/* Puts the policies that config names in force; -1 after saying every mistake. */
int check_policies(struct policy_pool *pool, const struct config *config, struct buf *mistakes,
		   struct err *err);
