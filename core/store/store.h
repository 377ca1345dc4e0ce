#pragma once

/*
 * The durable queue: events, decisions, tasks, runs and reports, in the verbs of the domain.
 *
 * Behind it is SQLite (WAL, synchronous=FULL) with one writer thread that commits what has gathered
 * in one transaction (group commit): a verb returns, or its callback comes, only after COMMIT.  No
 * SQL is written outside this folder, ids are UUIDv7, nothing relies on row order, so that another
 * engine can stand behind the same header. All verbs may be called from any thread.  All times are
 * wall milliseconds.  store/dispatch.h holds the verbs of the tunnel.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/outcome.h"
#include "store/look.h"

struct store;

/*
 * Opens or makes the file (0600; a folder that we make is 0700), takes the exclusive lock beside it
 * (PATH.lock), migrates. Refuses, with a clear text: a second daemon, a database of a newer
 * version, a corrupt file.
 */
int store_open(const char *path, struct store **store, struct err *err);

/* For `runs`, `show`, ... without a daemon: reads only, takes no lock, starts no thread, makes no
 * file. */
int store_open_reader(const char *path, struct store **store, struct err *err);

/* Whether a daemon has the file now. */
bool store_is_held(const char *path);

/* Waits for what was given to the writer, checkpoints, closes.  Accepts NULL. */
void store_close(struct store *store);

/* ---- receiving ---- */

enum store_source { SOURCE_WEBHOOK, SOURCE_AI_TASK, SOURCE_TUNNEL };

/* What kind of work an event asks for; KIND_NONE: none (it joins nothing, and nothing joins it). */
enum store_kind { KIND_NONE, KIND_ASSIGNMENT, KIND_MENTION, KIND_OTHER };

/* One received event.  All strings are borrowed until the answer comes; any may be NULL unless said
 * otherwise. */
struct store_event {
	enum store_source source;
	const char *dedupe_key;	 /* never NULL: "delivery:<id>", "ai:<task id>:<attempt>" or
				    "tunnel:<run_id>" */
	const char *dispatch_id; /* the run_id of a dispatch; NULL exactly when it did not come
				    through the tunnel */
	const char *delivery;	 /* "delivery:<id>" of what a dispatch carries; else NULL */
	const char *name;	 /* never NULL: "issue.assigned"; AI tasks: "task.issue_assigned" */
	enum store_kind kind;
	const char *join_key; /* openpr-contract 2.4; NULL exactly when kind is KIND_NONE */
	const char *issue_id, *issue_key, *issue_title, *issue_state, *project_id, *project_name;
	const char *bot_id, *bot_name, *comment_id, *actor_id;
	const char *ai_task_id;
	int ai_attempt, ai_max_attempts;
	const char *const *removed_bots; /* for ACTION_CANCEL: whose work ends; count 0 with
					    ACTION_CANCEL: every bot's */
	size_t removed_count;
	int64_t at; /* the envelope's timestamp; AI tasks: when they came */
	int64_t received_at;
	const void *body; /* the raw bytes */
	size_t body_len;
	const char
	    *completion; /* JSON of what was fetched to complete it (issue, labels), or NULL */
};

enum store_action {
	ACTION_ACCEPT, /* run the targets */
	ACTION_IGNORE,
	ACTION_CANCEL,	  /* ignored, and what its issue and bots still have is cancelled */
	ACTION_HOLD,	  /* a policy failed on it: kept, releasable */
	ACTION_UNDECIDED, /* stored before any policy saw it; the daemon decides as soon as it can
			     (answered `held`) */
	ACTION_NO_AGENT,
	ACTION_DISABLED, /* a gate is off; `gate` names it */
	ACTION_OBSERVE,	 /* safe mode; the targets are what would have run */
};

struct store_target {
	const char *agent;
	int64_t timeout; /* ms given by the route; 0: the agent's own */
};

#define STORE_TARGETS 8

struct store_decision {
	enum store_action action;
	const char *rule, *reason, *gate; /* may be NULL */
	struct store_target targets[STORE_TARGETS];
	size_t target_count;
	/* What the policies said, whatever gates, safe mode and tokens made of it: "accept",
	 * "ignore", "cancel", "no_agent", "hold" (they failed); NULL: they were not asked.  Kept
	 * for replay. */
	const char *verdict, *filter_rule;
	const char *asked[STORE_TARGETS]; /* every agent that they named */
	size_t asked_count;
	bool issue_gone; /* with ACTION_CANCEL: the issue is deleted, so nothing is written to it
			    any more */
	bool quiet;	 /* of a dispatch: OpenPR is told nothing, only the tunnel */
};

