#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/redact.h"
#include "base/utf8.h"

/* Standard error goes to a file while `capture` runs. */
static char captured[1 << 20];

static int begin_capture(FILE **file)
{
	*file = tmpfile();
	assert_non_null(*file);
	const int saved = dup(STDERR_FILENO);

	assert_true(saved >= 0);
	assert_true(dup2(fileno(*file), STDERR_FILENO) >= 0);
	return saved;
}

static void end_capture(FILE *file, int saved)
{
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(file);
	captured[fread(captured, 1, sizeof(captured) - 1, file)] = '\0';
	fclose(file);
}

#define CAPTURE(statement)                                                                         \
	do {                                                                                       \
		FILE *file_;                                                                       \
		const int saved_ = begin_capture(&file_);                                          \
		statement;                                                                         \
		end_capture(file_, saved_);                                                        \
	} while (0)

static void ends_with(const char *text)
{
	const size_t len = strlen(captured), tail = strlen(text);

	assert_true(len >= tail);
	assert_string_equal(captured + len - tail, text);
}

static int reset(void **state)
{
	(void)state;
	redact_clear();
	log_set_level(LOG_LEVEL_INFO);
	log_set_json(false);
	log_about(NULL);
	unsetenv("JOURNAL_STREAM");
	log_find_journal();
	return 0;
}

static void test_a_line_has_time_level_message_and_pairs(void **state)
{
	char at[CLOCK_TEXT_SIZE] = "";
	int64_t ms;

	(void)state;
	CAPTURE(log_event(LOG_LEVEL_WARN, "started", "run", "r1", "title", "two words", NULL));
	assert_int_equal(sscanf(captured, "ts=%31s", at), 1);
	assert_int_equal(clock_parse(at, &ms), 0);
	ends_with("Z level=warn msg=started run=r1 title=\"two words\"\n");
}

static void test_a_null_value_leaves_its_pair_out(void **state)
{
	(void)state;
	CAPTURE(log_event(LOG_LEVEL_ERROR, "x", "a", NULL, "b", "2", "c", "", NULL));
	ends_with(" level=error msg=x b=2 c=\"\"\n");
}

static void test_levels_below_the_least_are_silent(void **state)
{
	(void)state;
	CAPTURE(log_event(LOG_LEVEL_DEBUG, "x", NULL));
	assert_string_equal(captured, "");
	log_set_level(LOG_LEVEL_DEBUG);
	CAPTURE(log_event(LOG_LEVEL_DEBUG, "x", NULL));
	ends_with(" level=debug msg=x\n");
	log_set_level(LOG_LEVEL_ERROR);
	CAPTURE(log_event(LOG_LEVEL_WARN, "x", NULL));
	assert_string_equal(captured, "");
}

static void test_values_cannot_forge_lines_or_pairs(void **state)
{
	(void)state;
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", "a", "1\nts=0 level=error msg=forged", "b",
			  "q\" c=2", "d", "x=y", "e", "back\\slash", NULL));
	ends_with(" msg=x a=\"1\\nts=0 level=error msg=forged\" b=\"q\\\" c=2\" d=\"x=y\" "
		  "e=\"back\\\\slash\"\n");
	assert_ptr_equal(strchr(captured, '\n'), captured + strlen(captured) - 1);
}

static void test_terminals_are_not_driven(void **state)
{
	(void)state;
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", "a", "\x1b[31m\x7f\r\t", "b",
			  "\xc2\x9b"
			  "31m",
			  "c", "\xc3\xa9\xc2\xa0", NULL));
	ends_with(" a=\"\\u001b[31m\\u007f\\r\\t\" b=\"\\u009b31m\" c=\xc3\xa9\xc2\xa0\n");
}

static void test_what_is_not_utf8_is_repaired(void **state)
{
	(void)state;
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", "a", "\xff\xfe", NULL));
	ends_with(" a=\xef\xbf\xbd\xef\xbf\xbd\n");
}

static void test_long_values_are_cut_between_characters(void **state)
{
	static char value[100001];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(value); i += 2)
		memcpy(value + i, "\xc3\xa9", 2);
	value[1] = 'x';
	value[0] = 'y'; /* now characters begin on even offsets, and 1024 is one */
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", "a", value + 1, "b", "after", NULL));
	assert_true(strlen(captured) < 1200);
	assert_true(utf8_valid(captured, strlen(captured)));
	ends_with("\xc3\xa9... b=after\n");
}

static void test_secrets_do_not_get_out(void **state)
{
	char value[2048];

	(void)state;
	redact_add("s3cret-token");
	redact_add("with \"quotes\"");
	CAPTURE(log_event(LOG_LEVEL_INFO, "s3cret-token", "a", "Bearer s3cret-token", "b",
			  "with \"quotes\"", NULL));
	ends_with(" msg=[secret] a=\"Bearer [secret]\" b=[secret]\n");
	/* Across the place where the value is cut. */
	memset(value, 'a', sizeof(value));
	memcpy(value + 1024 - 6, "s3cret-token", 12);
	value[2000] = '\0';
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", "a", value, NULL));
	assert_null(strstr(captured, "s3c"));
}

