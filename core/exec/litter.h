#pragma once

/* Empty folders that a stopped CLI leaves in the working directory and in /tmp. */

#include "exec/whitelist.h"

/* Which of them are not there yet, as bits for litter_remove(). */
unsigned litter_look(const struct executor *executor, const char *working_dir);

/* Removes those that were not there before, if they are empty. */
void litter_remove(const struct executor *executor, const char *working_dir, unsigned missing);
