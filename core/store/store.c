#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/file.h"
#include "store/internal.h"

#define WAL_LIMIT "33554432"	/* bytes of the log file that stay after a checkpoint */
#define CHECKED_SIZE (64 << 20) /* bytes; larger files are not read through at every start */

static int set_up(struct db *db, struct err *err)
{
	char *mode = NULL;

	/* auto_vacuum first: it cannot be changed once anything has been written. */
	if (db_script(db,
		      "PRAGMA auto_vacuum = INCREMENTAL;"
		      "PRAGMA journal_mode = WAL;"
		      "PRAGMA synchronous = FULL;"
		      "PRAGMA journal_size_limit = " WAL_LIMIT ";"
		      "PRAGMA foreign_keys = ON;"
		      "PRAGMA cell_size_check = ON;"
		      "PRAGMA temp_store = MEMORY",
		      err) < 0 ||
	    db_string(db, "PRAGMA journal_mode", DB_NONE, &mode, err) < 0)
		return -1;
	const bool wal = mode && strcmp(mode, "wal") == 0;
	free(mode);
	return wal ? 0 : err_set(err, ERR_IO, "its file system does not allow a write-ahead log");
}

/* Damage in a large file shows when it is met; reading through it would delay every start. */
static int check_pages(struct db *db, const char *path, struct err *err)
{
	struct stat st;
	char *verdict = NULL;

	if (stat(path, &st) < 0 || st.st_size > CHECKED_SIZE)
		return 0;
	if (db_string(db, "PRAGMA quick_check(1)", DB_NONE, &verdict, err) < 0)
		return err_prefix(err, "%s cannot be used as the queue", path);
	const bool good = verdict && strcmp(verdict, "ok") == 0;
	if (!good)
		err_set(err, ERR_INVALID, "%s is damaged: %.300s", path, verdict ? verdict : "?");
	free(verdict);
	return good ? 0 : -1;
}

static struct store *new_store(struct err *err)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store) {
		err_set(err, ERR_NOMEM, "no memory for the queue");
		return NULL;
	}
	store->lock = -1;
	pthread_mutex_init(&store->reading, NULL);
	return store;
}

static int open_writer(struct store *store, const char *path, const struct migrations *migrations,
		       struct err *err)
{
	struct db *db = NULL;

	if (db_open(path, true, &db, err) < 0)
		return -1;
	/* First what changes nothing: the file may not be ours.  Then its rights, which SQLite
	 * gives to the files that it makes beside it. */
	if (migrate_accepts(db, path, migrations, err) < 0 || file_make_private(path, err) < 0)
		goto fail;
	if (set_up(db, err) < 0) {
		err_prefix(err, "%s cannot be used as the queue", path);
		goto fail;
	}
	if (migrate_up(db, path, migrations, err) < 0 || check_pages(db, path, err) < 0)
		goto fail;
	return writer_start(db, &store->writer, err);
fail:
	db_close(db);
	return -1;
}

int store_open_at(const char *path, const struct migrations *migrations, struct store **store,
		  struct err *err)
{
	struct store *made = new_store(err);

	if (!made)
		return -1;
	if (file_make_folders(path, err) < 0 || (made->lock = file_lock(path, err)) < 0 ||
	    file_make(path, err) < 0 || open_writer(made, path, migrations, err) < 0 ||
	    db_open(path, false, &made->reader, err) < 0) {
		store_close(made);
		return -1;
	}
	*store = made;
	return 0;
}

int store_open(const char *path, struct store **store, struct err *err)
{
	return store_open_at(path, &migrate_known, store, err);
}

/* The log that a daemon writes; it is gone once nobody has the database open any more. */
static bool is_written(const char *path)
{
	_cleanup_free_ char *log = NULL;
	struct stat st;

	if (asprintf(&log, "%s-wal", path) < 0) {
		log = NULL;
		return true;
	}
	return stat(log, &st) == 0;
}

/* Reading the database of a daemon that has ended must not make SQLite's files beside it. */
static int open_for_reading(struct store *store, const char *path, struct err *err)
{
	if (is_written(path))
		return db_open(path, false, &store->reader, err);
	store->still = strdup(path);
	if (!store->still)
		return err_set(err, ERR_NOMEM, "no memory for a path");
	return db_open_still(path, &store->reader, err);
}

int store_open_reader(const char *path, struct store **store, struct err *err)
{
	struct store *made = new_store(err);

	if (!made)
		return -1;
	if (open_for_reading(made, path, err) < 0 ||
	    migrate_check(made->reader, path, &migrate_known, err) < 0) {
		store_close(made);
		return -1;
	}
	*store = made;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	db_close(store->reader); /* first: an open reader keeps the log from being emptied */
	writer_stop(store->writer);
	file_unlock(store->lock);
	pthread_mutex_destroy(&store->reading);
	free(store->still);
	free(store);
}

int store_write(struct store *store, writer_fn *run, void *arg, struct err *err)
{
	if (!store->writer)
		return err_set(err, ERR_CONFLICT, "the queue is open for reading only");
	return writer_run(store->writer, run, arg, err);
}

struct db *store_read_begin(struct store *store)
{
	struct db *fresh = NULL;
	struct err err;

	pthread_mutex_lock(&store->reading);
	if (store_read_moved(store) && db_open(store->still, false, &fresh, &err) == 0) {
		db_close(store->reader);
		store->reader = fresh;
		free(store->still);
		store->still = NULL;
	}
	return store->reader;
}

bool store_read_moved(const struct store *store)
{
	return store->still && is_written(store->still);
}

void store_read_end(struct store *store)
{
	pthread_mutex_unlock(&store->reading);
}

void store_on_work(struct store *store, store_wake_fn *wake, void *ctx)
{
	if (store->writer)
		writer_on_work(store->writer, wake, ctx);
}

bool store_is_held(const char *path)
{
	return file_is_locked(path);
}

bool store_healthy(struct store *store)
{
	return store->writer && writer_healthy(store->writer);
}

bool store_disk_full(struct store *store)
{
	return store->writer && writer_disk_full(store->writer);
}
