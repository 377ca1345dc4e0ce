#include "exec/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "exec/run.h"

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

char *program_find(const struct executor *executor, const char *search_path, struct err *err)
{
	const char *at = search_path;

	while (at) {
		const size_t len = strcspn(at, ":");
		char *path = in_folder(at, len, executor->program);
		if (path)
			return path;
		at = at[len] == ':' ? at + len + 1 : NULL;
	}
	err_set(err, ERR_NOTFOUND, "%s: no program \"%s\" in %s", executor->name, executor->program,
		search_path && *search_path ? search_path : "an empty executor.path");
	return NULL;
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
