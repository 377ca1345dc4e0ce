#pragma once

/* Events made up for `send`, in the shapes that OpenPR sends (lua/openpr/example.lua has them). */

#include "base/buf.h"
#include "config/config.h"

/*
 * Appends the event `name` as indented JSON, with ids and a time of its own, about an issue that no
 * OpenPR knows; its bot is called as an agent of the config, so that the shipped route finds it.
 * -1: ERR_NOTFOUND, there is no such example, and the text lists them.
 */
int example_make(const struct config *config, const char *name, struct buf *out, struct err *err);
