#include "command/test_coverage.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "script/active.h"

#define FILES_MOST 2000
#define FILE_MOST (1 << 20) /* bytes; the daemon takes no larger policy */

struct covered {
	char *path;
	struct lines ran;
	json_t *rules; /* {name: whether it has decided}; NULL: none */
};

struct test_coverage {
	struct covered files[FILES_MOST];
	size_t count;
};

struct test_coverage *test_coverage_new(void)
{
	return calloc(1, sizeof(struct test_coverage));
}

void test_coverage_free(struct test_coverage *coverage)
{
	for (size_t i = 0; i < coverage->count; i++) {
		free(coverage->files[i].path);
		lines_done(&coverage->files[i].ran);
		json_decref(coverage->files[i].rules);
	}
	free(coverage);
}

/* The file, added where it is new; NULL when there is none or no room. */
static struct covered *find(struct test_coverage *coverage, const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	size_t at = 0;

	while (real && at < coverage->count && strcmp(coverage->files[at].path, real) != 0)
		at++;
	if (!real || at == FILES_MOST)
		return NULL;
	if (at == coverage->count)
		coverage->files[coverage->count++].path = TAKE_PTR(real);
	return &coverage->files[at];
}

void test_coverage_add(struct test_coverage *coverage, const char *path, const struct lines *ran)
{
	struct covered *file = find(coverage, path);

	if (file && ran)
		lines_merge(&file->ran, ran->bits.bytes, ran->bits.len);
}

bool test_coverage_add_decided(struct test_coverage *coverage, const char *path,
			       const json_t *decided)
{
	const struct covered *file = find(coverage, path);
	const char *name;
	json_t *has;

	if (!file || !file->rules)
		return false;
	json_object_foreach((json_t *)decided, name, has)
	{
		if (json_object_get(file->rules, name))
			json_object_set(file->rules, name, has);
	}
	return true;
}

void test_coverage_add_rules(struct test_coverage *coverage, const char *path, const json_t *rules)
{
	struct covered *file = find(coverage, path);

	if (!file || (!file->rules && !(file->rules = json_object())))
		return;
	json_object_update(file->rules, (json_t *)rules);
}

const char *test_coverage_shown(const char *path)
{
	static char here[PATH_MAX];
	const size_t len = getcwd(here, sizeof(here)) ? strlen(here) : 0;

	if (len > 1 && strncmp(path, here, len) == 0 && path[len] == '/')
		return path + len + 1;
	return path;
}

static int slurp(const char *path, struct buf *text, struct err *err)
{
	char piece[65536];
	FILE *file = fopen(path, "rbe");
	size_t n;

	if (!file)
		return err_set(err, ERR_IO, "%s: %m", path);
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0 && text->len < FILE_MOST)
		if (buf_append(text, piece, n) < 0)
			break;
	const bool whole = feof(file) && !ferror(file);
	fclose(file);
	return whole ? 0 : err_set(err, ERR_IO, "%s: cannot be read", path);
}

static void tell_rules(const json_t *rules, json_t *told)
{
	json_t *never = json_array(), *has;
	const char *name;

	json_object_foreach((json_t *)rules, name, has)
	{
		if (!json_is_true(has))
			json_array_append_new(never, json_string(name));
	}
	json_object_set_new(told, "rules", json_integer((json_int_t)json_object_size(rules)));
	json_object_set_new(told, "never_decided", never);
}

static json_t *tell_lines(const struct covered *file, const struct lines *active)
{
	json_t *missed = json_array(), *range = NULL;
	long count = 0, covered = 0;

	/* Lines of one gap, with nothing that can run between them but what did not, are one range.
	 */
	for (long line = 0; (line = lines_next(active, line)) > 0; count++) {
		if (lines_has(&file->ran, line)) {
			covered++;
			range = NULL;
		} else if (range) {
			json_array_set_new(range, 1, json_integer(line));
		} else {
			range = json_pack("[I, I]", (json_int_t)line, (json_int_t)line);
			json_array_append_new(missed, range);
		}
	}
	const long tenths = count > 0 ? covered * 1000 / count : 1000;
	json_t *told =
	    json_pack("{s:s, s:I, s:I, s:f, s:o}", "file", test_coverage_shown(file->path), "lines",
		      (json_int_t)count, "covered", (json_int_t)covered, "percent",
		      (double)tenths / 10, "missed", missed);
	if (file->rules)
		tell_rules(file->rules, told);
	return told;
}

static json_t *tell_file(const struct covered *file)
{
	struct lines active = { 0 };
	struct buf text = { 0 };
	struct err err;
	json_t *told;

	if (slurp(file->path, &text, &err) == 0 &&
	    active_lines(test_coverage_shown(file->path), text.len ? text.bytes : "", text.len,
			 &active, &err) == 0)
		told = tell_lines(file, &active);
	else
		told = json_pack("{s:s, s:s}", "file", test_coverage_shown(file->path), "error",
				 err.text);
	lines_done(&active);
	buf_done(&text);
	return told;
}

static int by_path(const void *a, const void *b)
{
	const struct covered *const *left = a, *const *right = b;

	return strcmp((*left)->path, (*right)->path);
}

json_t *test_coverage_tell(const struct test_coverage *coverage)
{
	const struct covered **sorted = calloc(coverage->count + 1, sizeof(*sorted));
	json_t *all = json_array();

	if (!sorted || !all) {
		free(sorted);
		json_decref(all);
		return NULL;
	}
	for (size_t i = 0; i < coverage->count; i++)
		sorted[i] = &coverage->files[i];
	qsort(sorted, coverage->count, sizeof(*sorted), by_path);
	for (size_t i = 0; i < coverage->count; i++)
		json_array_append_new(all, tell_file(sorted[i]));
	free(sorted);
	return all;
}

long test_coverage_total(const json_t *told)
{
	int64_t count = 0, covered = 0;

	for (size_t i = 0; i < json_array_size(told); i++) {
		const json_t *file = json_array_get(told, i);
		if (json_object_get(file, "error"))
			return 0; /* nobody knows */
		count += json_int(file, "lines", 0);
		covered += json_int(file, "covered", 0);
	}
	return count > 0 ? (long)(covered * 1000 / count) : 1000;
}
