#include "support.h"

static char share[PATH_MAX + 16];

static struct config *made(void)
{
	static struct config config;

	snprintf(share, sizeof(share), "%s/share", trial.folder);
	config.share_dir = share;
	return &config;
}

static void finds(const char *own, const char *kind, const char *name, const char *expected)
{
	char own_path[PATH_MAX + 16], path[PATH_MAX + 64];
	struct err err;

	snprintf(own_path, sizeof(own_path), "%s/%s", trial.folder, own ? own : "");
	char *found = config_find(made(), own ? own_path : NULL, kind, name, &err);

	if (!expected) {
		assert_null(found);
		assert_int_equal(err.code, ERR_NOTFOUND);
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", trial.folder, expected);
	assert_non_null(found);
	assert_string_equal(found, path);
	free(found);
}

static int setup(void **state)
{
	if (trial_setup(state) < 0)
		return -1;
	trial_folder("own");
	trial_folder("own/dir.lua");
	trial_folder("share");
	trial_folder("share/policies");
	trial_file("own/filter.lua", "", 0644);
	trial_file("share/policies/filter.lua", "", 0644);
	trial_file("share/policies/route.lua", "", 0644);
	trial_file("share/policies/dir.lua", "", 0644);
	return 0;
}

static void test_file_by_file(void **state)
{
	(void)state;
	finds("own", "policies", "filter.lua", "own/filter.lua");
	finds("own", "policies", "route.lua", "share/policies/route.lua");
	finds(NULL, "policies", "filter.lua", "share/policies/filter.lua");
	finds("gone", "policies", "filter.lua", "share/policies/filter.lua");
	finds("own/filter.lua", "policies", "route.lua", "share/policies/route.lua");
}

static void test_a_folder_is_no_file(void **state)
{
	(void)state;
	finds("own", "policies", "dir.lua", "share/policies/dir.lua");
}

static void test_both_places_are_named(void **state)
{
	char own[PATH_MAX + 16];
	struct err err;

	(void)state;
	snprintf(own, sizeof(own), "%s/own", trial.folder);
	assert_null(config_find(made(), own, "policies", "absent.lua", &err));
	assert_int_equal(err.code, ERR_NOTFOUND);
	holds(err.text, "/own/absent.lua");
	holds(err.text, "/share/policies/absent.lua");
}

static void test_a_name_leads_nowhere_else(void **state)
{
	(void)state;
	finds("own", "policies", "../share/policies/filter.lua", NULL);
	finds("own", "policies", "/etc/passwd", NULL);
	finds("own", "policies", "", NULL);
}

static void test_a_file_that_cannot_be_read_is_not_replaced(void **state)
{
	(void)state;
	trial_file("own/route.lua", "", 0);
	finds("own", "policies", "route.lua", "own/route.lua");
}

static void test_share_is_the_source_tree_when_nothing_is_installed(void **state)
{
	char policy[PATH_MAX];

	(void)state;
	trial_good(WEBHOOK);
	snprintf(policy, sizeof(policy), "%s/policies/filter.lua", TEST_SOURCE_DIR);
	if (access(policy, F_OK) < 0)
		skip();
	assert_string_equal(trial.config->share_dir, TEST_SOURCE_DIR);
}

/* The same binary, copied to where `cmake --install` would put it. */
static void test_share_is_beside_an_installed_binary(void **state)
{
	char command[4 * PATH_MAX], line[PATH_MAX + 32], expected[PATH_MAX + 64];

	(void)state;
	trial_folder("prefix");
	trial_folder("prefix/bin");
	trial_folder("prefix/share");
	trial_folder("prefix/share/openpr-webhook");
	trial_folder("prefix/share/openpr-webhook/policies");
	trial_file("prefix/share/openpr-webhook/policies/filter.lua", "", 0644);
	trial_good(WEBHOOK);
	snprintf(command, sizeof(command),
		 "cp /proc/%d/exe '%s/prefix/bin/x' && '%s/prefix/bin/x' '%s'", (int)getpid(),
		 trial.folder, trial.folder, trial.path);
	FILE *pipe = popen(command, "r");

	assert_non_null(pipe);
	assert_non_null(fgets(line, sizeof(line), pipe));
	assert_int_equal(pclose(pipe), 0);
	snprintf(expected, sizeof(expected), "%s/prefix/share/openpr-webhook\n", trial.folder);
	assert_string_equal(line, expected);
}

/* With an argument: prints the share folder of that config. */
static int print_share(const char *path)
{
	if (trial_read(path, false) < 0)
		return 1;
	puts(trial.config->share_dir);
	trial_forget();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, trial_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_file_by_file),
		TEST(test_a_folder_is_no_file),
		TEST(test_both_places_are_named),
		TEST(test_a_name_leads_nowhere_else),
		TEST(test_a_file_that_cannot_be_read_is_not_replaced),
		TEST(test_share_is_the_source_tree_when_nothing_is_installed),
		TEST(test_share_is_beside_an_installed_binary),
	};

	if (argc > 1)
		return print_share(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
