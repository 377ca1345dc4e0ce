#include "store/migrate.h"

/*
 * Version 1.
 *
 * events   every verified POST, with its decision.  group_id is the event whose tasks stand for
 * this one (itself when it made them).  open: 1 releasable, 2 not decided yet.  slim: its body and
 * texts are gone (store/prune.c). bodies   apart from the events, so that looking at events does
 * not read through them. tasks    one piece of work for one agent.  event_at orders them; asked_at
 * is the newest event that asks for it (a cancellation older than that leaves it alone).  due: not
 * before; run_id: the run that is next, alive or last.  counted: runs cut off by a crash of ours.
 * mute: its issue is gone, nothing is written there. runs     one attempt at a task. reports  the
 * outbox.  lane: rows of one lane go out in the order of (seq, sub); calls take the seq of the row
 * they were made from.  done_at: NULL while it is owed.  unsure: an earlier send may have arrived.
 * ai_tasks OpenPR's tasks that are linked to a group; kept for ever.
 * cancellations  what was taken back for (issue, bot; '' for every bot), and when.
 */
static const char version_1[] =
    "CREATE TABLE probe (id INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;"

    "CREATE TABLE events ("
    " id TEXT PRIMARY KEY NOT NULL, dedupe_key TEXT NOT NULL UNIQUE,"
    " source TEXT NOT NULL CHECK (source IN ('webhook', 'ai_task', 'tunnel')),"
    " name TEXT NOT NULL,"
    " kind TEXT NOT NULL CHECK (kind IN ('none', 'assignment', 'mention', 'other')),"
    " join_key TEXT, issue_id TEXT, issue_key TEXT, issue_title TEXT, issue_state TEXT,"
    " project_id TEXT, project_name TEXT, bot_id TEXT, bot_name TEXT, comment_id TEXT,"
    " actor_id TEXT, ai_task_id TEXT, ai_attempt INTEGER NOT NULL,"
    " ai_max_attempts INTEGER NOT NULL, removed_bots TEXT,"
    " at INTEGER NOT NULL, received_at INTEGER NOT NULL,"
    " status TEXT NOT NULL CHECK (status IN ('dispatched', 'joined', 'held', 'ignored',"
    "  'duplicate', 'observed', 'no_agent', 'disabled')),"
    " rule TEXT, reason TEXT, gate TEXT, targets TEXT, group_id TEXT,"
    " open INTEGER NOT NULL, slim INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX events_join ON events (join_key, at) WHERE join_key IS NOT NULL;"
    "CREATE INDEX events_ai ON events (ai_task_id) WHERE ai_task_id IS NOT NULL;"
    "CREATE INDEX events_group ON events (group_id) WHERE group_id IS NOT NULL;"
    "CREATE INDEX events_open ON events (open, received_at, id) WHERE open > 0;"
    "CREATE INDEX events_open_issue ON events (issue_id) WHERE open > 0;"
    "CREATE INDEX events_received ON events (received_at, id);"
    "CREATE INDEX events_status ON events (status, received_at, id);"
    "CREATE INDEX events_whole ON events (received_at) WHERE slim = 0;"
    "CREATE INDEX events_slim ON events (received_at)"
    " WHERE slim = 1 AND ai_task_id IS NULL AND (join_key IS NULL OR status = 'joined');"

    "CREATE TABLE bodies ("
    " event_id TEXT PRIMARY KEY NOT NULL REFERENCES events (id) ON DELETE CASCADE,"
    " body BLOB NOT NULL, completion TEXT) STRICT;"

    "CREATE TABLE tasks ("
    " id TEXT PRIMARY KEY NOT NULL, event_id TEXT NOT NULL REFERENCES events (id),"
    " position INTEGER NOT NULL, join_key TEXT, issue_id TEXT, bot_id TEXT,"
    " agent TEXT NOT NULL, timeout INTEGER NOT NULL,"
    " state TEXT NOT NULL"
    "  CHECK (state IN ('waiting', 'claimed', 'running', 'held', 'ended')),"
    " event_at INTEGER NOT NULL, asked_at INTEGER NOT NULL, due INTEGER NOT NULL,"
    " note TEXT, run_id TEXT NOT NULL, first_run_id TEXT NOT NULL, attempt INTEGER NOT NULL,"
    " counted INTEGER NOT NULL DEFAULT 0, cancel TEXT, mute INTEGER NOT NULL DEFAULT 0,"
    " start_reported INTEGER NOT NULL DEFAULT 0, outcome TEXT,"
    " created_at INTEGER NOT NULL, ended_at INTEGER,"
    " pruned INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX tasks_event ON tasks (event_id);"
    "CREATE INDEX tasks_join ON tasks (join_key, event_at) WHERE join_key IS NOT NULL;"
    "CREATE INDEX tasks_issue ON tasks (issue_id) WHERE issue_id IS NOT NULL;"
    "CREATE INDEX tasks_waiting ON tasks (event_at, position, id) WHERE state = 'waiting';"
    "CREATE INDEX tasks_waiting_issue ON tasks (issue_id, event_at, position, id)"
    " WHERE state = 'waiting';"
    "CREATE INDEX tasks_due ON tasks (due) WHERE state = 'waiting' AND due > 0;"
    "CREATE INDEX tasks_busy ON tasks (issue_id) WHERE state IN ('claimed', 'running');"
    "CREATE INDEX tasks_held ON tasks (event_id) WHERE state = 'held';"
    "CREATE INDEX tasks_whole ON tasks (ended_at) WHERE state = 'ended' AND pruned = 0;"

    "CREATE TABLE runs ("
    " id TEXT PRIMARY KEY NOT NULL,"
    " task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE, attempt INTEGER NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('waiting', 'claimed', 'running', 'ended')),"
    " outcome TEXT, created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER,"
    " duration INTEGER, exit_code INTEGER, signal INTEGER, session_id TEXT,"
    " input_tokens INTEGER, output_tokens INTEGER, cost_usd REAL,"
    " truncated INTEGER NOT NULL DEFAULT 0, log_path TEXT, cause TEXT, final_text TEXT,"
    " tail TEXT) STRICT;"
    "CREATE INDEX runs_task ON runs (task_id);"
    "CREATE INDEX runs_created ON runs (created_at, id);"

    "CREATE TABLE reports ("
    " id TEXT PRIMARY KEY NOT NULL,"
    " task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE, run_id TEXT NOT NULL,"
    " lane TEXT NOT NULL, seq INTEGER NOT NULL, sub INTEGER NOT NULL,"
    " kind TEXT NOT NULL"
    "  CHECK (kind IN ('format', 'comment', 'state', 'ai_complete', 'ai_fail')),"
    " started INTEGER NOT NULL, issue_id TEXT, bot_id TEXT, bot_name TEXT, ai_task_id TEXT,"
    " state TEXT NOT NULL"
    "  CHECK (state IN ('pending', 'sending', 'expanded', 'delivered', 'dropped', 'dead')),"
    " attempts INTEGER NOT NULL DEFAULT 0, unsure INTEGER NOT NULL DEFAULT 0,"
    " next_at INTEGER NOT NULL, why TEXT, created_at INTEGER NOT NULL, done_at INTEGER,"
    " text TEXT) STRICT;"
    "CREATE UNIQUE INDEX reports_order ON reports (seq, sub);"
    "CREATE INDEX reports_due ON reports (next_at, seq, sub) WHERE state = 'pending';"
    "CREATE INDEX reports_lane ON reports (lane, seq, sub) WHERE done_at IS NULL;"
    "CREATE INDEX reports_sending ON reports (id) WHERE state = 'sending';"
    "CREATE INDEX reports_dead ON reports (task_id) WHERE state = 'dead';"
    "CREATE INDEX reports_task ON reports (task_id, run_id);"
    "CREATE INDEX reports_ai ON reports (ai_task_id) WHERE ai_task_id IS NOT NULL;"
    "CREATE INDEX reports_state ON reports (issue_id, done_at)"
    " WHERE kind = 'state' AND state = 'delivered';"

    "CREATE TABLE ai_tasks ("
    " id TEXT PRIMARY KEY NOT NULL, event_id TEXT NOT NULL, group_id TEXT NOT NULL,"
    " bot_id TEXT, bot_name TEXT, attempt INTEGER NOT NULL, max_attempts INTEGER NOT NULL,"
    " linked_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX ai_tasks_group ON ai_tasks (group_id);"

    "CREATE TABLE cancellations ("
    " issue_id TEXT NOT NULL, bot_id TEXT NOT NULL, at INTEGER NOT NULL,"
    " gone INTEGER NOT NULL, PRIMARY KEY (issue_id, bot_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX cancellations_at ON cancellations (at);";