enum store_status {
	STATUS_DISPATCHED,
	STATUS_JOINED,
	STATUS_HELD,
	STATUS_IGNORED,
	STATUS_DUPLICATE,
	STATUS_OBSERVED,
	STATUS_NO_AGENT,
	STATUS_DISABLED,
};

const char *store_status_name(enum store_status status); /* "dispatched", ... */

struct store_run_ref {
	char agent[128], run_id[ID_SIZE];
};

/* What became of an event.  Texts are cut to fit; empty where there is none. */
struct store_answer {
	enum store_status status;
	char event_id[ID_SIZE]; /* ours; a duplicate's is the first one's */
	char rule[128], reason[256], gate[32];
	struct store_run_ref
	    runs[STORE_TARGETS]; /* dispatched, joined, duplicate: the tasks' first runs;
				    observed: the agents that would have run, run_id empty */
	size_t run_count;
	bool first_was_taken;		/* duplicate: the first one was work that stands (its status
					   dispatched or joined) */
	enum store_status first_status; /* duplicate: what the first one was answered */
	size_t cancelled;		/* how many tasks an ACTION_CANCEL ended or asked to stop */
};

/*
 * Comes once, on the writer thread (at once, on the calling thread, when the event could not even
 * be queued: ERR_FULL beyond 4096 waiting events or 256 MiB of their bodies).  Must not block, nor
 * call a verb that does.  rc -1: err says why, nothing was stored, the answer is not filled.
 */
typedef void store_answer_fn(void *ctx, int rc, const struct store_answer *answer,
			     const struct err *err);

/*
 * Takes an event with its decision in one transaction, by the joining rules of openpr-contract 2.4
 * and design 4.5, 4.9, 4.10 (see store/accept.c): the same dedupe key is a duplicate; a joiner
 * joins whatever its own decision says; an AI task whose key has only ever had ignored events takes
 * their verdict; one that joins an ended task is completed or failed at once by a report row; a
 * cancellation older than a task leaves it alone, and a task older than a cancellation never
 * starts. IGNORE is answered as soon as the row is in the transaction, all else after COMMIT.
 * The decision is copied; the event's strings and body are borrowed until the answer.
 */
void store_accept(struct store *store, const struct store_event *event,
		  const struct store_decision *decision, store_answer_fn *answer, void *ctx);

/* store_accept() and waiting for it. */
int store_accept_wait(struct store *store, const struct store_event *event,
		      const struct store_decision *decision, struct store_answer *answer,
		      struct err *err);

/* True when store_accept() of this AI task would join or repeat something, so that it needs no
 * completion over REST. */
bool store_ai_task_known(struct store *store, const char *ai_task_id, const char *join_key);

/* A stored event, for deciding it (again).  Everything in it is owned by it. */
struct store_stored {
	struct store_event event;
	char id[ID_SIZE];
	enum store_status status;
};
void store_stored_free(struct store_stored *stored); /* accepts NULL */

/* The oldest event that was stored undecided; 0 with *stored NULL when there is none. */
int store_next_undecided(struct store *store, struct store_stored **stored, struct err *err);

/* A held, disabled, observed (or undecided) event by our id; ERR_NOTFOUND, ERR_CONFLICT when it is
 * not releasable. */
int store_releasable(struct store *store, const char *event_id, struct store_stored **stored,
		     struct err *err);

/* Decides a stored event again, by the same rules as store_accept(). */
int store_redecide(struct store *store, const char *event_id, const struct store_decision *decision,
		   struct store_answer *answer, struct err *err);

/* Ends a releasable event or a held task (by event id) for good: `release --discard`. */
int store_discard(struct store *store, const char *event_id, struct err *err);

/* ---- running ---- */

/* A claimed task with all that rendering and running need; store_task_free() it. */
struct store_task {
	char id[ID_SIZE], run_id[ID_SIZE], event_id[ID_SIZE];
	char key[ID_SIZE]; /* the first run of those that take each other's place after a crash or
			      a drain: the same work; `retry` begins anew */
	char *session, *plan; /* what runs with this key were told last; what they are to do */
	int put_off;	      /* how often store_put_off() gave this run back */
	int64_t put_off_at;   /* since when; 0: never */
	int attempt;	      /* of this run, from 1 */
	enum store_kind kind;
	enum store_source source;
	char *agent, *rule, *issue_id, *issue_key, *issue_state, *bot_id, *bot_name, *comment_id;
	int64_t timeout;     /* ms given by the route; 0: none */
	bool started_before; /* an earlier attempt has queued the start report */
	char *body;
	size_t body_len;
	char *completion; /* JSON, or NULL */
};
void store_task_free(struct store_task *task); /* accepts NULL */

