#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/output.h"

static char folder[64], path[96];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/output-test-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/run.log", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder); /* fails when a spool was left */
}

static void expect(size_t most, const char *written, size_t step, const char *expected, bool lacks)
{
	struct err err;
	char got[512] = "";
	const size_t len = strlen(written);
	struct output *output = output_open(path, most, &err);

	assert_non_null(output);
	for (size_t at = 0; at < len; at += step)
		output_write(output, written + at, len - at < step ? len - at : step);
	assert_int_equal(output_close(output), lacks);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	assert_string_equal(got, expected);
}

static void test_all_of_it_when_it_fits(void **state)
{
	(void)state;
	for (size_t step = 1; step <= 12; step++) {
		expect(10, "", step, "", false);
		expect(10, "01", step, "01", false);
		expect(10, "01234", step, "01234", false);
		expect(10, "0123456", step, "0123456", false);
		expect(10, "0123456789", step, "0123456789", false);
	}
}

static void test_head_and_tail_when_it_does_not(void **state)
{
	(void)state;
	for (size_t step = 1; step <= 30; step++) {
		expect(10, "0123456789a", step, "01234\n[openpr-webhook: 1 bytes cut here]\n6789a",
		       true);
		expect(10, "0123456789abcdefghij", step,
		       "01234\n[openpr-webhook: 10 bytes cut here]\nfghij", true);
		expect(11, "0123456789abcdefghij", step,
		       "012345\n[openpr-webhook: 9 bytes cut here]\nfghij", true);
	}
	expect(1, "0123", 4, "0\n[openpr-webhook: 3 bytes cut here]\n", true);
	expect(0, "0123", 4, "\n[openpr-webhook: 4 bytes cut here]\n", true);
}

static void test_file(void **state)
{
	struct stat info;
	struct err err;

	(void)state;
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	struct output *output = output_open(path, 100, &err);
	assert_non_null(output);
	output_close(output);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_int_equal(unlink(path), 0);

	assert_int_equal(symlink("/tmp/elsewhere", path), 0);
	assert_null(output_open(path, 100, &err));
	assert_int_equal(err.code, ERR_IO);
	assert_null(output_open("/nowhere/at/all/log", 100, &err));
}

/* A full disk must neither stop the run nor pass for a whole log. */
static void test_full_disk(void **state)
{
	struct rlimit before, small;
	struct err err;
	struct stat info;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 5;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	struct output *head = output_open(path, 20, &err);
	output_write(head, "0123456789", 10);
	output_write(head, "abc", 3);
	const bool head_lacks = output_close(head);
	struct output *ring = output_open(path, 10, &err);
	output_write(ring, "01234", 5);
	output_write(ring, "56789", 5);
	const bool ring_lacks = output_close(ring);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_true(head_lacks);
	assert_true(ring_lacks);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_size, 5);
}

static void test_tail(void **state)
{
	struct tail *tail = calloc(1, sizeof(*tail));
	char *bytes = malloc(3 * TAIL_SIZE);

	(void)state;
	for (size_t i = 0; i < 3 * TAIL_SIZE; i++)
		bytes[i] = (char)('a' + i % 23);
	tail_add(tail, bytes, 10);
	assert_int_equal(tail->len, 10);
	assert_memory_equal(tail->bytes, bytes, 10);
	tail_add(tail, bytes + 10, TAIL_SIZE - 5);
	assert_int_equal(tail->len, TAIL_SIZE);
	assert_memory_equal(tail->bytes, bytes + 5, TAIL_SIZE);
	tail_add(tail, bytes, 3 * TAIL_SIZE);
	assert_memory_equal(tail->bytes, bytes + 2 * TAIL_SIZE, TAIL_SIZE);
	tail_add(tail, "", 0);
	assert_int_equal(tail->len, TAIL_SIZE);
	free(bytes);
	free(tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_of_it_when_it_fits, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_head_and_tail_when_it_does_not, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_file, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_full_disk, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_tail, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