/*
 * Version 2.
 *
 * events.delivery  the delivery that a dispatch of the tunnel carried, as the webhook's dedupe key.
 * dispatches  what the control plane asked for by run_id, and what it is owed: the ack while
 * acked_at is NULL, the result while it is there and told_at is NULL.  event_id NULL: cancelled
 * before it came.  ack_seq and result_seq order what is told and never repeat.  Kept for ever, so
 * that no run_id runs twice; slim: its texts are gone (store/prune.c).
 */
static const char version_2[] =
    "ALTER TABLE events ADD COLUMN delivery TEXT;"
    "CREATE INDEX events_delivery ON events (delivery) WHERE delivery IS NOT NULL;"

    "CREATE TABLE dispatches ("
    " run_id TEXT PRIMARY KEY NOT NULL, event_id TEXT, issue_id TEXT,"
    " ack_seq INTEGER NOT NULL, acked_at INTEGER, result TEXT, result_seq INTEGER,"
    " told_at INTEGER, created_at INTEGER NOT NULL, slim INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX dispatches_event ON dispatches (event_id) WHERE event_id IS NOT NULL;"
    "CREATE UNIQUE INDEX dispatches_ack ON dispatches (ack_seq);"
    "CREATE UNIQUE INDEX dispatches_result ON dispatches (result_seq)"
    " WHERE result_seq IS NOT NULL;"
    "CREATE INDEX dispatches_unacked ON dispatches (ack_seq) WHERE acked_at IS NULL;"
    "CREATE INDEX dispatches_untold ON dispatches (result_seq)"
    " WHERE result IS NOT NULL AND told_at IS NULL;"
    "CREATE INDEX dispatches_open ON dispatches (created_at, run_id) WHERE result IS NULL;"
    "CREATE INDEX dispatches_whole ON dispatches (told_at)"
    " WHERE slim = 0 AND told_at IS NOT NULL;";

