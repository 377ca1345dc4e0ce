#pragma once

/*
 * A run's spec on its way to the runner: a sealed memory file of a JSON head, the environment
 * (NUL-ended strings, any bytes) and the prompt.  Neither ever is in an argument, in the runner's
 * environment or on disk.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "exec/run.h"
#include "exec/strings.h"

/* The descriptor of the file, which the caller owns, or -1. */
int spec_write(const struct run_spec *spec, const struct strings *environment, const char *tmp_dir,
	       struct err *err);

struct spec {
	json_t *head; /* owns the strings below */
	const char *run_id, *executor, *search_path, *working_dir, *model, *log_path, *lock_path,
	    *tmp_dir, *mcp_url;
	bool full, trust_repository;
	int64_t timeout;
	size_t max_output;
	struct strings arguments, environment;
	const char *prompt; /* inside map */
	size_t prompt_len;
	void *map;
	size_t map_len;
};

/* Reads what spec_write() made.  On 0, spec_done(). */
int spec_read(int file, struct spec *spec, struct err *err);
void spec_done(struct spec *spec);
