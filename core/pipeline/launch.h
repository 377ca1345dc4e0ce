#pragma once

/*
 * Makes a claimed task ready to run: is its agent still there, what does the prompt say (asking
 * OpenPR for what the event lacks), where does it run.  May block on a policy worker and on OpenPR:
 * never called by the dispatcher itself.
 */

#include <stdint.h>

#include "exec/run.h"
#include "gateway/gateway.h"
#include "pipeline/parts.h"

enum launch_verdict {
	LAUNCH_READY,
	LAUNCH_DEFER, /* OpenPR cannot be asked now: again at `until`, no attempt is used */
	LAUNCH_HOLD,  /* a policy failed or the agent is gone: a person must look */
	LAUNCH_GONE,  /* the issue is deleted */
};

struct launch {
	struct store_task *task;	  /* owned */
	struct config *config;		  /* owned reference */
	const struct config_agent *agent; /* of config; NULL unless found */
	enum launch_verdict verdict;
	struct buf prompt; /* or what a webhook gets */
	enum policy_rendered rendered;
	int64_t until;
	char reason[512];
	json_t *plan;		  /* of a custom agent, instead of a prompt; NULL: none */
	struct gateway_http http; /* of a webhook; points into config, task, prompt and envelope */
	json_t *envelope;
};

/* Fills everything behind config of a launch whose task and config are set. */
void launch_prepare(struct pipeline *pipeline, struct openpr *openpr, struct launch *launch);
void launch_done(struct launch *launch);

/*
 * Starts what is ready.  The paths it makes: runs/RUN.log and locks/HASH below the state folder.
 * `log_path` is filled also on failure.  NULL with err filled when it cannot be started.
 */
struct run *launch_start(const struct launch *launch, const char *log_path, struct err *err);

/* The program that a custom agent runs, in place of what cli agents have in config.lua. */
struct launch_program {
	const char *executor, *model, *prompt; /* model NULL: its own */
	const char *const *arguments;
	size_t argument_count;
	const struct config_pair *env;
	size_t env_count;
	int64_t timeout; /* ms */
};
struct run *launch_run(const struct launch *launch, const struct launch_program *program,
		       const char *log_path, struct err *err);

/*
 * The run that launch_start() starts for this task and agent.  Strings of the spec are borrowed
 * from all that is given.
 */
struct run_spec launch_spec(const struct config *config, const struct config_agent *agent,
			    const char *run_id, int64_t timeout, const struct buf *prompt,
			    const char *directory, const char *log_path, const char *lock_path);

/* Where a file of the state folder lies, nothing is made: "runs" and "RUN.log".  The caller frees.
 */
char *launch_state_path(const struct config *config, const char *folder, const char *name,
			const char *suffix, struct err *err);

/*
 * The same for an agent behind HTTP; the launch must outlive the conversation.  Nothing of it is
 * reported or counted before the other side has taken the work.
 */
struct gateway *launch_converse(struct launch *launch, const char *log_path,
				struct breakers *breakers, struct err *err);

/*
 * What launch_converse() would send for an event and what was rendered of it, without sending it:
 * see gateway_describe().  Keys, ids and times are examples.
 */
json_t *launch_describe(const struct config_agent *agent, const char *body, size_t body_len,
			enum policy_rendered rendered, const struct buf *prompt, struct err *err);

/* The log of a run: STATE/runs/RUN.log; makes the folder.  The caller frees; NULL with err filled.
 */
char *launch_log_path(const struct config *config, const char *run_id, struct err *err);

/* The real path of the directory of an agent that has one (the configured one where it does not
 * resolve); the caller frees; NULL: no memory. */
char *launch_directory(const struct config_agent *agent);

/* True when one path equals or contains the other. */
bool launch_overlap(const char *a, const char *b);

/*
 * Waits until no runner of an earlier daemon holds a lock below the state folder: they end within
 * moments, unless their agent stopped them.  False when one still does after some seconds, or once
 * *stop is true.
 */
bool launch_wait_for_locks(const struct config *config, const atomic_bool *stop);

/* True while any such lock is held, or this agent's directory is locked (`agent` NULL: any). */
bool launch_locked(const struct config *config, const struct config_agent *agent);
