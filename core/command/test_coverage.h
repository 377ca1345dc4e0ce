#pragma once

/* Which lines of which files ran, against which can. */

#include "base/json.h"
#include "base/lines.h"

struct test_coverage;

struct test_coverage *test_coverage_new(void); /* NULL when memory is short */
void test_coverage_free(struct test_coverage *coverage);

/* Lines that ran of a file; NULL: none.  Nothing when there is no such file. */
void test_coverage_add(struct test_coverage *coverage, const char *path, const struct lines *ran);

/* A path as people read it: relative where the file is below the working directory.  Borrowed. */
const char *test_coverage_shown(const char *path);

/* As test_session_coverage().  The caller owns it; NULL when memory is short. */
json_t *test_coverage_tell(const struct test_coverage *coverage);

/* Of all files together, in tenths of a percent, rounded down; 1000 when there is nothing to run.
 */
long test_coverage_total(const json_t *told);
