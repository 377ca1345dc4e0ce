/*
 * kill -9 at any moment: what was answered is on disk, and the file is whole.  A child receives,
 * claims and starts in loops and tells what was answered over a pipe; the parent kills it and
 * looks.
 */

#include "helper.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 20

/* ---- the child ---- */

/* One line a fact, short enough to be written whole: "a EVENT RUN", "s RUN". */
static int tell;

static void say(const char *what, const char *first, const char *second)
{
	char line[128];
	const int len = snprintf(line, sizeof(line), "%s %s %s\n", what, first, second);

	if (write(tell, line, (size_t)len) != len)
		_exit(3);
}

static void *receive_for_ever(void *arg)
{
	struct store *store = arg;

	for (;;) {
		struct store_event event = webhook("x", KIND_NONE, NULL, T0);
		event.issue_id = event.dedupe_key;
		const struct store_decision decision = decide(ACTION_ACCEPT);
		struct store_answer answer;
		struct err err;
		if (store_accept_wait(store, &event, &decision, &answer, &err) < 0)
			_exit(4);
		say("a", answer.event_id, answer.runs[0].run_id);
	}
	return NULL;
}

static void *run_for_ever(void *arg)
{
	struct store *store = arg;
	struct store_task *task;
	struct err err;

	for (;;) {
		if (store_claim(store, clock_wall(), NULL, 0, &task, &err) < 0)
			_exit(5);
		if (!task)
			continue;
		say("c", task->run_id, "");
		if (store_started(store, task->run_id, clock_wall(), NULL, &err) < 0)
			_exit(6);
		say("s", task->run_id, "");
		store_task_free(task);
	}
	return NULL;
}

static void be_the_daemon(const char *path)
{
	struct store *store = NULL;
	struct err err;
	pthread_t threads[3];

	if (store_open(path, &store, &err) < 0)
		_exit(2);
	say("o", "", "");
	pthread_create(&threads[0], NULL, receive_for_ever, store);
	pthread_create(&threads[1], NULL, receive_for_ever, store);
	pthread_create(&threads[2], NULL, run_for_ever, store);
	pause();
	_exit(7);
}

/* ---- the parent ---- */

struct told {
	char runs[4096][ID_SIZE]; /* answered */
	char started[4096][ID_SIZE];
	size_t run_count, started_count;
};

static void remember(char list[][ID_SIZE], size_t *count, const char *id)
{
	if (*count < 4096)
		memcpy(list[(*count)++], id, ID_SIZE - 1);
}

static void read_told(FILE *from, struct told *told)
{
	char line[160], what[4], first[80], second[80];

	while (fgets(line, sizeof(line), from)) {
		if (line[strlen(line) - 1] != '\n')
			break;
		const int n = sscanf(line, "%3s %79s %79s", what, first, second);
		if (n == 3 && what[0] == 'a')
			remember(told->runs, &told->run_count, second);
		if (n >= 2 && what[0] == 's')
			remember(told->started, &told->started_count, first);
	}
}

/* Lets the child work for a while from its first answer on, and kills it. */
static void one_life(const char *path, int round, struct told *told)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	const pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		tell = ends[1];
		be_the_daemon(path);
	}
	close(ends[1]);
	char opened[4] = { 0 };
	assert_int_equal(read(ends[0], opened, 4), 4);
	usleep((useconds_t)(1000 + round * 7919 % 60000));
	assert_int_equal(kill(child, SIGKILL), 0);
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	FILE *from = fdopen(ends[0], "r");
	read_told(from, told);
	fclose(from);
}

static void assert_whole(struct store *store)
{
	struct db *db = store_read_begin(store);
	char *verdict = NULL;
	int64_t broken = 0;

	ok(db_string(db, "PRAGMA integrity_check", DB_NONE, &verdict, &err));
	assert_string_equal(verdict, "ok");
	free(verdict);
	ok(db_number(db, "SELECT count(*) FROM pragma_foreign_key_check", DB_NONE, &broken, &err));
	assert_int_equal(broken, 0);
	/* No half of a transaction: every task has its run, every event its body. */
	ok(db_number(
	    db,
	    "SELECT (SELECT count(*) FROM tasks WHERE run_id NOT IN (SELECT id FROM runs))"
	    " + (SELECT count(*) FROM events WHERE id NOT IN (SELECT event_id FROM bodies))"
	    " + (SELECT count(*) FROM events WHERE id NOT IN (SELECT event_id FROM tasks))",
	    DB_NONE, &broken, &err));
	assert_int_equal(broken, 0);
	store_read_end(store);
}

/* What had started was cut off, and counts; what was only claimed is as it was. */
static void assert_recovered(struct store *store)
{
	struct db *db = store_read_begin(store);
	int64_t wrong = -1;

	ok(db_number(db, "SELECT count(*) FROM tasks WHERE state IN ('claimed', 'running')",
		     DB_NONE, &wrong, &err));
	assert_int_equal(wrong, 0);
	ok(db_number(
	    db,
	    "SELECT count(*) FROM tasks t WHERE t.counted <> (SELECT count(*) FROM runs r"
	    " WHERE r.task_id = t.id AND r.outcome = 'interrupted') AND t.state <> 'ended'",
	    DB_NONE, &wrong, &err));
	assert_int_equal(wrong, 0);
	ok(db_number(db,
		     "SELECT count(*) FROM runs WHERE outcome = 'interrupted'"
		     " AND started_at IS NULL",
		     DB_NONE, &wrong, &err));
	assert_int_equal(wrong, 0);
	store_read_end(store);
}

static void nothing_answered_is_lost(void **state)
{
	struct place *place = *state;
	struct told *told = calloc(1, sizeof(*told));
	size_t count;

	for (int round = 0; round < ROUNDS; round++) {
		store_close(place->store);
		place->store = NULL;
		one_life(place->path, round, told);
		ok(store_open(place->path, &place->store, &err));
		for (size_t i = 0; i < told->run_count; i++)
			json_decref(show(place->store, told->runs[i]));
		ok(store_recover(place->store, 1000, &count, &err));
		for (size_t i = 0; i < told->started_count; i++)
			assert_string_equal(shown(place->store, told->started[i], "outcome"),
					    "interrupted");
		assert_whole(place->store);
		assert_recovered(place->store);
		told->run_count = told->started_count = 0;
	}
	/* The rounds really worked. */
	assert_true(count_runs(place->store) > ROUNDS);
	free(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = { place_test(nothing_answered_is_lost) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