/* Version 3: what the policies said of an event, whatever came of it; NULL for older ones. */
static const char version_3[] = "ALTER TABLE events ADD COLUMN verdict TEXT;"
				"ALTER TABLE events ADD COLUMN filter_rule TEXT;"
				"ALTER TABLE events ADD COLUMN own_rule TEXT;";

/*
 * Version 4: agents behind HTTP, which know a piece of work again by a key of ours.
 *
 * tasks.key     the run by whose id they know it: the first of those that took each other's place
 * after a crash.  put_off, put_off_at: how often they have not taken it, and since when.
 */
static const char version_4[] = "ALTER TABLE tasks ADD COLUMN key TEXT;"
				"UPDATE tasks SET key = run_id;"
				"ALTER TABLE tasks ADD COLUMN put_off INTEGER NOT NULL DEFAULT 0;"
				"ALTER TABLE tasks ADD COLUMN put_off_at INTEGER;"
				"CREATE INDEX tasks_put_off ON tasks (issue_id, agent, due)"
				" WHERE state = 'waiting' AND put_off > 0;";

/* Version 5: how long the oldest report has been owed is asked every second. */
static const char version_5[] =
    "CREATE INDEX reports_owed ON reports (created_at) WHERE done_at IS NULL;";

/*
 * Version 6: custom agents.
 *
 * tasks.plan    JSON: what its handler wants done, and how much of it is; kept over a crash, so
 * that what was done is not done again.
 */
static const char version_6[] = "ALTER TABLE tasks ADD COLUMN plan TEXT;";

static const char *const versions[] = { version_1, version_2, version_3,
					version_4, version_5, version_6 };

const struct migrations migrate_known = { .sql = versions,
					  .count = sizeof(versions) / sizeof(versions[0]) };
