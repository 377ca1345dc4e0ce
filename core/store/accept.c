/*
 * Taking an event: one transaction that finds the first of its kind, decides by the joining rules
 * (store/join.c) and stores what follows.
 */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/internal.h"

/* ---- answers ---- */

int answer_runs(struct db *db, const char *group_id, struct store_answer *answer, struct err *err)
{
	sqlite3_stmt *row = db_start(
	    db, "SELECT agent, first_run_id FROM tasks WHERE event_id = ? ORDER BY position, id",
	    DB_WITH(TEXT(group_id)), err);
	int rc = row ? 1 : -1;

	answer->run_count = 0;
	while (rc == 1 && answer->run_count < STORE_TARGETS && (rc = db_step(db, row, err)) == 1) {
		struct store_run_ref *run = &answer->runs[answer->run_count++];
		text_copy(run->agent, sizeof(run->agent), db_text(row, 0));
		text_copy(run->run_id, sizeof(run->run_id), db_text(row, 1));
	}
	db_done(row);
	return rc < 0 ? -1 : 0;
}

static void fill_words(struct store_answer *answer, const char *rule, const char *reason,
		       const char *gate)
{
	text_copy(answer->rule, sizeof(answer->rule), rule);
	text_copy(answer->reason, sizeof(answer->reason), reason);
	text_copy(answer->gate, sizeof(answer->gate), gate);
}

/* An event that joined answers with the rule that made the tasks it joined. */
static int fill_from(struct db *db, const char *event_id, struct store_answer *answer,
		     struct err *err)
{
	sqlite3_stmt *row = db_start(db, "SELECT rule, reason, gate FROM events WHERE id = ?",
				     DB_WITH(TEXT(event_id)), err);
	const int rc = row ? db_step(db, row, err) : -1;

	if (rc == 1)
		fill_words(answer, db_text(row, 0), db_text(row, 1), db_text(row, 2));
	db_done(row);
	return rc < 0 ? -1 : 0;
}

static int answer_duplicate(struct db *db, const char *first_id, struct store_answer *answer,
			    struct err *err)
{
	sqlite3_stmt *row =
	    db_start(db, "SELECT status, group_id, rule, reason, gate FROM events WHERE id = ?",
		     DB_WITH(TEXT(first_id)), err);
	const int rc = row ? db_step(db, row, err) : -1;
	char group_id[ID_SIZE];

	if (rc != 1)
		return rc == 0 ? err_set(err, ERR_NOTFOUND, "there is no event %s", first_id) : -1;
	answer->status = STATUS_DUPLICATE;
	answer->first_status = word_to_status(db_text(row, 0));
	answer->first_was_taken =
	    answer->first_status == STATUS_DISPATCHED || answer->first_status == STATUS_JOINED;
	text_copy(group_id, sizeof(group_id), db_text(row, 1));
	fill_words(answer, db_text(row, 2), db_text(row, 3), db_text(row, 4));
	text_copy(answer->event_id, ID_SIZE, first_id);
	db_done(row);
	return group_id[0] ? answer_runs(db, group_id, answer, err) : 0;
}

/* ---- what follows ---- */

static int follow_repeat(struct txn *txn, const struct store_event *event,
			 struct store_answer *answer, struct err *err)
{
	_cleanup_free_ char *first = NULL;

	if (db_string(txn->db, "SELECT event_id FROM ai_tasks WHERE id = ?",
		      DB_WITH(TEXT(event->ai_task_id)), &first, err) < 0 ||
	    answer_duplicate(txn->db, first, answer, err) < 0)
		return -1;
	return ai_repeat(txn, event, err);
}

static int follow_join(struct txn *txn, const char *event_id, const struct store_event *event,
		       const struct store_decision *decision, const struct verdict *verdict,
		       struct store_answer *answer, struct err *err)
{
	const char *group_id = verdict->group_id;

	if (fill_from(txn->db, group_id, answer, err) < 0 ||
	    answer_runs(txn->db, group_id, answer, err) < 0)
		return -1;
	if (event->ai_task_id)
		return decision->quiet ? 0 : ai_link(txn, event_id, event, group_id, err);
	return db_run(txn->db,
		      "UPDATE tasks SET asked_at = max(asked_at, ?) WHERE event_id = ?"
		      " AND state <> 'ended'",
		      DB_WITH(INT(event->at), TEXT(group_id)), err);
}

