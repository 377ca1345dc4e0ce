#pragma once

/*
 * Reads a file of any size, which may still grow, in pieces that may be printed: secrets replaced,
 * also those that lie across two pieces, and characters whole.  In bounded memory.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct follow;

/* From the beginning.  NULL: ERR_NOTFOUND when there is no such file, ERR_IO; no link is followed.
 */
struct follow *follow_open(const char *path, struct err *err);
void follow_free(struct follow *follow); /* accepts NULL */

/*
 * Appends what has come since, about 64 KiB at most.  `ended`: the file was complete before this
 * call.  1: there was something; 0: nothing now, and with `ended` nothing ever; -1: cannot be read.
 */
int follow_read(struct follow *follow, bool ended, struct buf *out, struct err *err);
