/* Opening and closing: folders, permissions, files that are not ours, readers. */

#include "helper.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void write_file(const char *path, const void *bytes, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static size_t read_file(const char *path, char bytes[8192])
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	const size_t len = fread(bytes, 1, 8192, file);
	fclose(file);
	return len;
}

static void run_sql(const char *path, const char *sql)
{
	struct db *db = NULL;

	ok(db_open(path, true, &db, &err));
	ok(db_script(db, sql, &err));
	db_close(db);
}

/* ---- files ---- */

static void files_are_private_and_folders_are_made(void **state)
{
	struct place *place = *state;
	struct store *store = NULL;
	char path[160], part[160];

	snprintf(path, sizeof(path), "%s/a/b/queue.db", place->folder);
	const mode_t before = umask(0);
	ok(store_open(path, &store, &err));
	receive(store, assigned(T0), ACTION_ACCEPT);
	umask(before);
	static const char *const files[] = { "queue.db", "queue.db-wal", "queue.db-shm",
					     "queue.db.lock" };
	for (int i = 0; i < 4; i++) {
		snprintf(part, sizeof(part), "%s/a/b/%s", place->folder, files[i]);
		assert_int_equal(mode_of(part), 0600);
	}
	snprintf(part, sizeof(part), "%s/a", place->folder);
	assert_int_equal(mode_of(part), 0700);
	snprintf(part, sizeof(part), "%s/a/b", place->folder);
	assert_int_equal(mode_of(part), 0700);
	store_close(store);
	place_remove(part);
	snprintf(part, sizeof(part), "%s/a", place->folder);
	rmdir(part);
}

static void an_open_file_is_made_private(void **state)
{
	struct place *place = *state;

	close_store(state);
	assert_int_equal(chmod(place->path, 0644), 0);
	ok(store_open(place->path, &place->store, &err));
	assert_int_equal(mode_of(place->path), 0600);
}

