#include "exec/leftover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "exec/scratch.h"

#define PATIENCE 10000		   /* ms for all of them to go */
#define ROUND_PAUSE 20		   /* ms between two looks */
#define ENVIRONMENT_MOST (1 << 20) /* bytes of one that are looked at */

/* The TMPDIR of another run: as ours, with its id.  NULL: no memory, or ours has no id in it. */
static char *tmp_dir_of(const char *run_id, const char *own_id, const char *own_dir)
{
	const char *at = strstr(own_dir, own_id);
	char *path = NULL;

	if (!at || asprintf(&path, "%.*s%s%s", (int)(at - own_dir), own_dir, run_id,
			    at + strlen(own_id)) < 0)
		return NULL;
	return path;
}

/* Whether its environment holds this variable, NUL included; not when we may not look. */
static bool carries(int proc, const char *pid, const char *variable, size_t size)
{
	struct buf environment = { 0 };
	char path[64], piece[16384];
	ssize_t n = 0;

	snprintf(path, sizeof(path), "%.16s/environ", pid);
	_cleanup_close_ int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && environment.len < ENVIRONMENT_MOST &&
	       (n = read(fd, piece, sizeof(piece))) > 0 &&
	       buf_append(&environment, piece, (size_t)n) == 0)
		;
	const bool found =
	    environment.len > 0 && memmem(environment.bytes, environment.len, variable, size);
	buf_done(&environment);
	return found;
}

/* The pidfd is there before the look, so that the signal meets whom the look has met. */
static bool end_one(int proc, const char *pid, const char *variable, size_t size)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, atoi(pid), 0);

	if (fd < 0 || !carries(proc, pid, variable, size))
		return false;
	syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	return true;
}

/* True when none was found. */
static bool end_round(const char *variable, size_t size)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	bool found = false;

	while (proc && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    end_one(dirfd(proc), entry->d_name, variable, size))
			found = true;
	if (proc)
		closedir(proc);
	return !found;
}

static int end_all(const char *run_id, const char *tmp_dir, struct err *err)
{
	const int64_t until = clock_mono() + PATIENCE;
	_cleanup_free_ char *variable = NULL;
	const int len = asprintf(&variable, "TMPDIR=%s", tmp_dir);

	if (len < 0) {
		variable = NULL;
		return err_set(err, ERR_NOMEM, "no memory to look for what a run has left");
	}
	while (!end_round(variable, (size_t)len + 1)) {
		if (clock_mono() >= until)
			return err_set(err, ERR_CONFLICT,
				       "processes of run %s, which was cut off, do not end",
				       run_id);
		nanosleep(&(struct timespec){ .tv_nsec = ROUND_PAUSE * 1000000L }, NULL);
	}
	scratch_remove(tmp_dir, &(struct err){ 0 }); /* files alone hold nobody up */
	return 0;
}

void leftover_none(int lock)
{
	if (ftruncate(lock, 0) < 0)
		return; /* the next one looks in vain */
}

int leftover_take(int lock, const char *run_id, const char *tmp_dir, struct err *err)
{
	char before[ID_SIZE] = "";
	const ssize_t n = pread(lock, before, ID_SIZE - 1, 0);

	if (n == ID_SIZE - 1 && id_valid(before) && strcmp(before, run_id) != 0) {
		_cleanup_free_ char *theirs = tmp_dir_of(before, run_id, tmp_dir);
		if (theirs && end_all(before, theirs, err) < 0)
			return -1;
	}
	/* On a full disk it stays unnamed: that is no reason to refuse the run. */
	if (pwrite(lock, run_id, strlen(run_id), 0) < 0)
		leftover_none(lock);
	return 0;
}
