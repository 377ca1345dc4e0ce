#include "exec/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "exec/run.h"

#define FIRST_LINE 256 /* bytes; what the kernel reads of it */
#define BLANKS " \t"
#define STANDARD_FOLDERS "/usr/local/bin:/usr/bin:/bin"

static char *in_folder(const char *folder, size_t len, const char *program)
{
	_cleanup_free_ char *path = NULL;
	struct stat info;

	if (len == 0 || folder[0] != '/' ||
	    asprintf(&path, "%.*s/%s", (int)len, folder, program) < 0)
		return NULL;
	if (stat(path, &info) < 0 || !S_ISREG(info.st_mode) || access(path, X_OK) < 0)
		return NULL;
	return TAKE_PTR(path);
}

static char *in_path(const char *search_path, const char *name)
{
	const char *at = search_path;

	while (at) {
		const size_t len = strcspn(at, ":");
		char *path = in_folder(at, len, name);
		if (path)
			return path;
		at = at[len] == ':' ? at + len + 1 : NULL;
	}
	return NULL;
}

char *program_find(const struct executor *executor, const char *search_path, struct err *err)
{
	char *path = in_path(search_path, executor->program);

	if (path)
		return path;
	err_set(err, ERR_NOTFOUND, "%s: no program \"%s\" in %s", executor->name, executor->program,
		search_path && *search_path ? search_path : "an empty executor.path");
	return NULL;
}

/* The words behind "#!/usr/bin/env", in `line`; NULL when the file begins otherwise. */
static char *env_words(const char *program, char line[FIRST_LINE])
{
	static const char *const shells[] = { "/usr/bin/env", "/bin/env" };
	_cleanup_close_ const int fd = open(program, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	const ssize_t n = fd < 0 ? -1 : read(fd, line, FIRST_LINE - 1);

	if (n < 2 || line[0] != '#' || line[1] != '!')
		return NULL;
	line[n] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	char *rest = line + 2 + strspn(line + 2, BLANKS);
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		const size_t len = strlen(shells[i]);
		if (strncmp(rest, shells[i], len) == 0 && strchr(BLANKS, rest[len]) && rest[len])
			return rest + len;
	}
	return NULL;
}

int program_interpreter(const char *program, const char *search_path, struct strings *argv,
			struct err *err)
{
	char line[FIRST_LINE], *next = NULL;
	char *words = env_words(program, line);
	const char *name = words ? strtok_r(words, BLANKS, &next) : NULL;

	if (!words)
		return 0;
	if (name && strcmp(name, "-S") == 0)
		name = strtok_r(NULL, BLANKS, &next);
	if (!name || name[0] == '-' || strpbrk(name, "/="))
		return err_set(err, ERR_INVALID, "the first line of %s names no interpreter",
			       program);
	_cleanup_free_ char *path = in_path(search_path, name);
	if (!path)
		path = in_path(STANDARD_FOLDERS, name);
	if (!path)
		return err_set(err, ERR_NOTFOUND, "%s is run by \"%s\", which is not in %s",
			       program, name, search_path);
	for (const char *word = path; word; word = strtok_r(NULL, BLANKS, &next))
		if (strings_add(argv, word) < 0)
			return err_set(err, ERR_NOMEM, "no memory for the arguments");
	return 0;
}

bool run_find_program(const struct executor *executor, const char *search_path, char **found)
{
	struct err err;
	char *path = program_find(executor, search_path, &err);
	const bool is_there = path != NULL;

	if (found)
		*found = path;
	else
		free(path);
	return is_there;
}