/*
 * Claims the task that should run next: waiting, due, no earlier task of its issue waiting, held
 * aside (by back-off; by store_put_off() only for its own agent) or running, agent not among
 * `busy_agents`; oldest event first.  Its run row exists afterwards, not yet started.  0 with *task
 * NULL when there is none.
 */
int store_claim(struct store *store, int64_t now, const char *const *busy_agents, size_t busy_count,
		struct store_task **task, struct err *err);

/* When the next waiting task that is backed off becomes due; INT64_MAX when none is.  What was due
 * when store_claim() last found nothing is not told again: something else has to happen first. */
int64_t store_next_due(struct store *store);

/* Gives a claimed task back until `until`; no attempt is used.  One that was asked to stop
 * meanwhile ends as cancelled instead, here and in store_hold_task(). */
int store_defer(struct store *store, const char *run_id, int64_t until, const char *reason,
		struct err *err);

/* store_defer() for an agent that does not take the work now: it is counted, and holds up that
 * agent's later work on the issue alone. */
int store_put_off(struct store *store, const char *run_id, int64_t until, const char *reason,
		  struct err *err);

/* A claimed task that cannot be rendered or has no agent any more: held, releasable by its event.
 */
int store_hold_task(struct store *store, const char *run_id, const char *reason, struct err *err);

/* The agent is about to start: the run counts from here, and the start report (once per task) is
 * queued.  ERR_CONFLICT when it was asked to stop meanwhile: store_cancel_requests() names it, and
 * store_end() ends it. */
int store_started(struct store *store, const char *run_id, int64_t at, const char *log_path,
		  struct err *err);

/* What a custom agent does and has done, as JSON of the pipeline's; the CLI's own session id. */
int store_plan(struct store *store, const char *run_id, const char *plan, struct err *err);
int store_session(struct store *store, const char *run_id, const char *session_id, struct err *err);

struct store_end {
	const char *run_id;
	enum outcome outcome;
	int exit_code;			     /* -1: none (killed, or never started) */
	int signal;			     /* 0: none */
	int64_t ended_at, duration;	     /* ms */
	const char *cause;		     /* why it did not succeed, in words; NULL */
	const char *final_text;		     /* what the agent said last; NULL */
	const char *tail;		     /* of the output; NULL */
	const char *session_id;		     /* NULL */
	int64_t input_tokens, output_tokens; /* -1: not told */
	double cost_usd;		     /* < 0: not told */
	bool truncated;			     /* the log file was cut */
};

/*
 * Ends a run and, with the outcome, queues what follows (a `report` row; AI-task ends).  An
 * interrupted run goes back to waiting instead while attempts are left: `counted` says whether this
 * one counts (our crash) or not (our drain). A task that was asked to stop (cancel) ends as
 * cancelled unless it succeeded.  A run that has not started goes back without using an attempt.  A
 * run that has ended already stays as it is.  Of final_text and tail 64 KiB each are kept, of a
 * cause 2 KiB.
 */
int store_end(struct store *store, const struct store_end *end, bool counted, int max_attempts,
	      struct err *err);

/* At start, before anything runs: what a dead daemon left claimed or running.  Returns how many
 * through *count. */
int store_recover(struct store *store, int max_attempts, size_t *count, struct err *err);

/* Runs that were asked to stop and still run (a cancel verb, an unassignment): *run_ids is a JSON
 * array of strings; json_decref(). */
int store_cancel_requests(struct store *store, json_t **run_ids, struct err *err);

/* Called on the writer thread after each COMMIT that made work for somebody.  Must not block. */
typedef void store_wake_fn(void *ctx);
void store_on_work(struct store *store, store_wake_fn *wake, void *ctx);

/* The verbs of the command line.  RUN is any run id of the task. */
int store_cancel(struct store *store, const char *run_id, struct err *err);
/* Queues an ended task again as a new run, whose id comes back.  ERR_CONFLICT: it has not ended, or
 * its event is not kept any more. */
