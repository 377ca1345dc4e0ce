#pragma once

/*
 * The one thread that writes.  It takes the jobs that have gathered, runs each in a savepoint of
 * one transaction, commits, and then hands out the answers.  A job that fails is rolled back alone;
 * when the COMMIT fails, nothing of the batch was stored and every job gets the error.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/db.h"

/* What a job sees. */
struct txn {
	struct db *db;
	bool work;    /* set by a job: somebody has something to do after the COMMIT */
	bool no_wait; /* set by a job: its answer need not wait for the COMMIT */
};

/* Runs on the writer thread.  0, or -1 with err: what it did is undone. */
typedef int writer_fn(struct txn *txn, void *arg, struct err *err);
/* Comes once, on the writer thread.  err is filled when rc is -1.  Must not block. */
typedef void writer_done_fn(void *arg, int rc, const struct err *err);

#define WRITER_BATCH 256
#define WRITER_JOBS 4096	  /* bound on writer_post()ed jobs that wait */
#define WRITER_BYTES (256u << 20) /* bound on what these hold */
#define WRITER_PROBE 1000	  /* ms between two tries to write while unhealthy */
#define WRITER_IDLE 5000	  /* ms without a job before the log file is emptied */

struct writer;

/* Takes the connection over in any case. `wake` (may be NULL) comes after each COMMIT with work. */
int writer_start(struct db *db, struct writer **writer, struct err *err);
/* Finishes what was given, stops, closes the connection.  Accepts NULL. */
void writer_stop(struct writer *writer);

/* Gives a job and waits for it. */
int writer_run(struct writer *writer, writer_fn *run, void *arg, struct err *err);

/*
 * Gives a job that holds `bytes` of memory.  Does not wait.  When the bound is reached, done comes
 * at once, with ERR_FULL, on the calling thread.
 */
void writer_post(struct writer *writer, writer_fn *run, writer_done_fn *done, void *arg,
		 size_t bytes);

void writer_on_work(struct writer *writer, void (*wake)(void *), void *ctx);
bool writer_healthy(struct writer *writer);
bool writer_disk_full(struct writer *writer); /* why the last write failed */