static void a_folder_is_no_file(void **state)
{
	struct place *place = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/queue.db", place->folder);
	close_store(state);
	place_remove(place->folder);
	assert_int_equal(mkdir(place->folder, 0700), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	refused_naming(path, ERR_INVALID, path);
	rmdir(path);
}

/* No descriptor of ours is left to a program that is started without care. */
static void every_descriptor_closes_on_exec(void **state)
{
	receive(store_of(state), assigned(T0), ACTION_ACCEPT);
	for (int fd = 3; fd < 64; fd++) {
		const int flags = fcntl(fd, F_GETFD);
		char link[64], target[160] = { 0 };
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (flags >= 0 && readlink(link, target, sizeof(target) - 1) > 0 &&
		    strstr(target, "opw-store-"))
			assert_true(flags & FD_CLOEXEC);
	}
}

static void everything_is_there_after_closing(void **state)
{
	struct place *place = *state;
	const struct store_answer answer = receive(place->store, assigned(T0), ACTION_ACCEPT);

	close_store(state);
	ok(store_open(place->path, &place->store, &err));
	struct store_task *task = claim(place->store, clock_wall());
	assert_string_equal(task->run_id, answer.runs[0].run_id);
	store_task_free(task);
}

static int64_t pragma(struct store *store, const char *sql)
{
	int64_t number = -1;
	struct db *db = store_read_begin(store);

	ok(db_number(db, sql, DB_NONE, &number, &err));
	store_read_end(store);
	return number;
}

static void the_file_has_our_marks(void **state)
{
	struct store *store = store_of(state);

	assert_int_equal(pragma(store, "PRAGMA application_id"), 0x4f505751);
	assert_int_equal(pragma(store, "PRAGMA user_version"), migrate_known.count);
	assert_int_equal(pragma(store, "PRAGMA auto_vacuum"), 2);
}

static int durable(struct txn *txn, void *arg, struct err *err)
{
	int64_t *numbers = arg;

	return db_number(txn->db, "PRAGMA synchronous", DB_NONE, &numbers[0], err) < 0 ||
		       db_number(txn->db, "PRAGMA foreign_keys", DB_NONE, &numbers[1], err) < 0 ||
		       db_number(txn->db, "PRAGMA trusted_schema", DB_NONE, &numbers[2], err) < 0
		   ? -1
		   : 0;
}

static void the_writer_is_durable(void **state)
{
	int64_t numbers[3] = { -1, -1, -1 };

	ok(store_write(store_of(state), durable, numbers, &err));
	assert_int_equal(numbers[0], 2); /* FULL */
	assert_int_equal(numbers[1], 1);
	assert_int_equal(numbers[2], 0);
}

/* ---- files that are not ours ---- */

static void a_newer_database_is_refused_and_left_alone(void **state)
{
	struct place *place = *state;
	struct err why;

	close_store(state);
	run_sql(place->path, "PRAGMA user_version = 999");
	refused_naming(place->path, ERR_CONFLICT, "999");
	char ours[16];
	snprintf(ours, sizeof(ours), "to %d", migrate_known.count);
	refused_naming(place->path, ERR_CONFLICT, ours);
	refused_naming(place->path, ERR_CONFLICT, place->path);
	struct store *reader = NULL;
	assert_int_equal(store_open_reader(place->path, &reader, &why), -1);
	assert_non_null(strstr(why.text, "999"));
	char back[40];
	snprintf(back, sizeof(back), "PRAGMA user_version = %d", migrate_known.count);
	run_sql(place->path, back);
	ok(store_open(place->path, &place->store, &err));
}

static void garbage_is_refused(void **state)
{
	struct place *place = *state;
	char garbage[8192];

	close_store(state);
	place_remove(place->folder);
	assert_int_equal(mkdir(place->folder, 0700), 0);
	memset(garbage, 'g', sizeof(garbage));
	write_file(place->path, garbage, sizeof(garbage));
	refused_naming(place->path, ERR_INVALID, place->path);
}

static void damage_is_refused(void **state)
{
	struct place *place = *state;
	char page[4096];

	for (int i = 0; i < 50; i++)
		receive(place->store, webhook("x", KIND_NONE, NULL, T0), ACTION_ACCEPT);
	close_store(state);
	memset(page, 0x5a, sizeof(page));
	const int fd = open(place->path, O_WRONLY);
	for (off_t at = 4096; at < 40 * 4096; at += 2 * 4096)
		assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
	close(fd);
	refused_naming(place->path, ERR_INVALID, place->path);
}

static void another_program_s_database_is_refused(void **state)
{
	struct place *place = *state;

	close_store(state);
	place_remove(place->folder);
	assert_int_equal(mkdir(place->folder, 0700), 0);
	run_sql(place->path, "CREATE TABLE theirs (x)");
	assert_int_equal(chmod(place->path, 0640), 0);
	char before[8192], after[8192];
	const size_t size = read_file(place->path, before);
	refused_naming(place->path, ERR_INVALID, "another program");
	assert_int_equal(read_file(place->path, after), size);
	assert_memory_equal(after, before, size);
	assert_int_equal(mode_of(place->path), 0640);
}

static void an_empty_file_is_taken(void **state)
{
	struct place *place = *state;

	close_store(state);
	place_remove(place->folder);
	assert_int_equal(mkdir(place->folder, 0700), 0);
	write_file(place->path, "", 0);
	ok(store_open(place->path, &place->store, &err));
	receive(place->store, assigned(T0), ACTION_ACCEPT);
}

/* ---- readers ---- */

static void a_reader_sees_what_the_daemon_writes(void **state)
{
	struct place *place = *state;
	struct store *reader = NULL;

	receive(place->store, assigned(T0), ACTION_ACCEPT);
	ok(store_open_reader(place->path, &reader, &err));
	assert_int_equal(count_runs(reader), 1);
	receive(place->store, assigned(T0 + 60000), ACTION_HOLD);
	assert_int_equal(count_of(reader, "held"), 1);
	store_close(reader);
}

static void a_reader_needs_no_daemon_and_changes_nothing(void **state)
{
	struct place *place = *state;
	struct store_event event = assigned(T0);
	const struct store_decision decision = decide(ACTION_ACCEPT);
	struct store_answer answer;
	struct store *reader = NULL;

	const struct store_answer first = receive(place->store, event, ACTION_ACCEPT);
	close_store(state);
	ok(store_open_reader(place->path, &reader, &err));
	assert_string_equal(shown(reader, first.runs[0].run_id, "state"), "waiting");
	refused(store_accept_wait(reader, &event, &decision, &answer, &err), ERR_CONFLICT);
	refused(store_cancel(reader, first.runs[0].run_id, &err), ERR_CONFLICT);
	assert_false(store_healthy(reader));
	store_on_work(reader, NULL, NULL);
	store_close(reader);
	ok(store_open(place->path, &place->store, &err));
}

static void a_reader_makes_no_file(void **state)
{
	struct place *place = *state;
	struct store *reader = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/none.db", place->folder);
	refused(store_open_reader(path, &reader, &err), ERR_IO);
	assert_int_equal(access(path, F_OK), -1);
}

static void nothing_closes(void **state)
{
	(void)state;
	store_close(NULL);
	store_task_free(NULL);
	store_report_free(NULL);
	store_stored_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(files_are_private_and_folders_are_made),
		place_test(an_open_file_is_made_private),
		place_test(a_folder_is_no_file),
		place_test(every_descriptor_closes_on_exec),
		place_test(everything_is_there_after_closing),
		place_test(the_file_has_our_marks),
		place_test(the_writer_is_durable),
		place_test(a_newer_database_is_refused_and_left_alone),
		place_test(garbage_is_refused),
		place_test(damage_is_refused),
		place_test(another_program_s_database_is_refused),
		place_test(an_empty_file_is_taken),
		place_test(a_reader_sees_what_the_daemon_writes),
		place_test(a_reader_needs_no_daemon_and_changes_nothing),
		place_test(a_reader_makes_no_file),
		cmocka_unit_test(nothing_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