int store_retry(struct store *store, const char *run_id, char new_run_id[ID_SIZE], struct err *err);
/* Makes an ended run's reports anew: dead and delivered calls are sent again.  ERR_CONFLICT when it
 * has not ended, or while one of them is being sent. */
int store_retry_report(struct store *store, const char *run_id, struct err *err);

/* ---- reporting ---- */

/*
 * One outbox row.  FORMAT rows ask for the callback policy (phase started or ended) and are
 * expanded into the calls; the rest are the calls.  Per issue they are delivered in order.
 */
enum store_report_kind {
	REPORT_FORMAT,
	REPORT_COMMENT,
	REPORT_STATE,
	REPORT_AI_COMPLETE,
	REPORT_AI_FAIL
};

struct store_report {
	char id[ID_SIZE], task_id[ID_SIZE], run_id[ID_SIZE];
	enum store_report_kind kind;
	bool started; /* of the start (REPORT_FORMAT, REPORT_STATE), not of the end */
	char *issue_id, *bot_id, *bot_name, *ai_task_id;
	char *text; /* COMMENT: the body; STATE: the state; AI_*: the JSON body */
	char
	    *expected_state; /* STATE: what the issue must have now: the state we set last (by any
				task, since this one was made), else the event's; NULL: not known */
	int attempts;	     /* earlier sends; > 0: the last one's outcome is unknown or failed */
	bool unsure;	     /* an earlier send may have arrived */
	int64_t created_at;
	json_t *run; /* FORMAT: the run for the callback policy: run_id, outcome, exit_code, signal,
			cause, final_text, tail, duration (ms), attempt, agent, rule, kind
			("assignment" | "mention" | "other"), session_id, input_tokens,
			output_tokens, cost_usd, truncated, started_at, plan; what is not known is
			null */
	char *body;  /* FORMAT: the event's raw bytes */
	size_t body_len;
	char *completion;
};
void store_report_free(struct store_report *report); /* accepts NULL */

/*
 * Takes the next due call: the first undone one of its issue, not being sent, whose bot is not
 * among `paused_bots`.  "" among them means rows without a bot.  Its attempt is on disk when this
 * returns, so that a crash during the send is seen as "outcome unknown".  0 with *report NULL:
 * none.
 */
int store_take_report(struct store *store, int64_t now, const char *const *paused_bots,
		      size_t paused_count, struct store_report **report, struct err *err);
int64_t store_next_report_due(struct store *store); /* INT64_MAX: none */
/* When the oldest row that is still owed was made; INT64_MAX: none. */
int64_t store_oldest_report(struct store *store);

struct store_call {
	enum store_report_kind kind; /* COMMENT or STATE */
	const char *text;
};

/* The FORMAT row is done and these calls stand in its place (count 0: nothing is said). */
int store_expand_report(struct store *store, const char *report_id, const struct store_call *calls,
			size_t count, struct err *err);
/* Delivered.  A STATE call makes `text` the state we set. */
int store_report_delivered(struct store *store, const char *report_id, struct err *err);
/* Not sent on purpose, and why ("changed by a person since", "the workflow has no such state"). */
int store_report_dropped(struct store *store, const char *report_id, const char *why,
			 struct err *err);
/* To be sent again at `next_at`. `outcome_known`: it certainly did not arrive. */
int store_report_failed(struct store *store, const char *report_id, int64_t next_at,
			bool outcome_known, const char *why, struct err *err);
/* Given up: visible, sent again only by store_retry_report(). */
int store_report_dead(struct store *store, const char *report_id, const char *why, struct err *err);
/* Rows that were being sent when the daemon died become due again.  At start. */
int store_recover_reports(struct store *store, struct err *err);

/* ---- looking (store/look.h) and health ---- */

/* Whether the last write reached the disk: false while the disk is full or the file unwritable. */
bool store_healthy(struct store *store);
/* Whether it was the disk that had no room; meant while it is not healthy. */
bool store_disk_full(struct store *store);

/*
 * Removes what is older than keep (bodies, ended and reported tasks, ...; design 6,
 * queue.keep_days); delivery ids outlive `tolerance`, AI-task ids and join keys stay for ever,
 * nothing unfinished or unreported goes.  Returns through *logs a JSON array of log paths to
 * unlink; json_decref().
 */
int store_prune(struct store *store, int64_t now, int64_t keep, int64_t tolerance, json_t **logs,
		struct err *err);
