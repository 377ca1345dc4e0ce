#include "store/past.h"

#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

/* ---- hits ---- */

static int add_count(json_t *hits, const char *rule, json_int_t count)
{
	if (!rule)
		return 0;
	const json_int_t before = json_integer_value(json_object_get(hits, rule));

	return json_object_set_new(hits, rule, json_integer(before + count));
}

/* What came before filter_rule was kept tells only of the policy that had the last word. */
static const char rules_of_filter[] =
    "SELECT coalesce(filter_rule, CASE WHEN verdict IS NULL AND status = 'ignored' THEN rule END),"
    " count(*) FROM events WHERE status <> 'duplicate' GROUP BY 1";
static const char rules_of_route[] =
    "SELECT coalesce(own_rule, rule), count(*) FROM events WHERE status <> 'duplicate'"
    " AND (verdict IN ('accept', 'no_agent')"
    " OR (verdict IN ('ignore', 'cancel') AND own_rule IS NOT filter_rule)"
    " OR (verdict IS NULL AND status IN ('dispatched', 'joined', 'observed', 'disabled',"
    "  'no_agent'))) GROUP BY 1";

static int count_rules(struct db *db, const char *sql, json_t *hits, struct err *err)
{
	sqlite3_stmt *row = db_start(db, sql, DB_NONE, err);
	int rc = row ? 1 : -1;

	while (rc == 1 && (rc = db_step(db, row, err)) == 1)
		if (add_count(hits, db_text(row, 0), db_int(row, 1)) < 0)
			rc = err_set(err, ERR_NOMEM, "no memory for counts");
	if (rc < 0)
		db_done(row);
	return rc;
}

static int count_all(struct db *db, int64_t *events, int64_t *since, struct err *err)
{
	if (db_number(db, "SELECT count(*) FROM events WHERE status <> 'duplicate'", DB_NONE,
		      events, err) < 0)
		return -1;
	return db_number(db, "SELECT min(received_at) FROM events", DB_NONE, since, err);
}

json_t *past_hits(struct store *store, struct err *err)
{
	json_t *filter = json_object(), *route = json_object();
	struct db *db = store_read_begin(store);
	int64_t events = 0, since = 0;
	json_t *hits = NULL;

	if (count_rules(db, rules_of_filter, filter, err) == 0 &&
	    count_rules(db, rules_of_route, route, err) == 0 &&
	    count_all(db, &events, &since, err) >= 0) {
		hits = json_pack("{s:I, s:I, s:O, s:O}", "events", (json_int_t)events, "since",
				 (json_int_t)since, "filter", filter, "route", route);
		if (!hits)
			err_set(err, ERR_NOMEM, "no memory for counts");
	}
	store_read_end(store);
	json_decref(filter);
	json_decref(route);
	return hits;
}

json_t *past_identities(struct store *store, struct err *err)
{
	struct db *db = store_read_begin(store);
	json_t *ids = NULL;
	const int rc = db_strings(db,
				  "SELECT DISTINCT bot_id FROM reports WHERE state = 'delivered'"
				  " AND bot_id IS NOT NULL LIMIT 1000",
				  DB_NONE, &ids, err);

	store_read_end(store);
	return rc < 0 ? NULL : ids;
}

/* ---- single events ---- */

#define PAST_COLUMNS                                                                               \
	"SELECT e.id, e.received_at, e.name, e.status, e.verdict, e.filter_rule, e.rule, "         \
	"e.reason,"                                                                                \
	" e.issue_key, e.targets, b.body, b.completion, e.own_rule"                                \
	" FROM events e LEFT JOIN bodies b ON b.event_id = e.id "

void past_free(struct past *past)
{
	if (!past)
		return;
	free(past->name);
	free(past->status);
	free(past->verdict);
	free(past->filter_rule);
	free(past->rule);
	free(past->reason);
	free(past->own_rule);
	free(past->issue_key);
	json_decref(past->agents);
	free(past->body);
	free(past->completion);
	free(past);
}

/* [{"agent": name}, ...] as [name, ...]; NULL for NULL. */
static json_t *read_agents(const char *text)
{
	struct err ignored;
	json_t *targets = text ? json_parse(text, strlen(text), &ignored) : NULL;
	json_t *names = targets ? json_array() : NULL;

	for (size_t i = 0; names && i < json_array_size(targets); i++)
		json_array_append(names, json_at(json_array_get(targets, i), "agent"));
	json_decref(targets);
	return names;
}

