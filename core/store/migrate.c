#include "store/migrate.h"

#include <stdbool.h>
#include <stdio.h>

struct stamp {
	int64_t application, version, tables;
};

static int read_stamp(struct db *db, const char *path, struct stamp *stamp, struct err *err)
{
	if (db_number(db, "PRAGMA application_id", DB_NONE, &stamp->application, err) < 0 ||
	    db_number(db, "PRAGMA user_version", DB_NONE, &stamp->version, err) < 0 ||
	    db_number(db, "SELECT count(*) FROM sqlite_schema", DB_NONE, &stamp->tables, err) < 0)
		return err_prefix(err, "%s cannot be used as the queue", path);
	return 0;
}

static bool is_empty(const struct stamp *stamp)
{
	return stamp->application == 0 && stamp->version == 0 && stamp->tables == 0;
}

static int check(const struct stamp *stamp, const char *path, const struct migrations *known,
		 struct err *err)
{
	if (stamp->application != MIGRATE_APPLICATION)
		return err_set(err, ERR_INVALID,
			       "%s is a database of another program (application_id %lld)", path,
			       (long long)stamp->application);
	if (stamp->version > known->count)
		return err_set(
		    err, ERR_CONFLICT,
		    "%s has version %lld, but this openpr-webhook knows only versions up "
		    "to %d: use a newer one, or the file's backup",
		    path, (long long)stamp->version, known->count);
	return 0;
}

/* PRAGMAs take no parameters. */
static int set_number(struct db *db, const char *pragma, int number, struct err *err)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "PRAGMA %s = %d", pragma, number);
	return db_script(db, sql, err);
}

static int step_up(struct db *db, const struct migrations *known, int from, struct err *err)
{
	struct err ignored;

	if (db_script(db, "BEGIN IMMEDIATE", err) < 0)
		return -1;
	if (db_script(db, known->sql[from], err) == 0 &&
	    set_number(db, "application_id", MIGRATE_APPLICATION, err) == 0 &&
	    set_number(db, "user_version", from + 1, err) == 0 && db_script(db, "COMMIT", err) == 0)
		return 0;
	db_script(db, "ROLLBACK", &ignored);
	return -1;
}

static int accept_stamp(struct db *db, const char *path, const struct migrations *known,
			struct stamp *stamp, struct err *err)
{
	if (read_stamp(db, path, stamp, err) < 0)
		return -1;
	return is_empty(stamp) ? 0 : check(stamp, path, known, err);
}

int migrate_accepts(struct db *db, const char *path, const struct migrations *known,
		    struct err *err)
{
	struct stamp stamp;

	return accept_stamp(db, path, known, &stamp, err);
}

int migrate_up(struct db *db, const char *path, const struct migrations *known, struct err *err)
{
	struct stamp stamp;

	if (accept_stamp(db, path, known, &stamp, err) < 0)
		return -1;
	for (int from = (int)stamp.version; from < known->count; from++)
		if (step_up(db, known, from, err) < 0)
			return err_prefix(err, "%s: going from version %d to %d", path, from,
					  from + 1);
	return 0;
}

int migrate_check(struct db *db, const char *path, const struct migrations *known, struct err *err)
{
	struct stamp stamp;

	if (read_stamp(db, path, &stamp, err) < 0 || check(&stamp, path, known, err) < 0)
		return -1;
	if (stamp.version < known->count)
		return err_set(err, ERR_CONFLICT,
			       "%s has version %lld, this openpr-webhook reads version %d: start "
			       "the daemon once, it brings the file up",
			       path, (long long)stamp.version, known->count);
	return 0;
}
