#include "policy_test.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "policy/bundle.h"
#include "policy/image.h"

static int make(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	place_make(place);
	*state = place;
	return 0;
}

static int unmake(void **state)
{
	place_remove(*state);
	free(*state);
	return 0;
}

/* What a worker reads of it. */
static json_t *image(const struct policy_bundle *bundle, struct image *image)
{
	struct err err;

	assert_int_equal(image_open(bundle_fd(bundle), image, &err), 0);
	json_t *value = json_parse(image->text, image->len, &err);
	if (!value)
		fail_msg("%s", err.text);
	return value;
}

static void refused(const struct place *place, const char *needle)
{
	struct policy_bundle *bundle = NULL;
	struct err err = { 0 };

	assert_int_equal(policy_bundle_load(&place->config, &bundle, &err), -1);
	assert_null(bundle);
	if (!strstr(err.text, needle))
		fail_msg("no '%s' in: %s", needle, err.text);
	assert_int_equal(err.code == ERR_CONFIG || err.code == ERR_NOTFOUND, 1);
}

static void a_worker_gets_everything(void **state)
{
	struct place *place = *state;
	char *bots[] = { "bot-1" };
	struct config_pair labels[] = { { (char *)"l1", (char *)"bug" } };
	struct image read;

	place->agents[0].bots = bots;
	place->agents[0].bot_count = 1;
	place->config.labels = labels;
	place->config.label_count = 1;
	place_write(place, "templates/own.md", "mine");
	place_write(place, "templates/notes.org", "no template");

	struct policy_bundle *bundle = place_bundle(place);
	json_t *value = image(bundle, &read);
	assert_int_equal(read.memory_limit, 16u << 20);
	assert_int_equal(read.time_limit, TEST_LIMIT);
	assert_int_equal(json_object_size(json_at(value, "files")), 4);
	assert_string_equal(
	    json_string_value(json_object_get(json_at(value, "files"), "policies/route.lua")),
	    "return function() return to \"one\" end\n");
	assert_int_equal(json_object_size(json_at(value, "templates")), 3);
	assert_string_equal(
	    json_string_value(json_object_get(json_at(value, "templates"), "own.md")), "mine");
	assert_string_equal(json_string_value(json_array_get(json_at(value, "agents.one.bots"), 0)),
			    "bot-1");
	assert_true(json_number_value(json_at(value, "agents.two.timeout")) == 900);
	assert_null(json_at(value, "agents.one.env"));
	assert_string_equal(json_str(value, "labels.l1"), "bug");
	json_decref(value);

	const json_t *files = policy_bundle_files(bundle);
	assert_int_equal(json_object_size(files), 7);
	char path[256];
	snprintf(path, sizeof(path), "%s/filter.lua", place->policies);
	assert_string_equal(json_string_value(json_object_get(files, "policies/filter.lua")), path);
	policy_bundle_free(bundle);
}

