#pragma once

/* What the files of this folder share. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/db.h"
#include "store/migrate.h"
#include "store/store.h"
#include "store/writer.h"

struct store {
	struct writer *writer; /* NULL: opened for reading only */
	int lock;	       /* of PATH.lock, or -1 */
	pthread_mutex_t reading;
	struct db *reader; /* guarded by reading */
	char *still;	   /* its path while `reader` takes it that nobody writes; else NULL */
	/* The times of the last looks that found nothing, for store_next_due() and its like: what
	 * was due by then has been seen, and is blocked by something that will wake us. */
	_Atomic int64_t claim_looked, report_looked;
};

/* Runs a job on the writer; ERR_CONFLICT when there is none. */
int store_write(struct store *store, writer_fn *run, void *arg, struct err *err);

/* store_open() with other migrations, for their tests. */
int store_open_at(const char *path, const struct migrations *migrations, struct store **store,
		  struct err *err);

/* The connection for reading, until store_read_end(). */
struct db *store_read_begin(struct store *store);
void store_read_end(struct store *store);
/* Whether a daemon has begun to write since: then what was read meanwhile may be wrong, and is to
 * be read again. */
bool store_read_moved(const struct store *store);

/* ---- words of the columns ---- */

const char *word_source(enum store_source source);
const char *word_kind(enum store_kind kind);
const char *word_report(enum store_report_kind kind);
/* The reverse; an unknown word gives the first. */
enum store_source word_to_source(const char *word);
enum store_kind word_to_kind(const char *word);
enum store_status word_to_status(const char *word);
enum store_report_kind word_to_report(const char *word);

#define STORE_TEXT_LIMIT 65536 /* bytes of a final text, a tail, ... that are kept */
#define STORE_WORDS_LIMIT 2048 /* bytes of a reason, a cause, ... that are kept */

/* A valid UTF-8 copy of at most `limit` bytes that the caller frees; `from_end` keeps the end. NULL
 * for NULL (or no memory). */
char *text_bounded(const char *text, size_t limit, bool from_end);
/* Copies at most size - 1 bytes, whole characters; NULL gives "". */
void text_copy(char *out, size_t size, const char *text);

/* ---- events ---- */

/* What becomes of an event. */
struct verdict {
	enum store_status status;
	const char *rule, *reason, *gate; /* borrowed from the decision or from `words` */
	char words[2][STORE_WORDS_LIMIT];
	char group_id[ID_SIZE]; /* whose tasks stand for it; empty: none, or its own to be made */
	bool make;		/* the decision's targets become tasks */
	bool by_decision;	/* nothing overruled the decision */
};

/* Decides by the joining rules (store/join.c); changes nothing. */
int join_judge(struct db *db, const struct store_event *event,
	       const struct store_decision *decision, struct verdict *verdict, struct err *err);
/* Whether an AI task would join or repeat something: 1, 0, -1. */
int join_known(struct db *db, const char *ai_task_id, const char *join_key, struct err *err);

int event_insert(struct db *db, const char *id, const struct store_event *event,
		 const struct store_decision *decision, const struct verdict *verdict,
		 struct err *err);
/* Replaces the verdict of a stored event. */
int event_update(struct db *db, const char *id, const struct store_event *event,
		 const struct store_decision *decision, const struct verdict *verdict,
		 struct err *err);
/* Reads one with its body; ERR_NOTFOUND.  store_stored_free(). */
int event_load(struct db *db, const char *id, struct store_stored **stored, struct err *err);
/* ERR_NOTFOUND, ERR_CONFLICT.  *has_tasks: its tasks are held, not itself. */
int event_releasable(struct db *db, const char *id, bool *has_tasks, struct err *err);

/* Fills what a group's answer needs: the tasks' first runs. */
int answer_runs(struct db *db, const char *group_id, struct store_answer *answer, struct err *err);
/* Does all that follows from a verdict: tasks, links, cancellations.  The event's row exists. */
int accept_follow(struct txn *txn, const char *event_id, const struct store_event *event,
		  const struct store_decision *decision, const struct verdict *verdict,
		  struct store_answer *answer, struct err *err);

/* ---- tasks ---- */

struct task {
	char id[ID_SIZE], event_id[ID_SIZE], run_id[ID_SIZE];
	char state[16], outcome[16], cancel[512]; /* empty: none */
	int attempt, counted;
	bool start_reported, asked_to_stop;
};

