#pragma once

/* Files that a verb is given by name. */

#include "base/buf.h"
#include "base/err.h"

/* Appends all of it; "-" is standard input.  More than 256 MiB are refused. */
int input_read(const char *path, struct buf *bytes, struct err *err);
