#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/internal.h"

#define TITLE_LIMIT 1024 /* bytes of an issue's title or a project's name that are kept */

/* ---- writing ---- */

/* 1: may be released; 2: the daemon itself decides it as soon as it can.  A dispatch that starts
 * nothing has its result, and the control plane gives the work to somebody else. */
static int open_of(const struct store_event *event, const struct store_decision *decision,
		   const struct verdict *verdict)
{
	if (!verdict->by_decision)
		return 0;
	switch (decision->action) {
	case ACTION_UNDECIDED:
		return 2;
	case ACTION_HOLD:
		return 1;
	case ACTION_DISABLED:
	case ACTION_OBSERVE:
		return event->source != SOURCE_TUNNEL;
	default:
		return 0;
	}
}

/* Whom the policies asked for: [{"agent":...}]; NULL when there is nothing to tell. */
static char *targets_text(const struct store_decision *decision)
{
	json_t *list = json_array();
	char *text = NULL;

	for (size_t i = 0; i < decision->asked_count && i < STORE_TARGETS; i++)
		json_array_append_new(list, json_pack("{s:s}", "agent", decision->asked[i]));
	if (json_array_size(list) > 0)
		text = json_text(list);
	json_decref(list);
	return text;
}

static char *removed_text(const struct store_event *event)
{
	json_t *list = json_array();

	for (size_t i = 0; i < event->removed_count; i++)
		json_array_append_new(list, json_string(event->removed_bots[i]));
	char *text = event->removed_count > 0 ? json_text(list) : NULL;
	json_decref(list);
	return text;
}

/* The words kept for an event: those of the verdict, bounded. */
struct kept {
	char *rule, *reason, *gate, *targets, *filter_rule, *own_rule;
};

static void keep(struct kept *kept, const struct store_decision *decision,
		 const struct verdict *verdict)
{
	/* An event that was overruled still tells what its own decision was. */
	const bool own = verdict->by_decision || verdict->status == STATUS_JOINED;

	kept->rule = text_bounded(verdict->rule || !own ? verdict->rule : decision->rule,
				  STORE_WORDS_LIMIT, false);
	kept->reason = text_bounded(verdict->reason || !own ? verdict->reason : decision->reason,
				    STORE_WORDS_LIMIT, false);
	kept->gate = text_bounded(verdict->gate, STORE_WORDS_LIMIT, false);
	kept->targets = targets_text(decision);
	kept->filter_rule = text_bounded(decision->filter_rule, STORE_WORDS_LIMIT, false);
	kept->own_rule = text_bounded(decision->rule, STORE_WORDS_LIMIT, false);
}

static void drop(struct kept *kept)
{
	free(kept->rule);
	free(kept->reason);
	free(kept->gate);
	free(kept->targets);
	free(kept->filter_rule);
	free(kept->own_rule);
}

static const char *group_of(const char *id, const struct verdict *verdict)
{
	if (verdict->make)
		return id;
	return verdict->group_id[0] ? verdict->group_id : NULL;
}

static int insert_row(struct db *db, const char *id, const struct store_event *event,
		      const struct store_decision *decision, const struct verdict *verdict,
		      struct err *err)
{
	_cleanup_free_ char *title = text_bounded(event->issue_title, TITLE_LIMIT, false);
	_cleanup_free_ char *project = text_bounded(event->project_name, TITLE_LIMIT, false);
	_cleanup_free_ char *removed = removed_text(event);
	struct kept kept;

	keep(&kept, decision, verdict);
	const int rc = db_run(
	    db,
	    "INSERT INTO events (id, dedupe_key, source, name, kind, join_key, issue_id, issue_key,"
	    " issue_title, issue_state, project_id, project_name, bot_id, bot_name, comment_id,"
	    " actor_id, ai_task_id, ai_attempt, ai_max_attempts, removed_bots, at, received_at,"
	    " status, rule, reason, gate, targets, group_id, open, delivery, verdict, filter_rule,"
	    " own_rule)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
	    " ?, ?, ?, ?, ?, ?, ?)",
	    DB_WITH(TEXT(id), TEXT(event->dedupe_key), TEXT(word_source(event->source)),
		    TEXT(event->name), TEXT(word_kind(event->kind)), TEXT(event->join_key),
		    TEXT(event->issue_id), TEXT(event->issue_key), TEXT(title),
		    TEXT(event->issue_state), TEXT(event->project_id), TEXT(project),
		    TEXT(event->bot_id), TEXT(event->bot_name), TEXT(event->comment_id),
		    TEXT(event->actor_id), TEXT(event->ai_task_id), INT(event->ai_attempt),
		    INT(event->ai_max_attempts), TEXT(removed), INT(event->at),
		    INT(event->received_at), TEXT(store_status_name(verdict->status)),
		    TEXT(kept.rule), TEXT(kept.reason), TEXT(kept.gate), TEXT(kept.targets),
		    TEXT(group_of(id, verdict)), INT(open_of(event, decision, verdict)),
		    TEXT(event->delivery), TEXT(decision->verdict), TEXT(kept.filter_rule),
		    TEXT(kept.own_rule)),
	    err);
	drop(&kept);
	return rc;
}

int event_insert(struct db *db, const char *id, const struct store_event *event,
		 const struct store_decision *decision, const struct verdict *verdict,
		 struct err *err)
{
	if (insert_row(db, id, event, decision, verdict, err) < 0)
		return -1;
	if (verdict->status == STATUS_DUPLICATE) /* the first attempt's body tells it all */
		return 0;
	return db_run(db, "INSERT INTO bodies (event_id, body, completion) VALUES (?, ?, ?)",
		      DB_WITH(TEXT(id), BLOB(event->body ? event->body : "", event->body_len),
			      TEXT(event->completion)),
		      err);
}

