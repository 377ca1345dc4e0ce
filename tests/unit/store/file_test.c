/* The lock beside the database: one daemon at a time. */

#include "helper.h"

#include <sys/wait.h>
#include <unistd.h>

static void a_second_opener_is_told_who_has_it(void **state)
{
	struct place *place = *state;
	char pid[32];

	snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
	refused_naming(place->path, ERR_CONFLICT, pid);
	refused_naming(place->path, ERR_CONFLICT, "queue.db.lock");
	receive(place->store, assigned(T0), ACTION_ACCEPT);
}

static void another_process_is_refused_too(void **state)
{
	struct place *place = *state;
	const pid_t child = fork();

	if (child == 0) {
		struct store *store;
		struct err err;
		_exit(store_open(place->path, &store, &err) < 0 && err.code == ERR_CONFLICT ? 0
											    : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void the_lock_goes_with_its_holder(void **state)
{
	struct place *place = *state;

	close_store(state);
	const pid_t child = fork();
	if (child == 0) {
		struct store *store;
		struct err err;
		_exit(store_open(place->path, &store, &err)); /* without closing it */
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	ok(store_open(place->path, &place->store, &err));
}

static void a_link_as_lock_is_refused(void **state)
{
	struct place *place = *state;
	char lock[128];

	close_store(state);
	snprintf(lock, sizeof(lock), "%s.lock", place->path);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(symlink("/etc/passwd", lock), 0);
	refused_naming(place->path, ERR_IO, "queue.db.lock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(a_second_opener_is_told_who_has_it),
		place_test(another_process_is_refused_too),
		place_test(the_lock_goes_with_its_holder),
		place_test(a_link_as_lock_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