/* By any of its runs, or by its own id; ERR_NOTFOUND. */
int task_of_run(struct db *db, const char *run_id, struct task *task, struct err *err);
int task_load(struct db *db, const char *id, struct task *task, struct err *err);
/* task_of_run() when it is the task's present run and in one of the states ("claimed running"),
 * else ERR_CONFLICT. */
int task_at(struct db *db, const char *run_id, const char *states, struct task *task,
	    struct err *err);
bool task_is(const struct task *task, const char *states);

/* One task and its first run for every target. */
int task_make(struct txn *txn, const char *event_id, const struct store_event *event,
	      const struct store_decision *decision, struct err *err);
/* Back to waiting with a new run, whose id comes back in task->run_id. */
int task_again(struct txn *txn, struct task *task, int counted, struct err *err);
/* The end of a task that has no process: cancelled, with this cause. */
int task_cancel(struct txn *txn, struct task *task, const char *cause, struct err *err);
/* The final end: the task's and its present run's outcome, and the reports that follow. */
int task_finish(struct txn *txn, const struct task *task, const struct store_end *end,
		enum outcome outcome, const char *cause, struct err *err);
/* What is known of a run that was cut off or cancelled. */
struct store_end task_no_end(const struct task *task, enum outcome outcome, const char *cause);
/* Fills the run's row. */
int run_end(struct txn *txn, const struct store_end *end, enum outcome outcome, const char *cause,
	    struct err *err);

/* ---- reports ---- */

/* Queues the row that asks the callback policy; nothing when the issue is gone. */
int report_format(struct txn *txn, const char *task_id, bool started, struct err *err);

/* ---- AI tasks ---- */

/* Links an AI task's event to a group and ends what earlier attempts left open. */
int ai_link(struct txn *txn, const char *event_id, const struct store_event *event,
	    const char *group_id, struct err *err);
/* A further attempt of a linked AI task. */
int ai_repeat(struct txn *txn, const struct store_event *event, struct err *err);
/* Queues the ends of the AI tasks of a group, once all of its tasks have ended. */
int ai_group_ended(struct txn *txn, const char *group_id, struct err *err);
/* Takes back what ai_group_ended() queued and nobody sent. */
int ai_take_back(struct txn *txn, const char *group_id, struct err *err);

/* ---- dispatches ---- */

/* 1: this run_id was seen; it is owed its ack again, and its result when there is one.  *event_id
 * is its event ("": forgotten, or it never came). */
int dispatch_repeat(struct txn *txn, const char *run_id, char event_id[ID_SIZE], struct err *err);
/* The row of a new one, whose ack is owed from now on. */
int dispatch_insert(struct txn *txn, const char *event_id, const struct store_event *event,
		    struct err *err);
/* Makes the result of this event's dispatch when it is final, and of all that joined its group. */
int dispatch_settle(struct txn *txn, const char *event_id, struct err *err);
int dispatch_settle_group(struct txn *txn, const char *group_id, struct err *err);
/* An issue's open events were closed. */
int dispatch_settle_issue(struct txn *txn, const char *issue_id, struct err *err);
/* The group is to end anew: what was told or not yet told of its end is void. */
int dispatch_reopen(struct txn *txn, const char *group_id, struct err *err);
/* Its result is told once more. */
int dispatch_tell_again(struct txn *txn, const char *group_id, struct err *err);
/* The next number for ack_seq and result_seq. */
int dispatch_next_seq(struct db *db, int64_t *seq, struct err *err);

/* Whether every task of a group has ended: 1, 0, -1. */
int group_ended(struct db *db, const char *group_id, struct err *err);

/* The payload of task.result, from the tasks of a group that has ended, or from an event that
 * starts nothing ("cancelled": it was taken back).  The caller frees; NULL with err filled. */
char *result_of_group(struct db *db, const char *run_id, const char *issue_id, const char *group_id,
		      struct err *err);
char *result_of_event(struct db *db, const char *run_id, const char *issue_id, const char *event_id,
		      struct err *err);
char *result_cancelled(const char *run_id, const char *issue_id, const char *summary,
		       struct err *err);

/* ---- cancellations ---- */

/* Remembers a cancellation and applies it; *count tasks were ended or asked to stop. */
int cancel_apply(struct txn *txn, const struct store_event *event,
		 const struct store_decision *decision, size_t *count, struct err *err);
