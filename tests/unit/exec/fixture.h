#pragma once

/*
 * Real runs for tests: a folder with a working directory, state beside it, the stand-in CLIs, and a
 * mark in the agent's environment by which everything of a run can be found in /proc.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "exec/run.h"

struct fixture {
	char folder[64], work[128], log[128], lock[128], tmp[128];
	char mark[64]; /* "RUN_MARK=..." */
	struct config_pair env[4];
	size_t env_count;
	char search_path[4096];
	struct run_spec spec; /* ready to be changed and started */
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Adds a variable to the agent's environment; the strings must outlive the run. */
void fixture_env(struct fixture *fixture, char *name, char *value);
void fixture_prompt(struct fixture *fixture, const char *prompt);

struct run *fixture_start(struct fixture *fixture);
/* Reads until the end, at most `seconds`; fails the test when it does not come.  Frees the run. */
void fixture_finish(struct run *run, int seconds, struct run_result *result);
/* Both. */
void fixture_run(struct fixture *fixture, struct run_result *result);

/* A file of the working directory as text, or NULL; the caller frees. */
char *fixture_read(const struct fixture *fixture, const char *name);
/* Any file. */
char *fixture_read_path(const char *path, size_t *len);
/* Waits until a file of the working directory is there, at most `seconds`. */
bool fixture_wait_for(const struct fixture *fixture, const char *name, int seconds);

/* How many processes carry the mark. */
int fixture_survivors(const struct fixture *fixture);
/* The same, after giving them up to `seconds` to go. */
int fixture_survivors_after(const struct fixture *fixture, int seconds);
bool fixture_lock_is_free(const struct fixture *fixture);

/* First in main(): runs the runner when this process was started as one. */
void fixture_be_runner(int argc, char **argv);