static void nobody_can_change_it(void **state)
{
	struct policy_bundle *bundle = place_bundle(*state);
	const int fd = bundle_fd(bundle);

	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_true(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	policy_bundle_free(bundle);
}

static void shipped_files_stand_in_one_by_one(void **state)
{
	struct place *place = *state;
	char path[256];
	struct image read;

	snprintf(path, sizeof(path), "%s/policies", place->share);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/templates", place->share);
	mkdir(path, 0700);
	place_write(place, "share/policies/route.lua", "shipped route");
	place_write(place, "share/policies/filter.lua", "shipped filter");
	place_write(place, "share/templates/default.txt", "shipped default");
	place_write(place, "share/templates/more.txt", "shipped more");
	snprintf(path, sizeof(path), "%s/filter.lua", place->policies);
	unlink(path);

	struct policy_bundle *bundle = place_bundle(place);
	json_t *value = image(bundle, &read);
	const json_t *files = json_at(value, "files");
	const json_t *templates = json_at(value, "templates");
	assert_string_equal(json_string_value(json_object_get(files, "policies/filter.lua")),
			    "shipped filter");
	assert_string_equal(json_string_value(json_object_get(files, "policies/route.lua")),
			    "return function() return to \"one\" end\n");
	assert_string_equal(json_string_value(json_object_get(templates, "default.txt")),
			    "Work on {{issue_key}}.\n");
	assert_string_equal(json_string_value(json_object_get(templates, "more.txt")),
			    "shipped more");
	json_decref(value);
	policy_bundle_free(bundle);
}

static void missing_files_are_named(void **state)
{
	struct place *place = *state;
	char path[256];

	place->agents[1].prompt_template = (char *)"special.txt";
	refused(place, "special.txt");
	refused(place, "agents.two");
	place->agents[1].prompt_template = (char *)"default.txt";
	snprintf(path, sizeof(path), "%s/render.lua", place->policies);
	unlink(path);
	refused(place, "render.lua");
}

static void names_stay_in_their_folder(void **state)
{
	struct place *place = *state;

	place->agents[0].prompt_template = (char *)"../policies/filter.lua";
	refused(place, "not the name of a file");
	place->agents[0].prompt_template = (char *)"/etc/passwd";
	refused(place, "not the name of a file");
	place->agents[0].prompt_template = (char *)"..";
	refused(place, "not the name of a file");
}

static void what_is_no_text_is_refused(void **state)
{
	struct place *place = *state;
	char path[256];

	place_write(place, "policies/filter.lua", "\x1bLua\xff\xfe");
	refused(place, "not UTF-8");
	snprintf(path, sizeof(path), "%s/filter.lua", place->policies);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* opened as a file, it would be waited for */
	refused(place, "filter.lua");
	unlink(path);
	mkdir(path, 0700);
	refused(place, "filter.lua");
}

static void sizes_are_bounded(void **state)
{
	struct place *place = *state;
	char *large = malloc(BUNDLE_FILE_MOST + 2);

	assert_non_null(large);
	memset(large, ' ', BUNDLE_FILE_MOST + 1);
	large[BUNDLE_FILE_MOST + 1] = '\0';
	place_write(place, "templates/large.txt", large);
	refused(place, "larger than 1024 KiB");

	large[BUNDLE_FILE_MOST] = '\0';
	place_write(place, "templates/large.txt",
		    large); /* one is allowed, seventeen are too much */
	for (int i = 0; i < 17; i++) {
		char name[64];
		snprintf(name, sizeof(name), "templates/l%d.txt", i);
		place_write(place, name, large);
	}
	refused(place, "larger than 16 MiB");
	free(large);
}

static void the_number_of_templates_is_bounded(void **state)
{
	struct place *place = *state;

	for (int i = 0; i < BUNDLE_FILES; i++) {
		char name[64];
		snprintf(name, sizeof(name), "templates/t%d.txt", i);
		place_write(place, name, "x");
	}
	refused(place, "more than 256 templates");
}

static void what_is_no_bundle_is_no_bundle(void **state)
{
	struct image read;
	struct err err;
	const int fd = memfd_create("test", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(image_open(-1, &read, &err), -1);
	assert_int_equal(image_open(fd, &read, &err), -1);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(image_open(fd, &read, &err), -1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_worker_gets_everything, make, unmake),
		cmocka_unit_test_setup_teardown(nobody_can_change_it, make, unmake),
		cmocka_unit_test_setup_teardown(shipped_files_stand_in_one_by_one, make, unmake),
		cmocka_unit_test_setup_teardown(missing_files_are_named, make, unmake),
		cmocka_unit_test_setup_teardown(names_stay_in_their_folder, make, unmake),
		cmocka_unit_test_setup_teardown(what_is_no_text_is_refused, make, unmake),
		cmocka_unit_test_setup_teardown(sizes_are_bounded, make, unmake),
		cmocka_unit_test_setup_teardown(the_number_of_templates_is_bounded, make, unmake),
		cmocka_unit_test(what_is_no_bundle_is_no_bundle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
