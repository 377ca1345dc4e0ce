#include "store/db.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"

#define STATEMENTS 256	      /* more than the folder has SQL texts */
#define BUSY_TIMEOUT 5000     /* ms; only a person with a shell can hold the write lock */
#define BODY_LIMIT (64 << 20) /* bytes in one value */

struct cached {
	const char *sql;
	sqlite3_stmt *statement;
};

struct db {
	sqlite3 *handle;
	bool failed;
	struct cached cache[STATEMENTS];
};

int db_fail(struct db *db, struct err *err)
{
	const int code = sqlite3_extended_errcode(db->handle);
	const char *text = sqlite3_errmsg(db->handle);

	if ((code & 0xff) != SQLITE_CONSTRAINT && (code & 0xff) != SQLITE_TOOBIG)
		db->failed = true;
	switch (code & 0xff) {
	case SQLITE_FULL:
		return err_set(err, ERR_FULL, "the disk is full (%s)", text);
	case SQLITE_NOMEM:
		return err_set(err, ERR_NOMEM, "no memory for the database");
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, ERR_INVALID, "the database is damaged (%s)", text);
	default:
		return err_set(err, ERR_IO, "database: %s (%d)", text, code);
	}
}

bool db_failed(struct db *db)
{
	const bool failed = db->failed;

	db->failed = false;
	return failed;
}

static void configure(struct db *db)
{
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT);
	sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, BODY_LIMIT);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
}

static int open_as(const char *path, const char *name, int flags, struct db **db, struct err *err)
{
	struct db *made = calloc(1, sizeof(*made));

	if (!made)
		return err_set(err, ERR_NOMEM, "no memory for the database");
	const int code = sqlite3_open_v2(name, &made->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK) {
		err_set(err, ERR_IO, "cannot open %s: %s", path, sqlite3_errstr(code));
		db_close(made);
		return -1;
	}
	configure(made);
	*db = made;
	return 0;
}

int db_open(const char *path, bool create, struct db **db, struct err *err)
{
	return open_as(path, path,
		       create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY,
		       db, err);
}

int db_open_still(const char *path, struct db **db, struct err *err)
{
	struct buf uri = { 0 };
	int rc = buf_appendf(&uri, "file:");

	for (const char *c = path; *c && rc == 0; c++)
		rc = buf_appendf(&uri, strchr("%?#", *c) ? "%%%02x" : "%c", (unsigned char)*c);
	if (rc == 0)
		rc = buf_appendf(&uri, "?immutable=1");
	if (rc < 0)
		err_set(err, ERR_NOMEM, "no memory for a path");
	else
		rc = open_as(path, uri.bytes, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, db, err);
	buf_done(&uri);
	return rc;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(db->cache[i].statement);
	sqlite3_close(db->handle);
	free(db);
}

sqlite3 *db_handle(struct db *db)
{
	return db->handle;
}

int db_script(struct db *db, const char *sql, struct err *err)
{
	return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_fail(db, err);
}

static sqlite3_stmt *prepare(struct db *db, const char *sql, struct err *err)
{
	size_t at = ((uintptr_t)sql >> 4) % STATEMENTS;
	size_t looked = 0;

	while (db->cache[at].sql && db->cache[at].sql != sql && ++looked < STATEMENTS)
		at = (at + 1) % STATEMENTS;
	struct cached *cached = &db->cache[at];
	if (cached->sql == sql)
		return cached->statement;
	if (cached->sql) {
		err_set(err, ERR_FULL, "more than %d statements", STATEMENTS);
		return NULL;
	}
	if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &cached->statement,
			       NULL) != SQLITE_OK) {
		db_fail(db, err);
		return NULL;
	}
	cached->sql = sql;
	return cached->statement;
}

static int bind(sqlite3_stmt *statement, int at, const struct db_value *value)
{
	switch (value->type) {
	case DB_INT:
		return sqlite3_bind_int64(statement, at, value->number);
	case DB_REAL:
		return sqlite3_bind_double(statement, at, value->real);
	case DB_TEXT:
		return sqlite3_bind_text(statement, at, value->bytes, -1, SQLITE_STATIC);
	case DB_BLOB:
		return sqlite3_bind_blob64(statement, at, value->bytes, value->len, SQLITE_STATIC);
	case DB_NULL:
		break;
	}
	return sqlite3_bind_null(statement, at);
}

