/*
 * The joining rules (openpr-contract 2.4, design 4.5, 4.8 - 4.10): which events are one piece of
 * work.  Everything here looks and decides; store/accept.c acts.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/internal.h"

#define PAIR_WINDOW                                                                                \
	5000 /* ms between the two events of one creation; also how far an AI task may lag */

struct ask {
	struct db *db;
	const struct store_event *event;
	const struct store_decision *decision;
	struct verdict *verdict;
};

/* Each rule: 1 when it has filled the verdict, 0 when it does not apply, -1. */
typedef int rule_fn(const struct ask *ask, struct err *err);

/* The query's first column is the group that stands for the event. */
static int join(const struct ask *ask, enum store_status status, const char *sql,
		struct db_values values, struct err *err)
{
	_cleanup_free_ char *group = NULL;
	const int rc = db_string(ask->db, sql, values, &group, err);

	if (rc != 1)
		return rc;
	*ask->verdict = (struct verdict){ .status = status };
	text_copy(ask->verdict->group_id, ID_SIZE, group);
	return 1;
}

static const char *bot_of(const struct store_event *event)
{
	return event->bot_id ? event->bot_id : "";
}

/* ---- AI tasks ---- */

static int ai_repeats(const struct ask *ask, struct err *err)
{
	if (!ask->event->ai_task_id)
		return 0;
	return join(ask, STATUS_DUPLICATE, "SELECT group_id FROM ai_tasks WHERE id = ?",
		    DB_WITH(TEXT(ask->event->ai_task_id)), err);
}

#define NEWEST_GROUP                                                                               \
	"SELECT event_id FROM tasks WHERE join_key = ? ORDER BY event_at DESC, id DESC LIMIT 1"

static int ai_joins(const struct ask *ask, struct err *err)
{
	return join(ask, STATUS_JOINED, NEWEST_GROUP, DB_WITH(TEXT(ask->event->join_key)), err);
}

/* The webhook events of an AI task's key, when all of them were ignored. */
#define IGNORED_EVENT                                                                              \
	"SELECT rule, reason FROM events e WHERE join_key = ?1 AND ai_task_id IS NULL"             \
	" AND NOT EXISTS (SELECT 1 FROM events o WHERE o.join_key = ?1"                            \
	"  AND o.ai_task_id IS NULL AND o.status <> 'ignored')"                                    \
	" ORDER BY at DESC, id DESC LIMIT 1"

static int ai_follows_ignored(const struct ask *ask, struct err *err)
{
	struct verdict *verdict = ask->verdict;
	sqlite3_stmt *row =
	    db_start(ask->db, IGNORED_EVENT, DB_WITH(TEXT(ask->event->join_key)), err);
	const int rc = row ? db_step(ask->db, row, err) : -1;

	if (rc != 1)
		return rc;
	*verdict = (struct verdict){ .status = STATUS_IGNORED };
	if (db_text(row, 0)) {
		text_copy(verdict->words[0], sizeof(verdict->words[0]), db_text(row, 0));
		verdict->rule = verdict->words[0];
	}
	if (db_text(row, 1)) {
		text_copy(verdict->words[1], sizeof(verdict->words[1]), db_text(row, 1));
		verdict->reason = verdict->words[1];
	}
	db_done(row);
	return 1;
}

/* ---- deliveries ---- */

/* A dispatch that carries a delivery which came as a webhook or in another dispatch, or a webhook
 * whose delivery a dispatch carried: the same work, however far it is. */
static int delivery_joins(const struct ask *ask, struct err *err)
{
	const struct store_event *event = ask->event;
	const char *delivery = event->dispatch_id ? event->delivery : event->dedupe_key;

	if (!delivery || ask->decision->action == ACTION_CANCEL)
		return 0;
	return join(ask, STATUS_JOINED,
		    "SELECT group_id FROM (SELECT group_id FROM events WHERE dedupe_key = ?1"
		    " UNION ALL SELECT group_id FROM events WHERE delivery = ?1)"
		    " WHERE group_id IS NOT NULL LIMIT 1",
		    DB_WITH(TEXT(delivery)), err);
}

/* ---- webhook events ---- */

static bool is_webhook(const struct ask *ask, enum store_kind kind)
{
	return ask->event->kind == kind && ask->event->join_key &&
	       ask->decision->action != ACTION_CANCEL;
}

static int mention_joins(const struct ask *ask, struct err *err)
{
	if (!is_webhook(ask, KIND_MENTION) && !is_webhook(ask, KIND_OTHER))
		return 0;
	return join(ask, STATUS_JOINED, NEWEST_GROUP, DB_WITH(TEXT(ask->event->join_key)), err);
}

/* No cancellation lies between the group's event and this one: after one, it is asked anew. */
#define NOT_TAKEN_BACK(since, until)                                                               \
	" AND NOT EXISTS (SELECT 1 FROM cancellations c WHERE c.issue_id = ?1"                     \
	"  AND c.bot_id IN (?2, '') AND c.at >= " since " AND c.at <= " until ")"

/* issue.created and issue.assigned of one creation, in either order. */
static int assignment_pairs(const struct ask *ask, struct err *err)
{
	const struct store_event *event = ask->event;
	const bool created = strcmp(event->name, "issue.created") == 0;

	if (!is_webhook(ask, KIND_ASSIGNMENT) ||
	    (!created && strcmp(event->name, "issue.assigned") != 0))
		return 0;
	return join(ask, STATUS_JOINED,
		    "SELECT p.group_id FROM events p WHERE p.join_key = ?3 AND p.name = ?4"
		    " AND p.group_id IS NOT NULL AND p.at BETWEEN ?5 - ?6 AND ?5 + ?6"
		    " AND EXISTS (SELECT 1 FROM tasks t WHERE t.event_id = p.group_id)"
		    " AND NOT EXISTS (SELECT 1 FROM events s WHERE s.group_id = p.group_id"
		    "  AND s.name = ?7)" NOT_TAKEN_BACK("p.at", "?5") " ORDER BY p.at DESC LIMIT 1",
		    DB_WITH(TEXT(event->issue_id), TEXT(bot_of(event)), TEXT(event->join_key),
			    TEXT(created ? "issue.assigned" : "issue.created"), INT(event->at),
			    INT(PAIR_WINDOW), TEXT(event->name)),
		    err);
}

