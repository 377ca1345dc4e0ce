#include "policy/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "policy/zygote.h"

#define PATIENCE 20000 /* ms for the zygote to answer; it forks and reaps, nothing else */

struct policy_host {
	pthread_mutex_t mutex; /* held over one order and its reply */
	int control;	       /* -1 once the zygote is given up */
	pid_t pid;
	atomic_bool given_up;
};

static int receive(int fd, struct zygote_reply *reply)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int rc;

	do {
		rc = poll(&ready, 1, PATIENCE);
	} while (rc < 0 && errno == EINTR);
	return rc == 1 && recv(fd, reply, sizeof(*reply), 0) == sizeof(*reply) ? 0 : -1;
}

struct policy_host *policy_host_start(struct err *err)
{
	struct zygote_reply greeting = { 0 };
	struct policy_host *host = calloc(1, sizeof(*host));
	int ends[2];

	if (!host || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		err_set(err, ERR_IO, "cannot start the policy zygote: %s", strerror(errno));
		free(host);
		return NULL;
	}
	host->pid = fork();
	if (host->pid == 0) {
		close(ends[0]);
		free(host);
		zygote_run(ends[1]);
	}
	pthread_mutex_init(&host->mutex, NULL);
	close(ends[1]);
	host->control = ends[0];
	if (host->pid < 0)
		err_set(err, ERR_IO, "cannot fork the policy zygote: %s", strerror(errno));
	else if (receive(host->control, &greeting) < 0)
		err_set(err, ERR_IO, "the policy zygote does not answer");
	else if (greeting.value < 0)
		err_set(err, ERR_IO, "%.*s", (int)sizeof(greeting.why), greeting.why);
	else
		return host;
	policy_host_free(host);
	return NULL;
}

void policy_host_free(struct policy_host *host)
{
	if (!host)
		return;
	if (host->control >= 0)
		close(host->control);
	if (host->pid > 0)
		while (waitpid(host->pid, NULL, 0) < 0 && errno == EINTR)
			;
	pthread_mutex_destroy(&host->mutex);
	free(host);
}

bool host_given_up(const struct policy_host *host)
{
	return atomic_load(&host->given_up);
}

pid_t policy_host_pid(const struct policy_host *host)
{
	return host->pid;
}

static int send_order(int control, const struct zygote_order *order, const int *fds)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} rights = { 0 };
	struct iovec iov = { (void *)order, sizeof(*order) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fds) {
		message.msg_control = rights.bytes;
		message.msg_controllen = sizeof(rights.bytes);
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(head), fds, 2 * sizeof(int));
	}
	return sendmsg(control, &message, MSG_NOSIGNAL) == sizeof(*order) ? 0 : -1;
}

/* One order and its reply; a zygote that fails once is not asked again, for a late reply would be
 * taken for the next one's. */
static int ask(struct policy_host *host, const struct zygote_order *order, const int *fds,
	       struct zygote_reply *reply)
{
	int rc = -1;

	pthread_mutex_lock(&host->mutex);
	if (host->control >= 0) {
		rc = send_order(host->control, order, fds);
		if (rc == 0)
			rc = receive(host->control, reply);
		if (rc < 0) {
			close(host->control);
			host->control = -1;
			atomic_store(&host->given_up, true);
		}
	}
	pthread_mutex_unlock(&host->mutex);
	return rc;
}

int host_spawn(struct policy_host *host, int bundle, pid_t *pid, int *fd, struct err *err)
{
	const struct zygote_order order = { .verb = ZYGOTE_SPAWN };
	struct zygote_reply reply;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, ERR_IO, "no socket for a policy worker: %s", strerror(errno));
	_cleanup_close_ int ours = ends[0];
	_cleanup_close_ int theirs = ends[1];

	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, ERR_IO, "no socket for a policy worker: %s", strerror(errno));
	if (ask(host, &order, (const int[]){ theirs, bundle }, &reply) < 0)
		return err_set(err, ERR_IO, "the policy zygote has ended; restart the daemon");
	if (reply.value < 0)
		return err_set(err, ERR_IO, "cannot fork a policy worker: %s",
			       strerror(-reply.value));
	*pid = reply.value;
	*fd = TAKE_FD(ours);
	return 0;
}

int host_end(struct policy_host *host, pid_t pid)
{
	const struct zygote_order order = { .verb = ZYGOTE_END, .pid = pid };
	struct zygote_reply reply;

	if (ask(host, &order, NULL, &reply) < 0 || reply.value < 0)
		return -1;
	return reply.status;
}
