#include "exec/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILED_FD 3 /* in the child: where it says why it could not become the agent */

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

/* ---- in the child, up to exec: nothing here may need memory ---- */

/* A session of its own, no signal blocked or ignored. */
static int reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL); /* two of them refuse, as they should */
	sigemptyset(&none);
	return setsid() < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -1 : 0;
}

/* Standard input and outputs are the pipes, `*failed` becomes FAILED_FD, nothing else is open. */
static int set_files(const struct pipes *pipes, int *failed)
{
	if (*failed != FAILED_FD && dup3(*failed, FAILED_FD, O_CLOEXEC) < 0)
		return -1;
	*failed = FAILED_FD;
	if (dup2(pipes->in[0], STDIN_FILENO) < 0 || dup2(pipes->out[0], STDOUT_FILENO) < 0 ||
	    dup2(pipes->err[0], STDERR_FILENO) < 0)
		return -1;
	closefrom(FAILED_FD + 1);
	return 0;
}

/* Should the runner be killed, its agent dies with it: when the daemon is killed too, nobody else
 * would end it. */
static int die_with(pid_t runner)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != runner ? -1 : 0;
}

_Noreturn static void become(const struct strings *argv, const struct strings *environment,
			     const char *working_dir, const struct pipes *pipes, pid_t runner,
			     int failed)
{
	if (reset_signals() == 0 && die_with(runner) == 0 && chdir(working_dir) == 0 &&
	    set_files(pipes, &failed) == 0)
		execve(argv->items[0], argv->items, environment->items);
	const int why = errno;
	const ssize_t n = write(failed, &why, sizeof(why));
	_exit(n == sizeof(why) ? 127 : 126);
}

/* ---- in the runner ---- */

/* 0 or an errno.  Not posix_spawn(): it knows no PR_SET_PDEATHSIG. */
static int spawn(const struct strings *argv, const struct strings *environment,
		 const char *working_dir, const struct pipes *pipes, pid_t *pid)
{
	const pid_t runner = getpid();
	int failed[2], why = 0;

	if (pipe2(failed, O_CLOEXEC) < 0)
		return errno;
	const pid_t child = fork();
	if (child == 0)
		become(argv, environment, working_dir, pipes, runner, failed[1]);
	if (child < 0)
		why = errno;
	close(failed[1]);
	/* Ends without a byte when exec closes it. */
	while (child > 0 && read(failed[0], &why, sizeof(why)) < 0 && errno == EINTR)
		;
	close(failed[0]);
	if (child > 0 && why != 0)
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	*pid = child;
	return why;
}

int agent_start(const struct strings *argv, const struct strings *environment,
		const char *working_dir, struct agent *agent, struct err *err)
{
	struct pipes pipes = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	pid_t pid = 0;

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