/* The AI task of the same assignment came first. */
static int assignment_follows_ai(const struct ask *ask, struct err *err)
{
	const struct store_event *event = ask->event;

	if (!is_webhook(ask, KIND_ASSIGNMENT))
		return 0;
	return join(ask, STATUS_JOINED,
		    "SELECT g.id FROM events g WHERE g.id = (SELECT event_id FROM tasks"
		    "  WHERE join_key = ?3 ORDER BY event_at DESC, id DESC LIMIT 1)"
		    " AND g.ai_task_id IS NOT NULL AND ?4 <= g.received_at + ?5"
		    " AND NOT EXISTS (SELECT 1 FROM events j WHERE j.group_id = g.id"
		    "  AND j.ai_task_id IS NULL)" NOT_TAKEN_BACK("g.received_at", "?4"),
		    DB_WITH(TEXT(event->issue_id), TEXT(bot_of(event)), TEXT(event->join_key),
			    INT(event->at), INT(PAIR_WINDOW)),
		    err);
}

/* Somebody asks again for what has not begun yet. */
static int assignment_waits(const struct ask *ask, struct err *err)
{
	if (!is_webhook(ask, KIND_ASSIGNMENT) || ask->decision->action != ACTION_ACCEPT ||
	    strcmp(ask->event->name, "issue.assigned") != 0)
		return 0;
	return join(ask, STATUS_JOINED,
		    "SELECT event_id FROM tasks WHERE join_key = ?"
		    " AND state IN ('waiting', 'held') ORDER BY event_at DESC, id DESC LIMIT 1",
		    DB_WITH(TEXT(ask->event->join_key)), err);
}

/* At the same moment the event wins. */
static int is_taken_back(const struct ask *ask, struct err *err)
{
	const struct store_event *event = ask->event;
	int64_t found;

	if (!event->issue_id || ask->decision->action == ACTION_IGNORE ||
	    ask->decision->action == ACTION_CANCEL)
		return 0;
	const int rc = db_number(
	    ask->db,
	    "SELECT 1 FROM cancellations WHERE issue_id = ?"
	    " AND bot_id IN (?, '') AND at > ? LIMIT 1",
	    DB_WITH(TEXT(event->issue_id), TEXT(bot_of(event)), INT(event->at)), &found, err);
	if (rc == 1)
		*ask->verdict = (struct verdict){
			.status = STATUS_IGNORED,
			.rule = "cancelled since",
			.reason = "the bot was taken off the issue (or it was deleted) after this "
				  "event",
		};
	return rc;
}

/* ---- the decision itself ---- */

static int decision_stands(const struct ask *ask, struct err *err)
{
	static const enum store_status statuses[] = {
		[ACTION_ACCEPT] = STATUS_DISPATCHED, [ACTION_IGNORE] = STATUS_IGNORED,
		[ACTION_CANCEL] = STATUS_IGNORED,    [ACTION_HOLD] = STATUS_HELD,
		[ACTION_UNDECIDED] = STATUS_HELD,    [ACTION_NO_AGENT] = STATUS_NO_AGENT,
		[ACTION_DISABLED] = STATUS_DISABLED, [ACTION_OBSERVE] = STATUS_OBSERVED,
	};
	const struct store_decision *decision = ask->decision;

	if (decision->action == ACTION_ACCEPT && decision->target_count == 0)
		return err_set(err, ERR_CONFLICT, "an accepted event has no agent to run");
	*ask->verdict = (struct verdict){
		.status = statuses[decision->action],
		.rule = decision->rule,
		.reason = decision->reason,
		.gate = decision->gate,
		.make = decision->action == ACTION_ACCEPT,
		.by_decision = true,
	};
	return 1;
}

static int first_that_applies(rule_fn *const *rules, const struct ask *ask, struct err *err)
{
	int rc = 0;

	while (rc == 0 && *rules)
		rc = (*rules++)(ask, err);
	return rc < 0 ? -1 : 0;
}

int join_judge(struct db *db, const struct store_event *event,
	       const struct store_decision *decision, struct verdict *verdict, struct err *err)
{
	static rule_fn *const ai_task[] = { ai_repeats, ai_joins, ai_follows_ignored,
					    decision_stands, NULL };
	static rule_fn *const webhook[] = { delivery_joins,   mention_joins,
					    assignment_pairs, assignment_follows_ai,
					    assignment_waits, is_taken_back,
					    decision_stands,  NULL };
	const struct ask ask = { db, event, decision, verdict };

	return first_that_applies(event->ai_task_id ? ai_task : webhook, &ask, err);
}

int join_known(struct db *db, const char *ai_task_id, const char *join_key, struct err *err)
{
	static rule_fn *const rules[] = { ai_repeats, ai_joins, ai_follows_ignored, NULL };
	const struct store_event event = { .ai_task_id = ai_task_id, .join_key = join_key };
	struct verdict verdict = { .status = STATUS_HELD };
	const struct ask ask = { db, &event, NULL, &verdict };

	if (first_that_applies(rules, &ask, err) < 0)
		return -1;
	return verdict.status != STATUS_HELD;
}
