#include "exec/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Ends: [0] the agent's, [1] ours. */
struct pipes {
	int in[2], out[2], err[2];
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int open_pipe(int ends[2], bool agent_reads)
{
	int raw[2];

	if (pipe2(raw, O_CLOEXEC) < 0)
		return -1;
	ends[0] = raw[agent_reads ? 0 : 1];
	ends[1] = raw[agent_reads ? 1 : 0];
	return fcntl(ends[1], F_SETFL, O_NONBLOCK);
}

static void close_pipes(struct pipes *pipes)
{
	for (int i = 0; i < 2; i++) {
		close_fd(&pipes->in[i]);
		close_fd(&pipes->out[i]);
		close_fd(&pipes->err[i]);
	}
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
							POSIX_SPAWN_SETSIGDEF) ||
		       posix_spawnattr_setsigmask(attributes, &none) ||
		       posix_spawnattr_setsigdefault(attributes, &all)
		   ? ENOMEM
		   : 0;
}

static int set_files(posix_spawn_file_actions_t *files, const struct pipes *pipes,
		     const char *working_dir)
{
	return posix_spawn_file_actions_adddup2(files, pipes->in[0], STDIN_FILENO) ||
		       posix_spawn_file_actions_adddup2(files, pipes->out[0], STDOUT_FILENO) ||
		       posix_spawn_file_actions_adddup2(files, pipes->err[0], STDERR_FILENO) ||
		       posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1) ||
		       posix_spawn_file_actions_addchdir_np(files, working_dir)
		   ? ENOMEM
		   : 0;
}

/* 0 or an errno. */
static int spawn(const struct strings *argv, const struct strings *environment,
		 const char *working_dir, const struct pipes *pipes, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int rc;

	if (posix_spawn_file_actions_init(&files) != 0)
		return ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return ENOMEM;
	}
	rc = set_attributes(&attributes);
	if (rc == 0)
		rc = set_files(&files, pipes, working_dir);
	if (rc == 0)
		rc = posix_spawn(pid, argv->items[0], &files, &attributes, argv->items,
				 environment->items);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

int agent_start(const struct strings *argv, const struct strings *environment,
		const char *working_dir, struct agent *agent, struct err *err)
{
	struct pipes pipes = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	pid_t pid;

	if (open_pipe(pipes.in, true) < 0 || open_pipe(pipes.out, false) < 0 ||
	    open_pipe(pipes.err, false) < 0) {
		err_set(err, ERR_IO, "no pipes for %s: %s", argv->items[0], strerror(errno));
		goto fail;
	}
	const int rc = spawn(argv, environment, working_dir, &pipes, &pid);
	if (rc != 0) {
		err_set(err, ERR_IO, "cannot start %s in %s: %s", argv->items[0], working_dir,
			strerror(rc));
		goto fail;
	}
	*agent = (struct agent){ pid, pipes.in[1], pipes.out[1], pipes.err[1] };
	pipes.in[1] = pipes.out[1] = pipes.err[1] = -1;
	close_pipes(&pipes);
	return 0;
fail:
	close_pipes(&pipes);
	return -1;
}

void agent_close(struct agent *agent)
{
	close_fd(&agent->in);
	close_fd(&agent->out);
	close_fd(&agent->err);
}