static void test_a_thread_says_what_it_works_on(void **state)
{
	const struct log_ids ids = { .event = "e1", .issue = "i1" };

	(void)state;
	log_about(&ids);
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", "a", "1", NULL));
	ends_with(" msg=x a=1 event=e1 issue=i1\n");
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", "issue", "i2", "event", NULL, "run", "r2", NULL));
	ends_with(" msg=x issue=i2 run=r2 event=e1\n");
	log_about(NULL);
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", "a", "1{", "b", ">", "c", "2", NULL));
	ends_with(" msg=x a=1{ b=> c=2\n");
}

static void test_json_is_json(void **state)
{
	struct err err;

	(void)state;
	redact_add("s3cret-token");
	log_set_json(true);
	CAPTURE(log_event(LOG_LEVEL_WARN, "two words", "a", "q\" \\ \n\x01\x7f\xc2\x9b\xff", "b",
			  NULL, "c", "s3cret-token", "d", "", NULL));
	assert_non_null(strstr(captured, ",\"level\":\"warn\",\"msg\":\"two words\",\"a\":"));
	json_t *line = json_parse(captured, strlen(captured), &err);
	assert_non_null(line);
	assert_int_equal(json_object_size(line), 6);
	assert_string_equal(json_str(line, "a"), "q\" \\ \n\x01\x7f\xc2\x9b\xef\xbf\xbd");
	assert_string_equal(json_str(line, "c"), "[secret]");
	assert_string_equal(json_str(line, "d"), "");
	json_decref(line);
	char value[4096];
	memset(value, 'a', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", "a", value, NULL));
	ends_with("aaa...\"}\n");
}

static void test_the_journal_gets_priorities_instead_of_time(void **state)
{
	char stream[64];
	struct stat st;
	FILE *file;

	(void)state;
	const int saved = begin_capture(&file);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_find_journal();
	log_set_level(LOG_LEVEL_DEBUG);
	log_event(LOG_LEVEL_DEBUG, "a", NULL);
	log_event(LOG_LEVEL_INFO, "b", "run", "r", NULL);
	log_event(LOG_LEVEL_WARN, "c", NULL);
	log_set_json(true);
	log_event(LOG_LEVEL_ERROR, "d", NULL);
	end_capture(file, saved);
	assert_string_equal(captured, "<7>msg=a\n<6>msg=b run=r\n<4>msg=c\n<3>{\"msg\":\"d\"}\n");
	log_find_journal(); /* standard error is another file now */
	log_set_json(false);
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", NULL));
	ends_with(" level=info msg=x\n");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_find_journal();
	CAPTURE(log_event(LOG_LEVEL_INFO, "x", NULL));
	ends_with(" level=info msg=x\n");
}

static void test_levels_have_names(void **state)
{
	enum log_level level = LOG_LEVEL_WARN;

	(void)state;
	assert_false(log_parse_level("loud", &level));
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_true(log_parse_level("debug", &level));
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_true(log_parse_level("error", &level));
	assert_int_equal(level, LOG_LEVEL_ERROR);
}

static void test_errno_survives(void **state)
{
	(void)state;
	CAPTURE(({
		close(STDERR_FILENO);
		errno = 1234;
		log_event(LOG_LEVEL_INFO, "x", NULL);
		assert_int_equal(errno, 1234);
	}));
}

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *name)
{
	for (int i = 0; i < LINES; i++)
		log_event(LOG_LEVEL_INFO, "line", "thread", name, "filler", "0123456789", NULL);
	return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
	static char *names[THREADS] = { "a", "b", "c", "d" };
	pthread_t threads[THREADS];
	int lines = 0;
	FILE *file;

	(void)state;
	const int saved = begin_capture(&file);

	/* O_APPEND, as standard error has under a service manager. */
	fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	end_capture(file, saved);
	for (char *line = strtok(captured, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		char thread;

		const char *rest = strstr(line, " level=");

		assert_non_null(rest);
		assert_int_equal(strncmp(line, "ts=", 3), 0);
		assert_int_equal(
		    sscanf(rest, " level=info msg=line thread=%c filler=0123456789", &thread), 1);
		assert_int_equal(strlen(rest), strlen(" level=info msg=line thread=a "
						      "filler=0123456789"));
	}
	assert_int_equal(lines, THREADS * LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_line_has_time_level_message_and_pairs, reset),
		cmocka_unit_test_setup(test_a_null_value_leaves_its_pair_out, reset),
		cmocka_unit_test_setup(test_levels_below_the_least_are_silent, reset),
		cmocka_unit_test_setup(test_values_cannot_forge_lines_or_pairs, reset),
		cmocka_unit_test_setup(test_terminals_are_not_driven, reset),
		cmocka_unit_test_setup(test_what_is_not_utf8_is_repaired, reset),
		cmocka_unit_test_setup(test_long_values_are_cut_between_characters, reset),
		cmocka_unit_test_setup(test_secrets_do_not_get_out, reset),
		cmocka_unit_test_setup(test_a_thread_says_what_it_works_on, reset),
		cmocka_unit_test_setup(test_json_is_json, reset),
		cmocka_unit_test_setup(test_the_journal_gets_priorities_instead_of_time, reset),
		cmocka_unit_test_setup(test_levels_have_names, reset),
		cmocka_unit_test_setup(test_errno_survives, reset),
		cmocka_unit_test_setup(test_lines_of_threads_do_not_mix, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
