#pragma once

/*
 * The gates of `features`, for every way by which an event can come to an agent: asked when an
 * event is decided, when its task is prepared, once more right before it is started, and by the
 * verbs.
 */

#include "config/config.h"

/* The gate that agents of this type need and that is off: "cli_executor", ...  NULL: none.  Static.
 */
const char *gate_closed(const struct config *config, const struct config_agent *agent);
