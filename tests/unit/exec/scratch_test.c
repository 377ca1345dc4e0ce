#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/scratch.h"

static char top[64], path[96];

static int make_top(void **state)
{
	(void)state;
	strcpy(top, "/tmp/scratch-test-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(path, sizeof(path), "%s/run.tmp", top);
	return 0;
}

static int remove_top(void **state)
{
	char command[192];

	(void)state;
	snprintf(command, sizeof(command), "chmod -R u+rwx '%s'; rm -rf '%s'", top, top);
	return system(command) == 0 ? 0 : -1;
}

static void shell(const char *text)
{
	char command[2048];

	snprintf(command, sizeof(command), "cd '%s' && %s", path, text);
	assert_int_equal(system(command), 0);
}

static void test_where(void **state)
{
	static const char run[] = "01920000-0000-7000-8000-000000000000";
	char *got = scratch_path("/var/lib/openpr-webhook/runs/x.log", run);
	char log[200];

	(void)state;
	assert_string_equal(
	    got, "/var/lib/openpr-webhook/runs/01920000-0000-7000-8000-000000000000.tmp");
	free(got);
	memset(log, 'a', sizeof(log));
	log[0] = log[100] = '/';
	log[sizeof(log) - 1] = '\0';
	got = scratch_path(log, run);
	assert_string_equal(got, "/tmp/openpr-01920000-0000-7000-8000-000000000000");
	free(got);
}

static void test_made_and_removed(void **state)
{
	struct stat info;
	struct err err;

	(void)state;
	assert_int_equal(scratch_make(path, &err), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0700);
	shell("touch left");
	assert_int_equal(scratch_make(path, &err), 0); /* what was there is gone */
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(scratch_remove(path, &err), 0);
	strcat(path, "/nowhere/at/all");
	assert_int_equal(scratch_make(path, &err), -1);
	assert_int_equal(err.code, ERR_IO);
}

static void test_links_are_not_followed(void **state)
{
	struct err err;
	char kept[128];

	(void)state;
	assert_int_equal(scratch_make(path, &err), 0);
	shell(
	    "mkdir ../kept ../kept/full && touch ../kept/full/file && chmod 500 ../kept/full && "
	    "mkdir -p a/b && ln -s ../kept kept && ln -s ../../../kept a/b/kept && ln -s / root && "
	    "ln -s nowhere dangling && ln -s loop loop");
	assert_int_equal(scratch_remove(path, &err), 0);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(kept, sizeof(kept), "%s/kept/full/file", top);
	assert_int_equal(access(kept, F_OK), 0);
	struct stat info;
	snprintf(kept, sizeof(kept), "%s/kept/full", top);
	assert_int_equal(stat(kept, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0500);

	/* The folder itself replaced by a link. */
	snprintf(kept, sizeof(kept), "%s/kept", top);
	assert_int_equal(symlink(kept, path), 0);
	assert_int_equal(scratch_remove(path, &err), -1);
	assert_int_equal(scratch_make(path, &err), -1);
	snprintf(kept, sizeof(kept), "%s/kept/full/file", top);
	assert_int_equal(access(kept, F_OK), 0);
}

static void test_hostile_names_and_modes(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(scratch_make(path, &err), 0);
	shell("mkdir -p -- '-rf' '...' ' ' \"$(printf 'a\\nb')\" '.lifted-0/x/.lifted-0/y' "
	      "x/.lifted-1/z && "
	      "touch -- '-rf/-i' '.../*' \"$(printf '\\377\\376')\" && "
	      "mkdir -p no/read/here/deep && touch no/read/here/deep/file && "
	      "chmod 000 no/read/here/deep/file no/read/here/deep no/read/here no/read no && "
	      "mkfifo fifo && touch .lifted-2 && mkdir -p y/.lifted-3/q");
	assert_int_equal(scratch_remove(path, &err), 0);
	assert_int_equal(access(path, F_OK), -1);
}

/* Deeper than PATH_MAX, and than any recursion should go. */
static void test_deep_and_wide(void **state)
{
	struct err err;
	int at;

	(void)state;
	assert_int_equal(scratch_make(path, &err), 0);
	at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(mkdirat(at, "deep", 0700), 0);
		const int next = openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	close(at);
	shell("i=0; while [ $i -lt 3000 ]; do : > \"wide-$i\"; i=$((i + 1)); done");
	assert_int_equal(scratch_remove(path, &err), 0);
	assert_int_equal(access(path, F_OK), -1);
}

/* An agent that is root could mount anything there. */
static void test_mounts_are_not_entered(void **state)
{
	struct err err;
	char kept[128], mounted[128];

	(void)state;
	assert_int_equal(scratch_make(path, &err), 0);
	shell("mkdir -p ../kept a/mounted && touch ../kept/file other");
	snprintf(kept, sizeof(kept), "%s/kept", top);
	snprintf(mounted, sizeof(mounted), "%s/a/mounted", path);
	if (mount(kept, mounted, NULL, MS_BIND, NULL) < 0) {
		assert_true(errno == EPERM);
		skip();
	}
	assert_int_equal(scratch_remove(path, &err), -1);
	strcat(kept, "/file");
	assert_int_equal(access(kept, F_OK), 0);
	/* Moved up when its folder went. */
	snprintf(mounted, sizeof(mounted), "umount '%s/a/mounted'", path);
	assert_int_equal(system(mounted), 0);
	assert_int_equal(scratch_remove(path, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_where, make_top, remove_top),
		cmocka_unit_test_setup_teardown(test_made_and_removed, make_top, remove_top),
		cmocka_unit_test_setup_teardown(test_links_are_not_followed, make_top, remove_top),
		cmocka_unit_test_setup_teardown(test_hostile_names_and_modes, make_top, remove_top),
		cmocka_unit_test_setup_teardown(test_deep_and_wide, make_top, remove_top),
		cmocka_unit_test_setup_teardown(test_mounts_are_not_entered, make_top, remove_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
