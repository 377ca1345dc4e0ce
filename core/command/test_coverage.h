#pragma once

/* Which lines of which files ran, against which can. */

#include <stdbool.h>

#include "base/json.h"
#include "base/lines.h"

struct test_coverage;

struct test_coverage *test_coverage_new(void); /* NULL when memory is short */
void test_coverage_free(struct test_coverage *coverage);

/* Lines that ran of a file; NULL: none.  Nothing when there is no such file. */
void test_coverage_add(struct test_coverage *coverage, const char *path, const struct lines *ran);

/* Notes rules, keys of `decided`, that have decided.  False: the file's rules are not known yet. */
bool test_coverage_add_decided(struct test_coverage *coverage, const char *path,
			       const json_t *decided);

/* {name: whether it has decided} of a file that was added; rules are borrowed. */
void test_coverage_add_rules(struct test_coverage *coverage, const char *path, const json_t *rules);

/* A path as people read it: relative where the file is below the working directory.  Borrowed. */
const char *test_coverage_shown(const char *path);

/* As test_session_coverage().  The caller owns it; NULL when memory is short. */
json_t *test_coverage_tell(const struct test_coverage *coverage);

/* Of all files together, in tenths of a percent, rounded down; 1000 when there is nothing to run.
 */
long test_coverage_total(const json_t *told);
