#pragma once

/* Tables and pages for people, of the JSON that machines get. */

#include <stdbool.h>

#include "base/json.h"

/* JSON text and a newline on standard output; returns an exit code. */
int print_json(const json_t *value);

struct print_column {
	const char *title, *path; /* where in each row */
	bool word;		  /* of a state or the like: has a colour on a terminal */
};

/* Left-aligned columns as wide as their widest value; `none` is said instead of an empty table. */
void print_table(const json_t *rows, const struct print_column *columns, size_t count,
		 const char *none);

/* `name: value` lines of an object; nested objects are indented, long texts stand below their name.
 */
void print_page(const json_t *object);
