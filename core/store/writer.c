#include "store/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

struct job {
	struct job *next;
	writer_fn *run;
	writer_done_fn *done; /* NULL: somebody waits in writer_run(), on whose stack this is */
	void *arg;
	size_t bytes;
	int rc;
	struct err err;
	pthread_cond_t *waiter; /* of writer_run(), else NULL */
	bool answered;		/* written by the writer thread only; a waiter reads it locked */
};

struct writer {
	struct db *db;
	pthread_t thread;
	atomic_bool healthy, full; /* full: the last failure was for want of room */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t came;
	struct job *first, **last;
	size_t posted, posted_bytes;
	bool stopping;

	pthread_mutex_t wake_lock; /* guards what follows; held while wake runs */
	void (*wake)(void *);
	void *wake_ctx;
};

/* ---- one batch ---- */

struct batch {
	struct job *jobs[WRITER_BATCH];
	size_t count;
	bool work;
};

static void answer(struct writer *writer, struct job *job)
{
	if (job->answered)
		return;
	if (job->done) {
		job->answered = true;
		job->done(job->arg, job->rc, &job->err);
		return;
	}
	pthread_mutex_lock(&writer->lock);
	job->answered = true;
	pthread_cond_signal(job->waiter);
	pthread_mutex_unlock(&writer->lock);
}

/* False when the whole transaction is gone with the job: SQLite does that when the disk is full. */
static bool run_job(struct writer *writer, struct job *job, struct batch *batch)
{
	struct txn txn = { .db = writer->db };
	struct err ignored;

	job->rc = db_run(writer->db, "SAVEPOINT job", DB_NONE, &job->err);
	if (job->rc < 0)
		return false;
	job->rc = job->run(&txn, job->arg, &job->err);
	if (job->rc == 0) {
		job->rc = db_run(writer->db, "RELEASE job", DB_NONE, &job->err);
		batch->work = batch->work || (job->rc == 0 && txn.work);
		if (job->rc == 0 && txn.no_wait && job->done)
			answer(writer, job);
		return job->rc == 0;
	}
	return !sqlite3_get_autocommit(db_handle(writer->db)) &&
	       db_run(writer->db, "ROLLBACK TO job", DB_NONE, &ignored) == 0 &&
	       db_run(writer->db, "RELEASE job", DB_NONE, &ignored) == 0;
}

static int run_batch(struct writer *writer, struct batch *batch, struct err *err)
{
	if (db_run(writer->db, "BEGIN IMMEDIATE", DB_NONE, err) < 0)
		return -1;
	for (size_t i = 0; i < batch->count; i++)
		if (!run_job(writer, batch->jobs[i], batch)) {
			*err = batch->jobs[i]->err;
			return -1;
		}
	return db_run(writer->db, "COMMIT", DB_NONE, err);
}

static void roll_back(struct writer *writer)
{
	struct err ignored;

	if (!sqlite3_get_autocommit(db_handle(writer->db)))
		db_run(writer->db, "ROLLBACK", DB_NONE, &ignored);
}

static void wake(struct writer *writer)
{
	pthread_mutex_lock(&writer->wake_lock);
	if (writer->wake)
		writer->wake(writer->wake_ctx);
	pthread_mutex_unlock(&writer->wake_lock);
}

/* A job that somebody waits for belongs to that thread's stack and is gone once answered. */
static void finish(struct writer *writer, struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct job *job = batch->jobs[i];
		const bool ours = job->done != NULL;
		answer(writer, job);
		if (ours)
			free(job);
	}
}

static void do_batch(struct writer *writer, struct batch *batch)
{
	struct err err;

	db_failed(writer->db);
	const int rc = run_batch(writer, batch, &err);
	atomic_store(&writer->healthy, !db_failed(writer->db) && rc == 0);
	if (rc < 0) {
		atomic_store(&writer->full, err.code == ERR_FULL);
		roll_back(writer);
	}
	for (size_t i = 0; rc < 0 && i < batch->count; i++) {
		struct job *job = batch->jobs[i];
		if (!job->answered && job->rc == 0)
			job->err = err;
		job->rc = -1;
	}
	const bool work = rc == 0 && batch->work;
	finish(writer, batch);
	if (work)
		wake(writer);
}

/* ---- the thread ---- */

/* Whether the disk takes writes again. */
static void probe(struct writer *writer)
{
	struct err err;
	const bool ok = db_run(writer->db, "BEGIN IMMEDIATE", DB_NONE, &err) == 0 &&
			db_run(writer->db,
			       "INSERT INTO probe (id, at) VALUES (1, ?)"
			       " ON CONFLICT (id) DO UPDATE SET at = excluded.at",
			       DB_WITH(INT(clock_wall())), &err) == 0 &&
			db_run(writer->db, "COMMIT", DB_NONE, &err) == 0;

	if (!ok) {
		atomic_store(&writer->full, err.code == ERR_FULL);
		roll_back(writer);
	}
	atomic_store(&writer->healthy, ok);
}

