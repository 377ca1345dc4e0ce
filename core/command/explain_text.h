#pragma once

/* What explain() tells, for people, on standard output. */

#include "base/json.h"

void explain_text(const json_t *result);

/* The rules that were tried: explain_text()'s part of its own. */
void explain_rules(const json_t *result);

#define EXPLAIN_MARGIN "          " /* below the words at the left: ten columns */

/* "filter    ": begins a part of the page. */
void explain_head(const char *word);
