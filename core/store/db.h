#pragma once

/*
 * One SQLite connection with its prepared statements.  Belongs to one thread at a time.
 *
 *   db_run(db, "UPDATE tasks SET note = ? WHERE id = ?", DB_WITH(TEXT(why), TEXT(id)), err)
 *
 * SQL texts must be string literals (or live as long as the connection): statements are kept by
 * their address.  A statement that gave a row is in use until db_step() said 0 or -1, or db_done();
 * the same SQL must not be started again meanwhile, so loops collect first and act afterwards.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

struct db;

enum db_type { DB_NULL, DB_INT, DB_REAL, DB_TEXT, DB_BLOB };

struct db_value {
	enum db_type type;
	int64_t number;
	double real;
	const void *bytes;
	size_t len;
};

struct db_values {
	const struct db_value *at;
	size_t count;
};

/* NULL pointers become NULL.  The bytes are borrowed until the statement is done. */
#define TEXT(value) ((struct db_value){ .type = DB_TEXT, .bytes = (value) })
#define INT(value) ((struct db_value){ .type = DB_INT, .number = (value) })
#define REAL(value) ((struct db_value){ .type = DB_REAL, .real = (value) })
#define BLOB(value, size) ((struct db_value){ .type = DB_BLOB, .bytes = (value), .len = (size) })
/* An integer for which one value stands for "none". */
#define INT_OR_NULL(value, none)                                                                   \
	((struct db_value){ .type = (value) == (none) ? DB_NULL : DB_INT, .number = (value) })

#define DB_WITH(...)                                                                               \
	((struct db_values){ .at = (const struct db_value[]){ __VA_ARGS__ },                       \
			     .count = sizeof((const struct db_value[]){ __VA_ARGS__ }) /           \
				      sizeof(struct db_value) })
#define DB_NONE ((struct db_values){ .at = NULL, .count = 0 })

/* Opens with our settings; `create` is for the daemon, a reader sees an error when there is no
 * file. */
int db_open(const char *path, bool create, struct db **db, struct err *err);
/* A file that nobody writes meanwhile, without the files that SQLite would make beside it. */
int db_open_still(const char *path, struct db **db, struct err *err);
void db_close(struct db *db); /* accepts NULL */
sqlite3 *db_handle(struct db *db);

/* Words what SQLite said last; always returns -1. */
int db_fail(struct db *db, struct err *err);
/* Whether the file, the disk or memory failed since it was last asked. */
bool db_failed(struct db *db);

/* Any number of statements without parameters or results. */
int db_script(struct db *db, const char *sql, struct err *err);

/* Starts a statement; NULL with err filled. */
sqlite3_stmt *db_start(struct db *db, const char *sql, struct db_values values, struct err *err);
/* 1: a row is there; 0: no more; -1: err. */
int db_step(struct db *db, sqlite3_stmt *statement, struct err *err);
void db_done(sqlite3_stmt *statement); /* accepts NULL */

/* Runs to the end.  db_changes() says afterwards how many rows it changed. */
int db_run(struct db *db, const char *sql, struct db_values values, struct err *err);
int64_t db_changes(struct db *db);

/* The first column of the first row: 1 found, 0 no row, -1 err.  A NULL gives `*number` 0. */
int db_number(struct db *db, const char *sql, struct db_values values, int64_t *number,
	      struct err *err);
/* The same as a text that the caller frees; *text is NULL unless a text was found. */
int db_string(struct db *db, const char *sql, struct db_values values, char **text,
	      struct err *err);
/* The first column of every row as a JSON array of strings; json_decref(). */
int db_strings(struct db *db, const char *sql, struct db_values values, json_t **array,
	       struct err *err);

/* Columns of the row that is there. */
const char *db_text(sqlite3_stmt *row, int column); /* borrowed until the next step; may be NULL */
char *db_copy(sqlite3_stmt *row, int column);	    /* the caller frees; NULL for NULL */
int64_t db_int(sqlite3_stmt *row, int column);
/* Every column of the row by its name; NULLs become null.  NULL when memory is short. */
json_t *db_object(sqlite3_stmt *row);
