#pragma once

/* What the daemon makes of a runner's words: nothing leaves without redaction and repair. */

#include "base/json.h"
#include "exec/run.h"

void run_result_init(struct run_result *result);

/* Reads the object of an "end" frame.  -1 when it is not one; result is untouched then. */
int run_result_read(struct run_result *result, const json_t *end);

/* A redacted, valid copy, at most `most` bytes from the start (0: all).  NULL: no memory. */
char *run_result_text(const char *text, size_t len, size_t most);

/* The end of a log whose runner died, redacted; NULL when there is none. */
char *run_result_tail(const char *log_path);
