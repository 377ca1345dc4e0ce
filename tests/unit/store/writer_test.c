/* The writer: what is isolated in a batch, when it answers, bounds. */

#include "helper.h"

#include <pthread.h>

/* ---- answers ---- */

struct mailbox {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t answers, failures, dispatched;
	enum err_code last_code;
};

#define EMPTY_MAILBOX                                                                              \
	{                                                                                          \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0                    \
	}

static void post_answer(void *ctx, int rc, const struct store_answer *answer, const struct err *err)
{
	struct mailbox *mailbox = ctx;

	pthread_mutex_lock(&mailbox->lock);
	mailbox->answers++;
	mailbox->failures += rc < 0;
	mailbox->dispatched += rc == 0 && answer->status == STATUS_DISPATCHED;
	if (rc < 0)
		mailbox->last_code = err->code;
	pthread_cond_broadcast(&mailbox->changed);
	pthread_mutex_unlock(&mailbox->lock);
}

static void wait_for(struct mailbox *mailbox, size_t answers)
{
	pthread_mutex_lock(&mailbox->lock);
	while (mailbox->answers < answers)
		pthread_cond_wait(&mailbox->changed, &mailbox->lock);
	pthread_mutex_unlock(&mailbox->lock);
}

/* Keeps the writer busy until told. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool entered, open;
	pthread_t thread;
	struct store *store;
};

static int wait_at_gate(struct txn *txn, void *arg, struct err *err)
{
	struct gate *gate = arg;

	(void)txn;
	(void)err;
	pthread_mutex_lock(&gate->lock);
	gate->entered = true;
	pthread_cond_broadcast(&gate->changed);
	while (!gate->open)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
	return 0;
}

static void *run_gate(void *arg)
{
	struct gate *gate = arg;
	struct err err;

	store_write(gate->store, wait_at_gate, gate, &err);
	return NULL;
}

static void close_gate(struct gate *gate, struct store *store)
{
	*gate = (struct gate){ .lock = PTHREAD_MUTEX_INITIALIZER,
			       .changed = PTHREAD_COND_INITIALIZER,
			       .store = store };
	assert_int_equal(pthread_create(&gate->thread, NULL, run_gate, gate), 0);
	pthread_mutex_lock(&gate->lock);
	while (!gate->entered)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

static void let_through(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->open = true;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

static void open_gate(struct gate *gate)
{
	let_through(gate);
	pthread_join(gate->thread, NULL);
}

static void nobody_waits(void *arg, int rc, const struct err *err)
{
	(void)arg;
	(void)rc;
	(void)err;
}

/* ---- batches ---- */

/* Events of one batch: all answered after one COMMIT, a refused one (nobody to run it) alone. */
static void a_bad_job_fails_alone(void **state)
{
	struct store *store = store_of(state);
	struct mailbox mailbox = EMPTY_MAILBOX;
	struct store_event events[20];
	struct store_decision good = decide(ACTION_ACCEPT), bad = decide(ACTION_ACCEPT);
	struct gate gate;

	bad.target_count = 0;
	close_gate(&gate, store);
	for (int i = 0; i < 20; i++) {
		events[i] = webhook("x", KIND_NONE, NULL, T0);
		store_accept(store, &events[i], i % 4 == 0 ? &bad : &good, post_answer, &mailbox);
	}
	open_gate(&gate);
	wait_for(&mailbox, 20);
	assert_int_equal(mailbox.failures, 5);
	assert_int_equal(mailbox.dispatched, 15);
	assert_int_equal(count_runs(store), 15);
	assert_true(store_healthy(store));
}

/* A batch that stands still before its COMMIT: only what was ignored has its answer. */
static void work_is_answered_after_its_commit(void **state)
{
	struct store *store = store_of(state);
	struct mailbox ignored = EMPTY_MAILBOX, taken = EMPTY_MAILBOX;
	struct store_event first = webhook("x", KIND_NONE, NULL, T0);
	struct store_event second = assigned(T0);
	const struct store_decision no = decide(ACTION_IGNORE), yes = decide(ACTION_ACCEPT);
	struct gate before, within;

	close_gate(&before, store);
	store_accept(store, &first, &no, post_answer, &ignored);
	store_accept(store, &second, &yes, post_answer, &taken);
	within = (struct gate){ .lock = PTHREAD_MUTEX_INITIALIZER,
				.changed = PTHREAD_COND_INITIALIZER,
				.store = store };
	writer_post(store->writer, wait_at_gate, nobody_waits, &within, 0);
	open_gate(&before);
	pthread_mutex_lock(&within.lock);
	while (!within.entered)
		pthread_cond_wait(&within.changed, &within.lock);
	pthread_mutex_unlock(&within.lock);

	wait_for(&ignored, 1);
	pthread_mutex_lock(&taken.lock);
	assert_int_equal(taken.answers, 0);
	pthread_mutex_unlock(&taken.lock);
	assert_int_equal(count_runs(store), 0);
	let_through(&within);
	wait_for(&taken, 1);
	assert_int_equal(count_runs(store), 1);
}

/* The caller's decision is on a stack that is gone when the writer comes to it. */
static void the_decision_is_copied(void **state)
{
	struct store *store = store_of(state);
	struct mailbox mailbox = EMPTY_MAILBOX;
	struct store_event event = assigned(T0);
	struct gate gate;
	char rule[16] = "fleeting";

	close_gate(&gate, store);
	{
		struct store_decision decision = decide(ACTION_ACCEPT);
		decision.rule = rule;
		store_accept(store, &event, &decision, post_answer, &mailbox);
		memset(&decision, 0xff, sizeof(decision));
		memset(rule, 'x', sizeof(rule) - 1);
	}
	open_gate(&gate);
	wait_for(&mailbox, 1);
	struct store_task *task = claim(store, clock_wall());
	assert_string_equal(task->rule, "fleeting");
	store_task_free(task);
}