int event_update(struct db *db, const char *id, const struct store_event *event,
		 const struct store_decision *decision, const struct verdict *verdict,
		 struct err *err)
{
	struct kept kept;

	keep(&kept, decision, verdict);
	const int rc = db_run(
	    db,
	    "UPDATE events SET status = ?, rule = ?, reason = ?, gate = ?,"
	    " targets = ?, group_id = ?, open = ?, verdict = ?, filter_rule = ?,"
	    " own_rule = ?"
	    " WHERE id = ?",
	    DB_WITH(TEXT(store_status_name(verdict->status)), TEXT(kept.rule), TEXT(kept.reason),
		    TEXT(kept.gate), TEXT(kept.targets), TEXT(group_of(id, verdict)),
		    INT(open_of(event, decision, verdict)), TEXT(decision->verdict),
		    TEXT(kept.filter_rule), TEXT(kept.own_rule), TEXT(id)),
	    err);
	drop(&kept);
	return rc;
}

/* ---- reading ---- */

/* What store_stored's pointers point to. */
struct loaded {
	struct store_stored stored; /* first: its address is this one's */
	char *texts[18];
	size_t text_count;
	void *body;
	const char **removed;
	json_t *removed_list;
};

static const char *take(struct loaded *loaded, sqlite3_stmt *row, int column)
{
	char *text = db_copy(row, column);

	return loaded->texts[loaded->text_count++] = text;
}

static int read_body(struct loaded *loaded, sqlite3_stmt *row, int column)
{
	const size_t len = (size_t)sqlite3_column_bytes(row, column);

	loaded->body = malloc(len + 1);
	if (!loaded->body)
		return -1;
	if (len > 0)
		memcpy(loaded->body, sqlite3_column_blob(row, column), len);
	((char *)loaded->body)[len] = '\0';
	loaded->stored.event.body = loaded->body;
	loaded->stored.event.body_len = len;
	return 0;
}

static int read_removed(struct loaded *loaded, sqlite3_stmt *row, int column)
{
	const char *text = db_text(row, column);
	struct err ignored;

	if (!text)
		return 0;
	loaded->removed_list = json_parse(text, strlen(text), &ignored);
	const size_t count = json_array_size(loaded->removed_list);
	loaded->removed = calloc(count + 1, sizeof(*loaded->removed));
	if (!loaded->removed)
		return -1;
	for (size_t i = 0; i < count; i++)
		loaded->removed[i] = json_string_value(json_array_get(loaded->removed_list, i));
	loaded->stored.event.removed_bots = loaded->removed;
	loaded->stored.event.removed_count = count;
	return 0;
}

static int read_row(struct loaded *loaded, sqlite3_stmt *row)
{
	struct store_event *event = &loaded->stored.event;
	const char **const texts[] = {
		&event->dedupe_key,   &event->name,	   &event->join_key,	&event->issue_id,
		&event->issue_key,    &event->issue_title, &event->issue_state, &event->project_id,
		&event->project_name, &event->bot_id,	   &event->bot_name,	&event->comment_id,
		&event->actor_id,     &event->ai_task_id,  &event->completion,	&event->delivery,
		&event->dispatch_id,
	};

	for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++)
		*texts[i] = take(loaded, row, i);
	event->source = word_to_source(db_text(row, 17));
	event->kind = word_to_kind(db_text(row, 18));
	event->ai_attempt = (int)db_int(row, 19);
	event->ai_max_attempts = (int)db_int(row, 20);
	event->at = db_int(row, 21);
	event->received_at = db_int(row, 22);
	loaded->stored.status = word_to_status(db_text(row, 23));
	text_copy(loaded->stored.id, ID_SIZE, db_text(row, 24));
	return read_removed(loaded, row, 25) < 0 || read_body(loaded, row, 26) < 0 ? -1 : 0;
}

int event_load(struct db *db, const char *id, struct store_stored **stored, struct err *err)
{
	sqlite3_stmt *row = db_start(
	    db,
	    "SELECT dedupe_key, name, join_key, issue_id, issue_key, issue_title, issue_state,"
	    " project_id, project_name, bot_id, bot_name, comment_id, actor_id, ai_task_id,"
	    " completion, delivery, (SELECT run_id FROM dispatches d WHERE d.event_id = events.id"
	    "  LIMIT 1), source, kind, ai_attempt, ai_max_attempts, at, received_at, status, id,"
	    " removed_bots, body FROM events JOIN bodies ON event_id = id WHERE id = ?",
	    DB_WITH(TEXT(id)), err);
	int rc = row ? db_step(db, row, err) : -1;

	if (rc == 0)
		return err_set(err, ERR_NOTFOUND, "there is no event %s", id);
	if (rc < 0)
		return -1;
	struct loaded *loaded = calloc(1, sizeof(*loaded));
	rc = loaded ? read_row(loaded, row) : -1;
	db_done(row);
	if (rc < 0) {
		store_stored_free(loaded ? &loaded->stored : NULL);
		return err_set(err, ERR_NOMEM, "no memory for an event");
	}
	*stored = &loaded->stored;
	return 0;
}

void store_stored_free(struct store_stored *stored)
{
	struct loaded *loaded = (struct loaded *)stored;

	if (!loaded)
		return;
	for (size_t i = 0; i < loaded->text_count; i++)
		free(loaded->texts[i]);
	free(loaded->body);
	free(loaded->removed);
	json_decref(loaded->removed_list);
	free(loaded);
}