static void would_run(const struct store_decision *decision, struct store_answer *answer)
{
	for (size_t i = 0; i < decision->target_count && i < STORE_TARGETS; i++)
		text_copy(answer->runs[i].agent, sizeof(answer->runs[i].agent),
			  decision->targets[i].agent);
	answer->run_count =
	    decision->target_count < STORE_TARGETS ? decision->target_count : STORE_TARGETS;
}

static int follow_decision(struct txn *txn, const char *event_id, const struct store_event *event,
			   const struct store_decision *decision, struct store_answer *answer,
			   struct err *err)
{
	switch (decision->action) {
	case ACTION_ACCEPT:
		if (task_make(txn, event_id, event, decision, err) < 0 ||
		    answer_runs(txn->db, event_id, answer, err) < 0)
			return -1;
		return event->ai_task_id && !decision->quiet
			   ? ai_link(txn, event_id, event, event_id, err)
			   : 0;
	case ACTION_CANCEL:
		return cancel_apply(txn, event, decision, &answer->cancelled, err);
	case ACTION_IGNORE:
		txn->no_wait = event->source != SOURCE_TUNNEL;
		return 0;
	case ACTION_UNDECIDED:
		txn->work = true;
		return 0;
	case ACTION_OBSERVE:
		would_run(decision, answer);
		return 0;
	default:
		return 0;
	}
}

static int follow(struct txn *txn, const char *event_id, const struct store_event *event,
		  const struct store_decision *decision, const struct verdict *verdict,
		  struct store_answer *answer, struct err *err)
{
	memset(answer, 0, sizeof(*answer));
	answer->status = verdict->status;
	text_copy(answer->event_id, ID_SIZE, event_id);
	fill_words(answer, verdict->rule, verdict->reason, verdict->gate);
	if (verdict->status == STATUS_DUPLICATE)
		return follow_repeat(txn, event, answer, err);
	if (verdict->status == STATUS_JOINED)
		return follow_join(txn, event_id, event, decision, verdict, answer, err);
	if (verdict->by_decision)
		return follow_decision(txn, event_id, event, decision, answer, err);
	return 0;
}

int accept_follow(struct txn *txn, const char *event_id, const struct store_event *event,
		  const struct store_decision *decision, const struct verdict *verdict,
		  struct store_answer *answer, struct err *err)
{
	if (follow(txn, event_id, event, decision, verdict, answer, err) < 0)
		return -1;
	return event->dispatch_id ? dispatch_settle(txn, event_id, err) : 0;
}

/* ---- the job ---- */

/* A decision of its own: the caller's need not outlive the call. */
struct decision_copy {
	struct store_decision decision;
	char *texts[5 + 2 * STORE_TARGETS];
};

struct acceptance {
	struct store_event event;
	struct decision_copy copy;
	struct store_answer answer;
	store_answer_fn *done;
	void *ctx;
};

static int copy_text(const char **slot, char **copy, const char *text)
{
	*copy = text ? strdup(text) : NULL;
	*slot = *copy;
	return text && !*copy ? -1 : 0;
}

static int copy_decision(struct decision_copy *copy, const struct store_decision *decision)
{
	int rc = 0;

	copy->decision = *decision;
	rc |= copy_text(&copy->decision.rule, &copy->texts[0], decision->rule);
	rc |= copy_text(&copy->decision.reason, &copy->texts[1], decision->reason);
	rc |= copy_text(&copy->decision.gate, &copy->texts[2], decision->gate);
	rc |= copy_text(&copy->decision.verdict, &copy->texts[3], decision->verdict);
	rc |= copy_text(&copy->decision.filter_rule, &copy->texts[4], decision->filter_rule);
	for (size_t i = 0; i < decision->target_count && i < STORE_TARGETS; i++)
		rc |= copy_text(&copy->decision.targets[i].agent, &copy->texts[5 + i],
				decision->targets[i].agent);
	for (size_t i = 0; i < decision->asked_count && i < STORE_TARGETS; i++)
		rc |= copy_text(&copy->decision.asked[i], &copy->texts[5 + STORE_TARGETS + i],
				decision->asked[i]);
	return rc;
}