struct counted {
	atomic_int wakes;
};

static void count_wake(void *ctx)
{
	atomic_fetch_add(&((struct counted *)ctx)->wakes, 1);
}

static void work_wakes_and_nothing_else_does(void **state)
{
	struct store *store = store_of(state);
	struct counted counted;

	atomic_init(&counted.wakes, 0);
	store_on_work(store, count_wake, &counted);
	receive(store, webhook("x", KIND_NONE, NULL, T0), ACTION_IGNORE);
	receive(store, webhook("x", KIND_NONE, NULL, T0), ACTION_HOLD);
	struct store_task *none = claim(store, clock_wall());
	assert_null(none);
	store_on_work(store, count_wake, &counted); /* waits for a wake that is under way */
	assert_int_equal(atomic_load(&counted.wakes), 0);

	receive(store, assigned(T0), ACTION_ACCEPT);
	ok(store_write(store, wait_at_gate,
		       &(struct gate){ .lock = PTHREAD_MUTEX_INITIALIZER,
				       .changed = PTHREAD_COND_INITIALIZER,
				       .open = true },
		       &err));
	store_on_work(store, NULL, NULL);
	assert_int_equal(atomic_load(&counted.wakes), 1);
	receive(store, assigned(T0 + 60000), ACTION_ACCEPT);
	assert_int_equal(atomic_load(&counted.wakes), 1);
}

/* ---- bounds ---- */

static void too_many_waiting_events_are_refused_at_once(void **state)
{
	struct store *store = store_of(state);
	struct mailbox mailbox = EMPTY_MAILBOX;
	const struct store_decision decision = decide(ACTION_IGNORE);
	struct store_event *events = calloc(WRITER_JOBS + 10, sizeof(*events));
	char(*keys)[32] = calloc(WRITER_JOBS + 10, sizeof(*keys));
	struct gate gate;

	close_gate(&gate, store);
	for (int i = 0; i < WRITER_JOBS + 10; i++) {
		events[i] = webhook("x", KIND_NONE, NULL, T0);
		snprintf(keys[i], sizeof(keys[i]), "delivery:%d", i);
		events[i].dedupe_key = keys[i];
		store_accept(store, &events[i], &decision, post_answer, &mailbox);
	}
	pthread_mutex_lock(&mailbox.lock);
	assert_int_equal(mailbox.answers, 10);
	assert_int_equal(mailbox.failures, 10);
	assert_int_equal(mailbox.last_code, ERR_FULL);
	pthread_mutex_unlock(&mailbox.lock);
	open_gate(&gate);
	wait_for(&mailbox, WRITER_JOBS + 10);
	assert_int_equal(mailbox.failures, 10);
	assert_int_equal(receive(store, assigned(T0), ACTION_ACCEPT).status, STATUS_DISPATCHED);
	free(events);
	free(keys);
}

static void too_many_waiting_bytes_are_refused_at_once(void **state)
{
	struct store *store = store_of(state);
	struct mailbox mailbox = EMPTY_MAILBOX;
	const struct store_decision decision = decide(ACTION_IGNORE);
	const size_t size = WRITER_BYTES / 8;
	char *body = calloc(1, size); /* shared: only what is said to be held counts */
	struct store_event events[9];
	struct gate gate;

	close_gate(&gate, store);
	for (int i = 0; i < 9; i++) {
		events[i] = webhook("x", KIND_NONE, NULL, T0);
		events[i].body = body;
		events[i].body_len = i < 8 ? size : 11;
		if (i < 8)
			store_accept(store, &events[i], &decision, post_answer, &mailbox);
	}
	assert_int_equal(mailbox.answers,
			 1); /* the eighth: each holds a little more than its body */
	assert_int_equal(mailbox.last_code, ERR_FULL);
	store_accept(store, &events[8], &decision, post_answer, &mailbox); /* a small one fits */
	assert_int_equal(mailbox.answers, 1);
	open_gate(&gate);
	wait_for(&mailbox, 9);
	assert_int_equal(mailbox.failures, 1);
	free(body);
}

/* What was given before closing is answered before it returns. */
static void closing_answers_what_waits(void **state)
{
	struct place *place = *state;
	struct mailbox mailbox = EMPTY_MAILBOX;
	struct store_event events[300];
	const struct store_decision decision = decide(ACTION_HOLD);
	char keys[300][32];

	for (int i = 0; i < 300; i++) {
		events[i] = webhook("x", KIND_NONE, NULL, T0);
		snprintf(keys[i], sizeof(keys[i]), "delivery:%d", i);
		events[i].dedupe_key = keys[i];
		store_accept(place->store, &events[i], &decision, post_answer, &mailbox);
	}
	store_close(place->store);
	assert_int_equal(mailbox.answers, 300);
	assert_int_equal(mailbox.failures, 0);
	ok(store_open(place->path, &place->store, &err));
	assert_int_equal(count_of(place->store, "held"), 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(a_bad_job_fails_alone),
		place_test(work_is_answered_after_its_commit),
		place_test(the_decision_is_copied),
		place_test(work_wakes_and_nothing_else_does),
		place_test(too_many_waiting_events_are_refused_at_once),
		place_test(too_many_waiting_bytes_are_refused_at_once),
		place_test(closing_answers_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
