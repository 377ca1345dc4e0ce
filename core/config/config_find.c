#include "config/config_find.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config/config.h"

static bool holds_policies(const char *folder)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/policies/filter.lua", folder) < 0) {
		path = NULL;
		return false;
	}
	return access(path, F_OK) == 0;
}

/* PREFIX/share/openpr-webhook for PREFIX/bin/openpr-webhook. */
static char *installed(void)
{
	char self[PATH_MAX];
	const ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *path = NULL;

	if (len < 0)
		return strdup(OPW_SOURCE_DIR);
	self[len] = '\0';
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(self, '/');

		if (slash)
			*slash = '\0';
	}
	return asprintf(&path, "%s/share/openpr-webhook", self) < 0 ? NULL : path;
}

char *config_find_share(void)
{
	char *path = installed();

	if (!path || holds_policies(path) || !holds_policies(OPW_SOURCE_DIR))
		return path;
	free(path);
	return strdup(OPW_SOURCE_DIR);
}

/*
 * A file that is there and cannot be looked at counts: reading it will say why, and nothing else is
 * used in its place unnoticed.
 */
static bool is_there(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno != ENOENT && errno != ENOTDIR;
	return !S_ISDIR(st.st_mode);
}

char *config_find(const struct config *config, const char *own, const char *kind, const char *name,
		  struct err *err)
{
	char *first = NULL, *second = NULL;

	if (name[0] == '\0' || strchr(name, '/')) {
		err_set(err, ERR_NOTFOUND, "\"%s\" is not the name of a file", name);
		return NULL;
	}
	if (own && asprintf(&first, "%s/%s", own, name) < 0)
		goto no_memory;
	if (first && is_there(first))
		return first;
	if (asprintf(&second, "%s/%s/%s", config->share_dir, kind, name) < 0)
		goto no_memory;
	if (is_there(second)) {
		free(first);
		return second;
	}
	err_set(err, ERR_NOTFOUND, "there is no %s%s%s", first ? first : "",
		first ? " and no " : "", second);
	free(first);
	free(second);
	return NULL;
no_memory:
	free(first);
	err_set(err, ERR_NOMEM, "out of memory");
	return NULL;
}
