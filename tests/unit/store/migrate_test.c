/* The machinery of numbered migrations, with lists of the test's own. */

#include "helper.h"

#include <unistd.h>

static const char *const three[] = {
	"CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
	("ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7;"
	 "CREATE INDEX things_size ON things (size)"),
	"UPDATE things SET size = size + 1",
};
static const char *const broken[] = {
	"CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
	"INSERT INTO things (id, name) VALUES (99, 'half'); CREATE TABLE things (id)",
};

#define FIRST(list, n) (&(const struct migrations){ .sql = (list), .count = (n) })

struct bench {
	char path[64];
	struct db *db;
};

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	struct err err;

	snprintf(bench->path, sizeof(bench->path), "/tmp/opw-migrate-XXXXXX");
	close(mkstemp(bench->path));
	*state = bench;
	return db_open(bench->path, true, &bench->db, &err);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	db_close(bench->db);
	unlink(bench->path);
	free(bench);
	return 0;
}

static int64_t number(struct bench *bench, const char *sql)
{
	int64_t found = -1;

	ok(db_number(bench->db, sql, DB_NONE, &found, &err));
	return found;
}

static void an_empty_file_goes_all_the_way(void **state)
{
	struct bench *bench = *state;

	ok(migrate_up(bench->db, bench->path, FIRST(three, 3), &err));
	assert_int_equal(number(bench, "PRAGMA user_version"), 3);
	assert_int_equal(number(bench, "PRAGMA application_id"), MIGRATE_APPLICATION);
	ok(migrate_check(bench->db, bench->path, FIRST(three, 3), &err));
}

static void an_older_file_goes_the_rest_of_the_way(void **state)
{
	struct bench *bench = *state;

	ok(migrate_up(bench->db, bench->path, FIRST(three, 1), &err));
	ok(db_script(bench->db, "INSERT INTO things (id, name) VALUES (1, 'kept')", &err));
	refused(migrate_check(bench->db, bench->path, FIRST(three, 3), &err), ERR_CONFLICT);
	ok(migrate_up(bench->db, bench->path, FIRST(three, 3), &err));
	assert_int_equal(number(bench, "PRAGMA user_version"), 3);
	assert_int_equal(number(bench, "SELECT size FROM things WHERE name = 'kept'"), 8);
}

static void a_file_that_is_up_to_date_stays_as_it_is(void **state)
{
	struct bench *bench = *state;

	ok(migrate_up(bench->db, bench->path, FIRST(three, 3), &err));
	ok(db_script(bench->db, "INSERT INTO things (id, name) VALUES (1, 'x')", &err));
	ok(migrate_up(bench->db, bench->path, FIRST(three, 3), &err));
	assert_int_equal(number(bench, "SELECT size FROM things"), 7);
}

static void a_newer_file_names_both_versions(void **state)
{
	struct bench *bench = *state;
	struct err why = { .text = "" };

	ok(migrate_up(bench->db, bench->path, FIRST(three, 3), &err));
	assert_int_equal(migrate_up(bench->db, bench->path, FIRST(three, 2), &why), -1);
	assert_int_equal(why.code, ERR_CONFLICT);
	assert_non_null(strstr(why.text, "version 3"));
	assert_non_null(strstr(why.text, "up to 2"));
	assert_int_equal(number(bench, "PRAGMA user_version"), 3);
}

static void a_step_that_fails_leaves_nothing_behind(void **state)
{
	struct bench *bench = *state;
	struct err why = { .text = "" };

	assert_int_equal(migrate_up(bench->db, bench->path, FIRST(broken, 2), &why), -1);
	assert_non_null(strstr(why.text, "from version 1 to 2"));
	assert_int_equal(number(bench, "PRAGMA user_version"), 1);
	assert_int_equal(number(bench, "SELECT count(*) FROM things"), 0);
	ok(migrate_up(bench->db, bench->path, FIRST(three, 3), &err));
}

/* The real list: version 1 must open as whatever version is known by then. */
static void a_file_of_the_first_version_opens_today(void **state)
{
	struct bench *bench = *state;
	struct store *store = NULL;

	ok(migrate_up(bench->db, bench->path, FIRST(migrate_known.sql, 1), &err));
	db_close(bench->db);
	bench->db = NULL;
	ok(store_open(bench->path, &store, &err));
	assert_int_equal(receive(store, assigned(T0), ACTION_ACCEPT).status, STATUS_DISPATCHED);
	store_close(store);
	char lock[80];
	snprintf(lock, sizeof(lock), "%s.lock", bench->path);
	unlink(lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_file_goes_all_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(an_older_file_goes_the_rest_of_the_way, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_up_to_date_stays_as_it_is, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_newer_file_names_both_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(a_step_that_fails_leaves_nothing_behind, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_of_the_first_version_opens_today, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