static void free_acceptance(struct acceptance *acceptance)
{
	for (size_t i = 0; acceptance && i < 5 + 2 * STORE_TARGETS; i++)
		free(acceptance->copy.texts[i]);
	free(acceptance);
}

/* 1: this run_id was seen.  Its event may be forgotten, its row of the tunnel is not. */
static int find_dispatch(struct txn *txn, const char *run_id, struct store_answer *answer,
			 struct err *err)
{
	char event_id[ID_SIZE];
	const int rc = dispatch_repeat(txn, run_id, event_id, err);

	if (rc != 1)
		return rc;
	memset(answer, 0, sizeof(*answer));
	answer->status = STATUS_DUPLICATE;
	if (!event_id[0])
		return 1;
	return answer_duplicate(txn->db, event_id, answer, err) < 0 ? -1 : 1;
}

/* 1: this key was seen, the answer is filled. */
static int find_first(struct txn *txn, const struct store_event *event, struct store_answer *answer,
		      struct err *err)
{
	_cleanup_free_ char *first = NULL;

	if (event->dispatch_id)
		return find_dispatch(txn, event->dispatch_id, answer, err);
	/* A further attempt of an AI task answers as the first one that was taken. */
	const int rc = db_string(
	    txn->db,
	    "SELECT coalesce(CASE WHEN e.status = 'duplicate' THEN a.event_id END, e.id)"
	    " FROM events e LEFT JOIN ai_tasks a ON a.id = e.ai_task_id WHERE e.dedupe_key = ?",
	    DB_WITH(TEXT(event->dedupe_key)), &first, err);

	if (rc != 1)
		return rc;
	memset(answer, 0, sizeof(*answer));
	return answer_duplicate(txn->db, first, answer, err) < 0 ? -1 : 1;
}

static int accept_job(struct txn *txn, void *arg, struct err *err)
{
	struct acceptance *acceptance = arg;
	const struct store_event *event = &acceptance->event;
	const struct store_decision *decision = &acceptance->copy.decision;
	struct verdict verdict;
	char id[ID_SIZE];
	const int seen = find_first(txn, event, &acceptance->answer, err);

	if (seen != 0)
		return seen < 0 ? -1 : 0;
	id_make(id);
	if (join_judge(txn->db, event, decision, &verdict, err) < 0 ||
	    event_insert(txn->db, id, event, decision, &verdict, err) < 0 ||
	    (event->dispatch_id && dispatch_insert(txn, id, event, err) < 0))
		return -1;
	return accept_follow(txn, id, event, decision, &verdict, &acceptance->answer, err);
}

static void accepted(void *arg, int rc, const struct err *err)
{
	struct acceptance *acceptance = arg;

	acceptance->done(acceptance->ctx, rc, &acceptance->answer, err);
	free_acceptance(acceptance);
}

static size_t weight(const struct store_event *event)
{
	return sizeof(struct acceptance) + event->body_len +
	       (event->completion ? strlen(event->completion) : 0);
}

void store_accept(struct store *store, const struct store_event *event,
		  const struct store_decision *decision, store_answer_fn *answer, void *ctx)
{
	struct acceptance *acceptance = calloc(1, sizeof(*acceptance));
	struct err err;

	if (!store->writer) {
		err_set(&err, ERR_CONFLICT, "the queue is open for reading only");
	} else if (!acceptance || copy_decision(&acceptance->copy, decision) < 0) {
		err_set(&err, ERR_NOMEM, "no memory for an event");
	} else {
		acceptance->event = *event;
		acceptance->done = answer;
		acceptance->ctx = ctx;
		writer_post(store->writer, accept_job, accepted, acceptance, weight(event));
		return;
	}
	free_acceptance(acceptance);
	answer(ctx, -1, NULL, &err);
}

int store_accept_wait(struct store *store, const struct store_event *event,
		      const struct store_decision *decision, struct store_answer *answer,
		      struct err *err)
{
	struct acceptance acceptance = { .event = *event, .copy.decision = *decision };
	const int rc = store_write(store, accept_job, &acceptance, err);

	if (rc == 0)
		*answer = acceptance.answer;
	return rc;
}

bool store_ai_task_known(struct store *store, const char *ai_task_id, const char *join_key)
{
	struct err ignored;
	const int known = join_known(store_read_begin(store), ai_task_id, join_key, &ignored);

	store_read_end(store);
	return known == 1;
}
