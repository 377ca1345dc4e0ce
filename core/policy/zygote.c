#include "policy/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/cage.h"
#include "policy/worker.h"

#define CONTROL 3 /* where the socket to the daemon is kept */

static void reply(int32_t value, int32_t status, const char *why)
{
	struct zygote_reply message = { .value = value, .status = status };

	snprintf(message.why, sizeof(message.why), "%s", why);
	if (send(CONTROL, &message, sizeof(message), MSG_NOSIGNAL) < 0)
		_exit(0); /* the daemon is gone */
}

/* A copy of the daemon's environment lies in our memory, and may hold its secrets. */
static void forget_environment(void)
{
	for (char **entry = environ; *entry; entry++)
		explicit_bzero(*entry, strlen(*entry));
	environ[0] = NULL;
}

/* The daemon ends us by closing the socket; a terminal's ^C is for the daemon. */
static void set_signals(void)
{
	static const int ignored[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2
	};
	sigset_t none;

	for (int sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, SIG_DFL); /* not allowed for two of them, which have it */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Nothing but the socket is left; errors of a sanitizer still reach the terminal. */
static int set_descriptors(int control)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -1;
	if (cage_is_real() && dup2(null, STDERR_FILENO) < 0)
		return -1;
	if (control != CONTROL && dup2(control, CONTROL) < 0)
		return -1;
	closefrom(CONTROL + 1);
	return fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
}

static int confine(void)
{
	prctl(PR_SET_NAME, "opw-zygote");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Descriptors that were not sent are -1.  Returns 0, or -1 at the end. */
static int receive(struct zygote_order *order, int fds[2])
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { order, sizeof(*order) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	do {
		n = recvmsg(CONTROL, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(*order))
		return -1;
	const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	fds[0] = fds[1] = -1;
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(2 * sizeof(int)))
		memcpy(fds, CMSG_DATA(head), 2 * sizeof(int));
	return 0;
}

static void spawn(const struct cage *cage, const int fds[2])
{
	const pid_t zygote = getpid();
	const pid_t pid = fds[0] < 0 ? -1 : fork();

	if (pid == 0)
		worker_run(cage, zygote, fds[0], fds[1]);
	const int error = fds[0] < 0 ? EBADF : errno;
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	reply(pid < 0 ? -error : pid, 0, "");
}

static void end(pid_t pid)
{
	int status = 0;
	pid_t got;

	kill(pid, SIGKILL); /* ours and not reaped: the number is nobody else's */
	do {
		got = waitpid(pid, &status, 0);
	} while (got < 0 && errno == EINTR);
	reply(got < 0 ? -errno : 0, status, "");
}

_Noreturn void zygote_run(int control)
{
	struct err err = { .text = "cannot set up the policy zygote" };
	struct zygote_order order;
	struct cage *cage = NULL;
	int fds[2];

	set_signals();
	forget_environment();
	if (set_descriptors(control) < 0)
		_exit(1);
	if (confine() < 0 || !(cage = cage_new(&err))) {
		reply(-EIO, 0, err.text);
		_exit(1);
	}
	reply(0, 0, "");
	while (receive(&order, fds) == 0) {
		if (order.verb == ZYGOTE_SPAWN)
			spawn(cage, fds);
		else if (order.pid > 0)
			end(order.pid);
	}
	_exit(0); /* the workers die with us: PR_SET_PDEATHSIG */
}