sqlite3_stmt *db_start(struct db *db, const char *sql, struct db_values values, struct err *err)
{
	sqlite3_stmt *statement = prepare(db, sql, err);

	if (!statement)
		return NULL;
	if (sqlite3_stmt_busy(statement) ||
	    sqlite3_bind_parameter_count(statement) != (int)values.count) {
		err_set(err, ERR_CONFLICT, "a statement is in use, or has other parameters: %.200s",
			sql);
		return NULL;
	}
	for (size_t i = 0; i < values.count; i++)
		if (bind(statement, (int)i + 1, &values.at[i]) != SQLITE_OK) {
			db_fail(db, err);
			db_done(statement);
			return NULL;
		}
	return statement;
}

int db_step(struct db *db, sqlite3_stmt *statement, struct err *err)
{
	const int code = sqlite3_step(statement);
	int rc = 0;

	if (code == SQLITE_ROW)
		return 1;
	if (code != SQLITE_DONE)
		rc = db_fail(db, err);
	db_done(statement);
	return rc;
}

/* Borrowed bytes are let go of with the row. */
void db_done(sqlite3_stmt *statement)
{
	if (!statement)
		return;
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
}

int db_run(struct db *db, const char *sql, struct db_values values, struct err *err)
{
	sqlite3_stmt *statement = db_start(db, sql, values, err);
	int rc = statement ? 1 : -1;

	while (rc == 1)
		rc = db_step(db, statement, err);
	return rc;
}

int64_t db_changes(struct db *db)
{
	return sqlite3_changes64(db->handle);
}

int db_number(struct db *db, const char *sql, struct db_values values, int64_t *number,
	      struct err *err)
{
	sqlite3_stmt *row = db_start(db, sql, values, err);
	const int rc = row ? db_step(db, row, err) : -1;

	if (rc == 1) {
		*number = db_int(row, 0);
		db_done(row);
	}
	return rc;
}

int db_string(struct db *db, const char *sql, struct db_values values, char **text, struct err *err)
{
	sqlite3_stmt *row = db_start(db, sql, values, err);
	int rc = row ? db_step(db, row, err) : -1;

	*text = NULL;
	if (rc != 1)
		return rc;
	const bool null = sqlite3_column_type(row, 0) == SQLITE_NULL;
	*text = db_copy(row, 0);
	db_done(row);
	if (!null && !*text)
		return err_set(err, ERR_NOMEM, "no memory for a text of the database");
	return 1;
}

int db_strings(struct db *db, const char *sql, struct db_values values, json_t **array,
	       struct err *err)
{
	sqlite3_stmt *row = db_start(db, sql, values, err);
	json_t *made = json_array();
	int rc = row && made ? 1 : -1;

	if (row && !made)
		err_set(err, ERR_NOMEM, "no memory for rows of the database");
	while (rc == 1 && (rc = db_step(db, row, err)) == 1)
		if (json_array_append_new(made, json_string(db_text(row, 0))) < 0)
			rc = err_set(err, ERR_NOMEM, "no memory for rows of the database");
	if (rc < 0) {
		db_done(row);
		json_decref(made);
		return -1;
	}
	*array = made;
	return 0;
}

const char *db_text(sqlite3_stmt *row, int column)
{
	return (const char *)sqlite3_column_text(row, column);
}

char *db_copy(sqlite3_stmt *row, int column)
{
	const char *text = db_text(row, column);

	return text ? strdup(text) : NULL;
}

int64_t db_int(sqlite3_stmt *row, int column)
{
	return sqlite3_column_int64(row, column);
}

static json_t *text_of(sqlite3_stmt *row, int column)
{
	json_t *text = json_string(db_text(row, column));

	if (text)
		return text;
	_cleanup_free_ char *repaired =
	    utf8_repair(db_text(row, column), (size_t)sqlite3_column_bytes(row, column), NULL);
	return repaired ? json_string(repaired) : NULL;
}

static json_t *value_of(sqlite3_stmt *row, int column)
{
	switch (sqlite3_column_type(row, column)) {
	case SQLITE_INTEGER:
		return json_integer(db_int(row, column));
	case SQLITE_FLOAT:
		return json_real(sqlite3_column_double(row, column));
	case SQLITE_TEXT:
		return text_of(row, column);
	default:
		return json_null();
	}
}

json_t *db_object(sqlite3_stmt *row)
{
	json_t *object = json_object();

	for (int i = 0; object && i < sqlite3_column_count(row); i++)
		if (json_object_set_new(object, sqlite3_column_name(row, i), value_of(row, i)) <
		    0) {
			json_decref(object);
			object = NULL;
		}
	return object;
}
