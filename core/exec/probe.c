#include "exec/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "exec/tree.h"

#define LINGER 2000 /* ms for what is killed to be gone */

/* The two streams: reading ends here, writing ends for the program. */
struct streams {
	int read[2], write[2];
	struct buf *into[2];
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_all(struct streams *streams)
{
	for (int i = 0; i < 2; i++) {
		close_end(&streams->read[i]);
		close_end(&streams->write[i]);
	}
}

static int open_streams(struct streams *streams, struct err *err)
{
	for (int i = 0; i < 2; i++) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			return err_set(err, ERR_IO, "pipe: %s", strerror(errno));
		streams->read[i] = ends[0];
		streams->write[i] = ends[1];
		if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
			return err_set(err, ERR_IO, "pipe: %s", strerror(errno));
	}
	return 0;
}

static int spawn(const struct probe *probe, const struct streams *streams, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int rc = ENOMEM;

	if (posix_spawn_file_actions_init(&files) != 0)
		return rc;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return rc;
	}
	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF) == 0 &&
	    posix_spawnattr_setsigmask(&attributes, &none) == 0 &&
	    posix_spawnattr_setsigdefault(&attributes, &all) == 0 &&
	    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0) == 0 &&
	    posix_spawn_file_actions_adddup2(&files, streams->write[0], 1) == 0 &&
	    posix_spawn_file_actions_adddup2(&files, streams->write[1], 2) == 0 &&
	    posix_spawn_file_actions_addclosefrom_np(&files, 3) == 0)
		rc = posix_spawn(pid, probe->argv[0], &files, &attributes,
				 (char *const *)probe->argv, (char *const *)probe->env);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* What there is now; -1: more than the bound, or no memory. */
static int take(const struct probe *probe, struct streams *streams, int i)
{
	char chunk[16384];
	ssize_t got;

	while ((got = read(streams->read[i], chunk, sizeof(chunk))) > 0)
		if (streams->into[i]->len + (size_t)got > probe->max_output ||
		    buf_append(streams->into[i], chunk, (size_t)got) < 0)
			return -1;
	if (got == 0 || errno != EAGAIN)
		close_end(&streams->read[i]);
	return 0;
}

/* Until the program ends; a child of its that keeps the streams open is not waited for. */
static int follow(const struct probe *probe, struct streams *streams, pid_t pid, int *code,
		  struct err *err)
{
	const int64_t until = clock_mono() + probe->timeout;
	int status;

	for (;;) {
		const pid_t ended = waitpid(pid, &status, WNOHANG);
		for (int i = 0; i < 2; i++)
			if (streams->read[i] >= 0 && take(probe, streams, i) < 0)
				return err_set(err, ERR_FULL, "%s writes more than %zu bytes",
					       probe->argv[0], probe->max_output);
		if (ended == pid) {
			*code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			return 0;
		}
		if (clock_mono() >= until)
			return err_set(err, ERR_TIMEOUT, "%s gives no answer within %lld s",
				       probe->argv[0], (long long)probe->timeout / 1000);
		struct pollfd fds[2] = { { .fd = streams->read[0], .events = POLLIN },
					 { .fd = streams->read[1], .events = POLLIN } };
		poll(fds, 2, 20); /* its end wakes nobody when a child holds the streams */
	}
}

int probe_run(const struct probe *probe, struct buf *out, struct buf *said, int *code,
	      struct err *err)
{
	struct streams streams = { .read = { -1, -1 }, .write = { -1, -1 }, .into = { out, said } };
	pid_t pid = -1;
	int rc = -1;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (open_streams(&streams, err) == 0) {
		const int error = spawn(probe, &streams, &pid);
		for (int i = 0; i < 2; i++)
			close_end(&streams.write[i]);
		if (error != 0)
			err_set(err, error == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s",
				probe->argv[0], strerror(error));
		else
			rc = follow(probe, &streams, pid, code, err);
	}
	close_all(&streams);
	tree_kill(NULL, NULL, NULL, clock_mono() + LINGER);
	return rc;
}