static int copy(char **out, sqlite3_stmt *row, int column)
{
	*out = db_copy(row, column);
	return !*out && sqlite3_column_type(row, column) != SQLITE_NULL ? -1 : 0;
}

static int read_body(struct past *past, sqlite3_stmt *row, int column)
{
	if (sqlite3_column_type(row, column) == SQLITE_NULL)
		return 0;
	past->body_len = (size_t)sqlite3_column_bytes(row, column);
	past->body = malloc(past->body_len + 1);
	if (!past->body)
		return -1;
	if (past->body_len > 0)
		memcpy(past->body, sqlite3_column_blob(row, column), past->body_len);
	past->body[past->body_len] = '\0';
	return 0;
}

static struct past *read_past(sqlite3_stmt *row)
{
	struct past *past = calloc(1, sizeof(*past));

	if (!past)
		return NULL;
	text_copy(past->id, ID_SIZE, db_text(row, 0));
	past->received_at = db_int(row, 1);
	past->agents = read_agents(db_text(row, 9));
	if ((copy(&past->name, row, 2) | copy(&past->status, row, 3) |
	     copy(&past->verdict, row, 4) | copy(&past->filter_rule, row, 5) |
	     copy(&past->rule, row, 6) | copy(&past->reason, row, 7) |
	     copy(&past->issue_key, row, 8) | read_body(past, row, 10) |
	     copy(&past->completion, row, 11) | copy(&past->own_rule, row, 12)) == 0)
		return past;
	past_free(past);
	return NULL;
}

/* 1: *past is there; 0: there is none; -1. */
static int find(struct store *store, const char *sql, struct db_values values, struct past **past,
		struct err *err)
{
	bool moved;
	int rc;

	*past = NULL;
	do {
		struct db *db = store_read_begin(store);
		sqlite3_stmt *row = db_start(db, sql, values, err);
		past_free(*past);
		*past = NULL;
		rc = row ? db_step(db, row, err) : -1;
		if (rc == 1) {
			*past = read_past(row);
			db_done(row);
			rc = *past ? 1 : err_set(err, ERR_NOMEM, "no memory for an event");
		}
		moved = store_read_moved(store);
		store_read_end(store);
	} while (moved);
	return rc;
}

int past_find(struct store *store, const char *event_id, struct past **past, struct err *err)
{
	const int rc =
	    find(store, PAST_COLUMNS "WHERE e.id = ?", DB_WITH(TEXT(event_id)), past, err);

	return rc == 0	? err_set(err, ERR_NOTFOUND, "there is no event %s", event_id)
	       : rc < 0 ? -1
			: 0;
}

/* ---- all of them ---- */

int past_walk_from(struct store *store, int64_t since, size_t last, struct past_walk *walk,
		   size_t *count, struct err *err)
{
	struct db *db = store_read_begin(store);
	int64_t all = 0, from = since;
	int rc = db_number(db,
			   "SELECT count(*) FROM events WHERE received_at >= ?"
			   " AND status <> 'duplicate'",
			   DB_WITH(INT(since)), &all, err);

	memset(walk, 0, sizeof(*walk));
	if (rc >= 0 && last > 0 && (int64_t)last < all) {
		sqlite3_stmt *row =
		    db_start(db,
			     "SELECT received_at, id FROM events WHERE received_at >= ?"
			     " AND status <> 'duplicate' ORDER BY received_at DESC, id DESC"
			     " LIMIT 1 OFFSET ?",
			     DB_WITH(INT(since), INT((int64_t)last)), err);
		rc = row ? db_step(db, row, err) : -1;
		if (rc == 1) {
			from = db_int(row, 0);
			text_copy(walk->id, ID_SIZE, db_text(row, 1));
			db_done(row);
		}
		all = (int64_t)last;
	}
	store_read_end(store);
	if (rc < 0)
		return -1;
	walk->received_at = from;
	*count = (size_t)all;
	return 0;
}

int past_walk_next(struct store *store, struct past_walk *walk, struct past **past, struct err *err)
{
	if (find(store,
		 PAST_COLUMNS "WHERE (e.received_at, e.id) > (?, ?) AND e.status <> 'duplicate'"
			      " ORDER BY e.received_at, e.id LIMIT 1",
		 DB_WITH(INT(walk->received_at), TEXT(walk->id)), past, err) < 0)
		return -1;
	if (*past) {
		walk->received_at = (*past)->received_at;
		memcpy(walk->id, (*past)->id, ID_SIZE);
	}
	return 0;
}
