#include "exec/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define MEMBERS_MOST 8192 /* of one round; the rest is met in the next */

struct member {
	pid_t pid, parent;
};

struct members {
	struct member *items;
	size_t count, cap;
};

static void add_member(struct members *members, pid_t pid, pid_t parent)
{
	if (members->count == MEMBERS_MOST)
		return;
	if (members->count == members->cap) {
		const size_t cap = members->cap ? 2 * members->cap : 64;
		struct member *items = realloc(members->items, cap * sizeof(*items));
		if (!items)
			return;
		members->items = items;
		members->cap = cap;
	}
	members->items[members->count++] = (struct member){ pid, parent };
}

static void list_children_of_task(struct members *members, pid_t pid, const char *task)
{
	_cleanup_free_ char *line = NULL;
	char path[64];
	size_t size = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)pid, task);
	FILE *file = fopen(path, "re");
	if (!file)
		return;
	while (getdelim(&line, &size, ' ', file) > 0) {
		const long child = strtol(line, NULL, 10);
		if (child > 0)
			add_member(members, (pid_t)child, pid);
	}
	fclose(file);
}

static void list_children(struct members *members, pid_t pid)
{
	const struct dirent *entry;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	while (tasks && (entry = readdir(tasks)))
		if (isdigit((unsigned char)entry->d_name[0]))
			list_children_of_task(members, pid, entry->d_name);
	if (tasks)
		closedir(tasks);
}

/* The parent of a process, or -1. */
static pid_t parent_of(pid_t pid)
{
	char path[32], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t len = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (len <= 0)
		return -1;
	text[len] = '\0';
	/* The name in parentheses may hold anything. */
	const char *behind = strrchr(text, ')');
	int parent;
	return behind && sscanf(behind + 1, " %*c %d", &parent) == 1 ? (pid_t)parent : -1;
}

/*
 * A child of ours keeps its number until we wait for it.  Any other number may have passed on to a
 * stranger since the listing: a pidfd holds the process, and its parent tells whether it is still
 * the one that was listed.
 */
static void signal_member(const struct member *member, int signal)
{
	if (member->parent == getpid()) {
		kill(member->pid, signal);
		return;
	}
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, member->pid, 0);
	if (fd < 0)
		return;
	const pid_t parent = parent_of(member->pid);
	if (parent == member->parent || parent == getpid())
		syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
}

static size_t keep_unspared(struct members *members, tree_spare *spare, void *context)
{
	size_t kept = 0;

	for (size_t i = 0; i < members->count; i++)
		if (!spare || !spare(members->items[i].pid, context))
			members->items[kept++] = members->items[i];
	members->count = kept;
	return kept;
}

/* Waits for those of our own children that have ended. */
static void reap(const struct members *members, size_t children, tree_reaped *reaped, void *context)
{
	int status;

	for (size_t i = 0; i < children; i++)
		if (waitpid(members->items[i].pid, &status, WNOHANG) == members->items[i].pid &&
		    reaped)
			reaped(members->items[i].pid, status, context);
}

/* One round; the number of children that it found. */
static size_t kill_round(struct members *members, tree_spare *spare, tree_reaped *reaped,
			 void *context)
{
	members->count = 0;
	list_children(members, getpid());
	const size_t children = keep_unspared(members, spare, context);

	/* Stopped before any is killed, so that none forks away while its parent dies. */
	for (size_t i = 0; i < members->count; i++) {
		signal_member(&members->items[i], SIGSTOP);
		list_children(members, members->items[i].pid);
	}
	for (size_t i = 0; i < members->count; i++)
		signal_member(&members->items[i], SIGKILL);
	reap(members, children, reaped, context);
	return children;
}

bool tree_kill(tree_spare *spare, tree_reaped *reaped, void *context, int64_t until)
{
	struct members members = { 0 };
	long pause = 200 * 1000; /* ns */
	bool gone = false;

	for (;;) {
		gone = kill_round(&members, spare, reaped, context) == 0;
		if (gone || clock_mono() >= until)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = pause }, NULL);
		pause = pause < 5 * 1000 * 1000 ? 2 * pause : pause;
	}
	free(members.items);
	return gone;
}

int tree_probe(struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)getpid(), (int)gettid());
	if (access(path, R_OK) < 0)
		return err_set(err, ERR_IO,
			       "%s: %s; without it (CONFIG_PROC_CHILDREN) the processes that an "
			       "agent leaves cannot be found",
			       path, strerror(errno));
	return 0;
}
