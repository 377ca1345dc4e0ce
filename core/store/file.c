#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

int file_make_folders(const char *path, struct err *err)
{
	_cleanup_free_ char *folder = strdup(path);

	if (!folder)
		return err_set(err, ERR_NOMEM, "no memory for a path");
	for (char *slash = strchr(folder + 1, '/'); folder[0] && slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(folder, 0700) < 0 && errno != EEXIST)
			return err_set(err, ERR_IO, "cannot make the folder %s: %s", folder,
				       strerror(errno));
		*slash = '/';
	}
	return 0;
}

static int refuse_second(int lock, const char *lock_path, struct err *err)
{
	char pid[32] = { 0 };
	const ssize_t n = pread(lock, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
	return err_set(err, ERR_CONFLICT, "another daemon%s%s uses this queue (it holds %s)",
		       pid[0] ? ", pid " : "", pid, lock_path);
}

static int write_pid(int lock, const char *lock_path, struct err *err)
{
	char pid[32];
	const int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

	if (ftruncate(lock, 0) < 0 || pwrite(lock, pid, (size_t)len, 0) != len)
		return err_set(err, ERR_IO, "cannot write %s: %s", lock_path, strerror(errno));
	return 0;
}

int file_lock(const char *path, struct err *err)
{
	_cleanup_free_ char *lock_path = NULL;
	_cleanup_close_ int lock = -1;

	if (asprintf(&lock_path, "%s.lock", path) < 0)
		return err_set(err, ERR_NOMEM, "no memory for a path");
	lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return err_set(err, ERR_IO, "cannot open %s: %s", lock_path, strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			   ? refuse_second(lock, lock_path, err)
			   : err_set(err, ERR_IO, "cannot lock %s: %s", lock_path, strerror(errno));
	if (write_pid(lock, lock_path, err) < 0)
		return -1;
	return TAKE_FD(lock);
}

bool file_is_locked(const char *path)
{
	_cleanup_free_ char *lock_path = NULL;
	_cleanup_close_ int lock = -1;

	if (asprintf(&lock_path, "%s.lock", path) < 0)
		return false;
	lock = open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* The file stays: removing it would let two daemons lock two files of one name. */
void file_unlock(int lock)
{
	if (lock < 0)
		return;
	const int rc = ftruncate(lock, 0);

	(void)rc; /* an old pid in a file that nobody holds misleads nobody */
	close(lock);
}

/* Never opens an existing database: closing it would drop SQLite's POSIX locks of this process. */
int file_make(const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 && errno != EEXIST)
		return err_set(err, ERR_IO, "cannot make %s: %s", path, strerror(errno));
	if (stat(path, &st) < 0)
		return err_set(err, ERR_IO, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, "%s is not a regular file", path);
	return 0;
}

int file_make_private(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0 || ((st.st_mode & 07777) != 0600 && chmod(path, 0600) < 0))
		return err_set(err, ERR_IO, "cannot make %s private: %s", path, strerror(errno));
	return 0;
}
