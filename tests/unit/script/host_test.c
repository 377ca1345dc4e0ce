#include "lua_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

struct heard {
	int lines, notes;
	enum log_level level;
	char text[VM_LOG_BYTES + 1];
};

static void hear_log(void *ctx, enum log_level level, const char *text, size_t len)
{
	struct heard *heard = ctx;

	heard->lines++;
	heard->level = level;
	assert_true(len <= VM_LOG_BYTES);
	memcpy(heard->text, text, len);
	heard->text[len] = '\0';
}

static void hear_note(void *ctx, const char *text, size_t len)
{
	struct heard *heard = ctx;

	heard->notes++;
	assert_true(len <= VM_NOTE_BYTES);
	memcpy(heard->text, text, len);
	heard->text[len] = '\0';
}

static void run_heard(const char *body, struct heard *heard)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	const struct vm_listener listener = { .log = hear_log, .note = hear_note, .ctx = heard };
	struct buf output = { 0 };
	struct err err;

	vm_listen(vm, &listener);
	if (test_run(vm, body, "", &output, &err) < 0)
		fail_msg("%s", err.text);
	buf_done(&output);
	vm_free(vm);
}

static void log_lines_reach_the_listener(void **state)
{
	struct heard heard = { 0 };

	(void)state;
	run_heard("host.log('warn', 'no label') return ''", &heard);
	assert_int_equal(heard.lines, 1);
	assert_int_equal(heard.level, LOG_LEVEL_WARN);
	assert_string_equal(heard.text, "no label");
}

static void log_is_bounded(void **state)
{
	struct heard heard = { 0 };

	(void)state;
	run_heard("for i = 1, 1000 do host.log('info', ('\xc3\xa9'):rep(1000)) end return ''",
		  &heard);
	assert_int_equal(heard.lines, VM_LOG_LINES);
	assert_int_equal(strlen(heard.text), VM_LOG_BYTES); /* even: cut between characters */
}

static void log_wants_a_level_and_a_text(void **state)
{
	(void)state;
	test_fails("host.log('loud', 'x') return ''", "", ERR_POLICY, "loud");
	test_fails("host.log('info', {}) return ''", "", ERR_POLICY, "string expected");
	test_gives("host.log('info', 'nobody listens') host.note('x') return 'fine'", "", "fine");
}

static void notes_reach_the_listener_and_are_bounded(void **state)
{
	struct heard heard = { 0 };

	(void)state;
	run_heard("host.note('policies/route.lua') return ''", &heard);
	assert_int_equal(heard.notes, 1);
	assert_string_equal(heard.text, "policies/route.lua");

	run_heard("for i = 1, 1000 do host.note(('x'):rep(1000)) end return ''", &heard);
	assert_int_equal(heard.notes, 1 + VM_NOTES);
}

static void now_is_the_wall_clock(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;
	const int64_t before = clock_wall();

	(void)state;
	assert_int_equal(
	    test_run(vm, "return ('%d'):format(host.now() * 1000 // 1)", "", &output, &err), 0);
	assert_in_range(strtoll(output.bytes, NULL, 10), before - 1, clock_wall() + 1);
	buf_done(&output);
	vm_free(vm);
}

static void policies_get_neither_files_nor_environment(void **state)
{
	(void)state;
	test_gives("return tostring(host.getenv) .. tostring(host.readfile)", "", "nilnil");
}

static void config_gives(const char *body, const char *input, const char *expected)
{
	struct vm *vm = test_vm(VM_CONFIG, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;

	if (test_run(vm, body, input, &output, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(output.bytes, expected);
	buf_done(&output);
	vm_free(vm);
}

static void config_reads_the_environment(void **state)
{
	(void)state;
	setenv("OPW_HOST_TEST", "from outside", 1);
	unsetenv("OPW_HOST_TEST_ABSENT");
	config_gives("return host.getenv(input)", "OPW_HOST_TEST", "from outside");
	config_gives("return tostring(host.getenv(input))", "OPW_HOST_TEST_ABSENT", "nil");
}

/* string.rep and patterns run where no deadline reaches. */
static void texts_of_config_have_no_methods(void **state)
{
	(void)state;
	config_gives("return tostring((input).rep) .. tostring(getmetatable(''))", "", "nilfalse");
	test_gives("return (input):rep(2)", "ab", "abab");
}

#define READ                                                                                       \
	"local text, why, mode = host.readfile(input) "                                            \
	"return string.format('%s|%s|%s', text, why, mode and string.format('%o', mode))"

static void config_reads_files(void **state)
{
	char path[] = "/tmp/opw-host-test-XXXXXX";
	const int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	config_gives(READ, path, "|nil|600");
	assert_int_equal(write(fd, "s3\0cret\n", 8), 8);
	assert_int_equal(fchmod(fd, 0644), 0);
	config_gives("local text, _, mode = host.readfile(input) return #text .. '|' .. mode", path,
		     "8|420");
	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	config_gives(READ, path, "nil|File too large|nil");
	close(fd);
	unlink(path);
	config_gives(READ, path, "nil|No such file or directory|nil");
	config_gives(READ, "/tmp", "nil|Is a directory|nil");
	config_gives(READ, "/dev/zero", "nil|not a regular file|nil");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_lines_reach_the_listener),
		cmocka_unit_test(log_is_bounded),
		cmocka_unit_test(log_wants_a_level_and_a_text),
		cmocka_unit_test(notes_reach_the_listener_and_are_bounded),
		cmocka_unit_test(now_is_the_wall_clock),
		cmocka_unit_test(policies_get_neither_files_nor_environment),
		cmocka_unit_test(config_reads_the_environment),
		cmocka_unit_test(texts_of_config_have_no_methods),
		cmocka_unit_test(config_reads_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
