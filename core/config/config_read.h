#pragma once

/* From what lua/openpr/config_loader.lua returns to struct config. */

#include "base/json.h"
#include "config/config.h"

/*
 * A new config from the loader's `config` object; what is missing there, because it was mistaken,
 * is NULL or 0.  NULL with ERR_NOMEM.  Free with config_unref().
 */
struct config *config_read(const json_t *from, struct err *err);

/* Wipes and frees every field, and config itself. */
void config_read_free(struct config *config);
