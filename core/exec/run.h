#pragma once

/*
 * One run of an executor, seen from the daemon: a runner process (this binary in runner mode) that
 * owns the agent's whole process tree, its deadline, its output and its lock.  See exec/runner.h
 * for the other side.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "base/outcome.h"
#include "config/config.h"
#include "exec/whitelist.h"

struct run;

struct run_spec {
	const char *run_id;
	const char *executor;	 /* a name of the whitelist */
	const char *search_path; /* executor.path */
	const char *working_dir;
	const char *model; /* NULL: default */
	enum config_permissions permissions;
	bool trust_repository;
	const char *const *arguments; /* behind the executor's own; exec/permit.h says which */
	size_t argument_count;
	const struct config_pair *env; /* added to the allow-list */
	size_t env_count;
	/* OpenPR's MCP server, which the CLI is given; NULL: none.  The token reaches it by its
	 * environment alone. */
	const char *mcp_url, *mcp_token;
	const char *prompt;
	size_t prompt_len;
	int64_t timeout;       /* ms */
	const char *log_path;  /* made 0600 */
	size_t max_output;     /* bytes of the log: head and tail are kept, the cut is said */
	const char *lock_path; /* flock held until nothing of the run is left */
};

/* How a run ended.  Owned strings; run_result_done(). */
struct run_result {
	enum outcome outcome; /* SUCCESS, FAILURE, TIMEOUT, CANCELLED (we stopped it), INTERRUPTED
				 (we were dying) */
	int exit_code;	      /* -1: none */
	int signal;	      /* 0: none */
	int64_t duration;     /* ms */
	/* Redacted, valid UTF-8; NULL where there is none.  cause: one line, at most 2000 bytes.
	 * final_text: 64 KiB.  tail: the last 8 KiB of the conversation as people read it and of
	 * stderr; of the raw output where the stream was not understood. */
	char *cause, *final_text, *tail, *session_id;
	int64_t input_tokens, output_tokens; /* -1: not told */
	double cost_usd;		     /* < 0: not told */
	bool truncated;
};
void run_result_done(struct run_result *result);

/* Starts the runner, which starts the agent.  NULL with err filled when it cannot even be tried. */
struct run *run_start(const struct run_spec *spec, struct err *err);

/*
 * What run_start() would start, by the same code, and no process, file or folder is made:
 *   {"program": path or null, "argv": [...], "environment": [names], "stdin": the prompt as it goes
 *   in, "working_dir", "tmp_dir", "log", "timeout": ms, "problems": [why it would not start]}
 * json_decref(); NULL with err filled.
 */
json_t *run_plan(const struct run_spec *spec, struct err *err);

/* Readable when the runner has something to say; for poll(). */
int run_fd(const struct run *run);

enum run_news { RUN_NOTHING, RUN_SESSION, RUN_ENDED };
/*
 * Reads what the runner said; never blocks.  RUN_SESSION: *session_id is borrowed until the next
 * call.  RUN_ENDED: *result is filled (a runner that died by itself is a FAILURE with that cause,
 * and what it left behind is killed first); free the run then.
 */
enum run_news run_read(struct run *run, const char **session_id, struct run_result *result);

enum run_stop { RUN_STOP_CANCEL, RUN_STOP_INTERRUPT };
/* Asks for the end: the executor's stop signal, 5 s, KILL, until nothing is left. */
void run_stop(struct run *run, enum run_stop why);

/*
 * When run_read() must be called although run_fd() is silent, in monotonic ms.  Behind it the
 * runner has missed its own deadline (an agent of the same user can stop it), and run_read() kills
 * it and what it left.
 */
int64_t run_deadline(const struct run *run);

void run_free(struct run *run); /* accepts NULL; kills without grace what still runs */

/* Makes the calling process adopt what dead runners leave and unreadable in /proc
 * (PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE 0). Once, early in main. */
int run_setup(struct err *err);

/*
 * Children of this process that are no run's leftovers (the policy zygote).  When a runner has died
 * by itself, every other child is taken for one of its orphans and killed.  Any thread may call
 * both; whoever reaps a known child forgets it first.
 */
int run_know_pid(pid_t pid, struct err *err);
void run_forget_pid(pid_t pid);

/* Which containment is active here, for the log and doctor: "pid namespace", "subreaper". Static.
 */
const char *run_containment(void);

/* True when the program of this executor is in search_path; its path through *found (the caller
 * frees; may be NULL). */
bool run_find_program(const struct executor *executor, const char *search_path, char **found);
