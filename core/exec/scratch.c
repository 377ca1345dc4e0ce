#include "exec/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PATH_MOST 72 /* leaves room for "claude-1000/cc-socks/1234567.sock" */

char *scratch_path(const char *log_path, const char *run_id)
{
	const char *slash = strrchr(log_path, '/');
	const int folder = slash ? (int)(slash - log_path) : 0;
	char *path = NULL;

	if (slash && asprintf(&path, "%.*s/%s.tmp", folder, log_path, run_id) >= 0 &&
	    strlen(path) <= PATH_MOST)
		return path;
	free(path);
	return asprintf(&path, "/tmp/openpr-%s", run_id) < 0 ? NULL : path;
}

/*
 * A folder as a descriptor that can be listed and emptied, or -1.  Opened as a mere path first: the
 * agent may have taken all rights from it, and a mount in it is not ours to empty.
 */
static int open_folder(int parent, const char *name)
{
	_cleanup_close_ int path =
	    openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statx info;
	char link[40];

	if (path < 0 || statx(path, "", AT_EMPTY_PATH, STATX_TYPE, &info) < 0)
		return -1;
	if (parent != AT_FDCWD && (info.stx_attributes & STATX_ATTR_MOUNT_ROOT)) {
		errno = EBUSY;
		return -1;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
	chmod(link, 0700); /* a failure shows in the next call */
	return openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The pieces of one removal. */
struct sweep {
	int top;
	unsigned lifted; /* folders moved up so far; makes their new names */
	bool progress;
	int trouble; /* errno of the last thing that could not be removed */
};

/*
 * Moves a folder up beside its ancestor at the top.  So the depth never exceeds two, no recursion
 * is needed, and a chain of folders longer than PATH_MAX is no different.
 */
static void lift(struct sweep *sweep, int folder, const char *name)
{
	char fresh[40];

	close(open_folder(folder, name)); /* for its chmod: moving it writes to it */
	for (int tries = 0; tries < 1000; tries++) {
		snprintf(fresh, sizeof(fresh), ".lifted-%u", sweep->lifted++);
		if (renameat(folder, name, sweep->top, fresh) == 0) {
			sweep->progress = true;
			return;
		}
		if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
			break;
	}
	sweep->trouble = errno;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Removes everything in the folder but folders that are not empty, which go to on_full. */
static void empty(struct sweep *sweep, int fd, void (*on_full)(struct sweep *, int, const char *))
{
	const struct dirent *entry;
	DIR *folder = fdopendir(fd);

	if (!folder) {
		sweep->trouble = errno;
		close(fd);
		return;
	}
	while ((entry = readdir(folder))) {
		const char *name = entry->d_name;
		if (is_dots(name))
			continue;
		if (unlinkat(fd, name, 0) == 0 || unlinkat(fd, name, AT_REMOVEDIR) == 0)
			sweep->progress = true;
		else if (errno == ENOTEMPTY || errno == EEXIST)
			on_full(sweep, fd, name);
		else
			sweep->trouble = errno;
	}
	closedir(folder);
}

/* A folder right below the top: its files go, its folders are lifted, then it goes itself. */
static void flatten(struct sweep *sweep, int top, const char *name)
{
	const int fd = open_folder(top, name);

	if (fd < 0) {
		sweep->trouble = errno;
		return;
	}
	empty(sweep, fd, lift);
	if (unlinkat(top, name, AT_REMOVEDIR) == 0)
		sweep->progress = true;
	else
		sweep->trouble = errno;
}

int scratch_remove(const char *path, struct err *err)
{
	struct sweep sweep = { .progress = true };

	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	sweep.top = open_folder(AT_FDCWD, path);
	if (sweep.top < 0)
		return err_set(err, ERR_IO, "cannot empty %s: %s", path, strerror(errno));

	while (sweep.progress) {
		const int fd = openat(sweep.top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		sweep.progress = false;
		sweep.trouble = 0;
		if (fd >= 0)
			empty(&sweep, fd, flatten);
	}
	close(sweep.top);
	if (rmdir(path) == 0)
		return 0;
	return err_set(err, ERR_IO, "cannot remove %s: %s", path,
		       strerror(sweep.trouble ? sweep.trouble : errno));
}

int scratch_make(const char *path, struct err *err)
{
	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno == EEXIST && scratch_remove(path, err) < 0)
		return -1;
	if (mkdir(path, 0700) < 0)
		return err_set(err, ERR_IO, "cannot make %s: %s", path, strerror(errno));
	return 0;
}
