#pragma once

/* What only the machine can tell about a config: folders and limits. */

#include "base/json.h"
#include "config/config.h"

/*
 * Appends texts ("agents.x.working_dir: /srv/x does not exist") to the arrays `mistakes` and
 * `warnings`.  report is what the loader returned; client as unset_env_is_warning.
 */
void config_check(const struct config *config, const json_t *report, bool client, json_t *mistakes,
		  json_t *warnings);
