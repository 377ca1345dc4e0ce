#pragma once

/* Numbers as serde_json writes them.  Private to canonical.c and its parser. */

#include <stddef.h>

#include "base/err.h"

#define CANONICAL_NUMBER_SIZE 48

/*
 * The canonical text of a JSON number (its grammar already checked).  ERR_INVALID beyond a double,
 * ERR_NOMEM.
 */
int canonical_number(const char *text, size_t len, char out[CANONICAL_NUMBER_SIZE],
		     struct err *err);
