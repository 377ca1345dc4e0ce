#pragma once

/*
 * Numbered migrations: migrations[i] takes a database from version i to i + 1, in one transaction
 * with the new number (PRAGMA user_version).  PRAGMA application_id marks the file as ours.
 */

#include "base/err.h"
#include "store/db.h"

#define MIGRATE_APPLICATION 0x4f505751 /* "OPWQ" */

struct migrations {
	const char *const *sql;
	int count; /* the version that results */
};

/* What this binary knows. */
extern const struct migrations migrate_known;

/* Refuses, changing nothing, a file that is neither ours nor empty, or newer than `known`.  `path`
 * is for the texts. */
int migrate_accepts(struct db *db, const char *path, const struct migrations *known,
		    struct err *err);

/* The same, then brings the file up. */
int migrate_up(struct db *db, const char *path, const struct migrations *known, struct err *err);

/* For one that only reads: the version must be exactly the known one. */
int migrate_check(struct db *db, const char *path, const struct migrations *known, struct err *err);