/* Gives the log file's space back; a reader that is in the way only puts it off. */
static void checkpoint(struct writer *writer)
{
	sqlite3_wal_checkpoint_v2(db_handle(writer->db), NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
				  NULL);
}

/* Takes what has gathered; the caller holds the lock. */
static void gather(struct writer *writer, struct batch *batch)
{
	batch->count = 0;
	batch->work = false;
	while (writer->first && batch->count < WRITER_BATCH) {
		struct job *job = writer->first;
		writer->first = job->next;
		if (!writer->first)
			writer->last = &writer->first;
		if (job->done) {
			writer->posted--;
			writer->posted_bytes -= job->bytes;
		}
		batch->jobs[batch->count++] = job;
	}
}

/* Waits at most `ms` (0: without end) for a job; the caller holds the lock. */
static void wait_for_job(struct writer *writer, int64_t ms)
{
	const int64_t until = clock_mono() + ms;
	const struct timespec ts = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };

	while (!writer->first && !writer->stopping) {
		if (ms == 0)
			pthread_cond_wait(&writer->came, &writer->lock);
		else if (pthread_cond_timedwait(&writer->came, &writer->lock, &ts) == ETIMEDOUT)
			break;
	}
}

static void *run_writer(void *arg)
{
	struct writer *writer = arg;
	struct batch batch;
	bool dirty = false;
	bool stopping;

	do {
		const bool healthy = atomic_load(&writer->healthy);
		pthread_mutex_lock(&writer->lock);
		wait_for_job(writer, !healthy ? WRITER_PROBE : dirty ? WRITER_IDLE : 0);
		gather(writer, &batch);
		stopping = writer->stopping && batch.count == 0;
		pthread_mutex_unlock(&writer->lock);

		if (batch.count > 0)
			do_batch(writer, &batch);
		else if (!healthy && !stopping)
			probe(writer);
		else
			checkpoint(writer);
		dirty = batch.count > 0;
	} while (!stopping);
	return NULL;
}

/* ---- what others call ---- */

int writer_start(struct db *db, struct writer **writer, struct err *err)
{
	struct writer *made = calloc(1, sizeof(*made));
	pthread_condattr_t monotonic;

	if (!made) {
		db_close(db);
		return err_set(err, ERR_NOMEM, "no memory for the writer");
	}
	made->db = db;
	made->last = &made->first;
	atomic_init(&made->healthy, true);
	pthread_mutex_init(&made->lock, NULL);
	pthread_mutex_init(&made->wake_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&made->came, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&made->thread, NULL, run_writer, made) != 0) {
		db_close(db);
		free(made);
		return err_set(err, ERR_IO, "cannot start the writer thread");
	}
	*writer = made;
	return 0;
}

void writer_stop(struct writer *writer)
{
	if (!writer)
		return;
	pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	pthread_cond_signal(&writer->came);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	db_close(writer->db);
	pthread_cond_destroy(&writer->came);
	pthread_mutex_destroy(&writer->lock);
	pthread_mutex_destroy(&writer->wake_lock);
	free(writer);
}

/* The caller holds the lock. */
static void append(struct writer *writer, struct job *job)
{
	*writer->last = job;
	writer->last = &job->next;
	pthread_cond_signal(&writer->came);
}

int writer_run(struct writer *writer, writer_fn *run, void *arg, struct err *err)
{
	pthread_cond_t waiter = PTHREAD_COND_INITIALIZER;
	struct job job = { .run = run, .arg = arg, .waiter = &waiter };

	pthread_mutex_lock(&writer->lock);
	append(writer, &job);
	while (!job.answered)
		pthread_cond_wait(&waiter, &writer->lock);
	pthread_mutex_unlock(&writer->lock);
	pthread_cond_destroy(&waiter);
	if (job.rc < 0)
		*err = job.err;
	return job.rc;
}

void writer_post(struct writer *writer, writer_fn *run, writer_done_fn *done, void *arg,
		 size_t bytes)
{
	struct job *job = calloc(1, sizeof(*job));
	struct err err;
	bool full = false;

	pthread_mutex_lock(&writer->lock);
	full = writer->posted >= WRITER_JOBS || bytes > WRITER_BYTES - writer->posted_bytes;
	if (job && !full) {
		*job = (struct job){ .run = run, .done = done, .arg = arg, .bytes = bytes };
		writer->posted++;
		writer->posted_bytes += bytes;
		append(writer, job);
	}
	pthread_mutex_unlock(&writer->lock);
	if (job && !full)
		return;
	free(job);
	if (full)
		err_set(&err, ERR_FULL, "too many events wait to be stored");
	else
		err_set(&err, ERR_NOMEM, "no memory for an event");
	done(arg, -1, &err);
}

void writer_on_work(struct writer *writer, void (*wake_fn)(void *), void *ctx)
{
	pthread_mutex_lock(&writer->wake_lock);
	writer->wake = wake_fn;
	writer->wake_ctx = ctx;
	pthread_mutex_unlock(&writer->wake_lock);
}

bool writer_healthy(struct writer *writer)
{
	return atomic_load(&writer->healthy);
}

bool writer_disk_full(struct writer *writer)
{
	return atomic_load(&writer->full);
}
