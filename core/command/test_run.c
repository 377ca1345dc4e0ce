#include "command/test_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define REPLIES 3   /* in busted: where it reads */
#define QUESTIONS 4 /* ... and writes */
#define LINE_MOST (40u << 20)
#define LOOK 250 /* ms between two looks whether a signal asked us to stop */

static volatile sig_atomic_t stopped;

struct talk {
	struct test_session *session;
	const struct test_run *run;
	pid_t pid;
	int process;		/* pidfd */
	int questions, replies; /* ours; non-blocking */
	struct buf heard;
	int64_t until; /* monotonic ms */
};

/* ---- starting ---- */

/* An executable of PATH; NULL when there is none.  The caller frees. */
static char *find_program(const char *name)
{
	const char *at = getenv("PATH");
	struct stat info;

	while (at) {
		_cleanup_free_ char *path = NULL;
		const size_t len = strcspn(at, ":");
		if (len > 0 && asprintf(&path, "%.*s/%s", (int)len, at, name) >= 0 &&
		    stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0)
			return TAKE_PTR(path);
		at = at[len] == ':' ? at + len + 1 : NULL;
	}
	return NULL;
}

/* Whether its first line names Lua; else it is a script of a shell that starts it. */
static bool is_lua(const char *path)
{
	char line[128] = "";
	FILE *file = fopen(path, "re");

	if (file && !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	return strncmp(line, "#!", 2) == 0 && strstr(line, "lua");
}

static void prepare(const struct test_run *run, pid_t parent)
{
	const int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null < 0 || dup2(null, STDIN_FILENO) < 0)
		_exit(127);
	if (run->quiet)
		dup2(STDERR_FILENO, STDOUT_FILENO);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGTTOU, SIG_IGN); /* it is no foreground process, and may print all the same */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void become_busted(const struct test_run *run, const char *lua, const char *busted,
				    pid_t parent, const int theirs[2])
{
	_cleanup_free_ char *lpath = NULL;
	const int replies = fcntl(theirs[0], F_DUPFD, QUESTIONS + 1);
	const int questions = fcntl(theirs[1], F_DUPFD, QUESTIONS + 1);
	/* A name that looks like an option. */
	_cleanup_free_ char *specs = NULL;
	const char *words[10];
	size_t n = 0;

	prepare(run, parent);
	if (replies < 0 || questions < 0 || dup2(replies, REPLIES) < 0 ||
	    dup2(questions, QUESTIONS) < 0 ||
	    asprintf(&lpath, "--lpath=%s/lua/?.lua", run->share) < 0 ||
	    asprintf(&specs, "%s%s", run->specs[0] == '-' ? "./" : "", run->specs) < 0 ||
	    setenv("OPENPR_WEBHOOK_TEST", "3,4", 1) < 0)
		_exit(127);
	closefrom(QUESTIONS + 1);
	/* `busted --lua=...` starts the other Lua by a shell, unquoted. */
	if (is_lua(busted)) {
		words[n++] = lua;
		words[n++] = busted;
		words[n++] = "--ignore-lua";
	} else {
		words[n++] = busted;
		words[n++] = "--lua=lua5.4";
	}
	words[n++] = "--output=openpr.testing_report";
	words[n++] = "--pattern=_spec%.lua$";
	words[n++] = lpath;
	words[n++] = specs;
	words[n] = NULL;
	execv(words[0], (char *const *)words);
	_exit(127);
}

static int start(struct talk *talk, struct err *err)
{
	_cleanup_free_ char *busted = find_program("busted");
	_cleanup_free_ char *lua = find_program("lua5.4");
	int questions[2], replies[2];
	const pid_t parent = getpid();

	if (!busted)
		return err_set(err, ERR_NOTFOUND,
			       "busted, which runs the specs, is not in PATH; on Debian: "
			       "apt install lua-busted");
	if (!lua)
		return err_set(err, ERR_NOTFOUND,
			       "lua5.4, which runs busted, is not in PATH; on Debian: "
			       "apt install lua5.4");
	if (pipe2(questions, O_CLOEXEC) < 0)
		return err_set(err, ERR_IO, "cannot start busted: %s", strerror(errno));
	if (pipe2(replies, O_CLOEXEC) < 0) {
		close(questions[0]);
		close(questions[1]);
		return err_set(err, ERR_IO, "cannot start busted: %s", strerror(errno));
	}
	talk->pid = fork();
	if (talk->pid == 0)
		become_busted(talk->run, lua, busted, parent,
			      (const int[]){ replies[0], questions[1] });
	close(questions[1]);
	close(replies[0]);
	talk->questions = questions[0];
	talk->replies = replies[1];
	if (talk->pid > 0)
		setpgid(talk->pid, talk->pid); /* both do it: whoever comes first */
	talk->process = talk->pid > 0 ? pidfd_open(talk->pid, 0) : -1;
	if (talk->process < 0 || fcntl(talk->questions, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(talk->replies, F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, ERR_IO, "cannot start busted: %s", strerror(errno));
	return 0;
}

/* ---- talking ---- */

/* False: nobody reads within the time. */
static bool send_reply(const struct talk *talk, const char *bytes, size_t len)
{
	struct pollfd ready[] = { { .fd = talk->replies, .events = POLLOUT },
				  { .fd = talk->process, .events = POLLIN } };

	while (len > 0 && !stopped) {
		const ssize_t n = write(talk->replies, bytes, len);
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN && errno != EINTR) {
			return false;
		} else if (clock_mono() >= talk->until || ready[1].revents) {
			return false;
		} else if (poll(ready, 2, LOOK) < 0 && errno != EINTR) {
			return false;
		}
	}
	return len == 0;
}

/* -1: nothing that the helper says. */
static int hear_lines(struct talk *talk, struct err *err)
{
	struct buf *heard = &talk->heard, reply = { 0 };
	char *at = heard->bytes, *end;
	size_t left = heard->len;
	int rc = 0;

	while (rc == 0 && left > 0 && (end = memchr(at, '\n', left))) {
		*end = '\0';
		rc = test_session_hear(talk->session, at, (size_t)(end - at), &reply, err);
		talk->until = clock_mono() + talk->run->patience;
		if (rc == 0 && reply.len > 0)
			send_reply(talk, reply.bytes, reply.len); /* whose end is seen elsewhere */
		buf_clear(&reply);
		left -= (size_t)(end + 1 - at);
		at = end + 1;
	}
	buf_done(&reply);
	if (left > 0)
		memmove(heard->bytes, at, left);
	heard->len = left;
	if (rc == 0 && left > LINE_MOST)
		rc =
		    err_set(err, ERR_FULL, "a spec said more than %u MiB at once", LINE_MOST >> 20);
	return rc;
}

/* All that there is to read now. */
static int hear(struct talk *talk, struct err *err)
{
	char piece[65536];
	ssize_t n;

	while ((n = read(talk->questions, piece, sizeof(piece))) > 0) {
		if (buf_append(&talk->heard, piece, (size_t)n) < 0)
			return err_set(err, ERR_NOMEM, "no memory for what a spec says");
		if (hear_lines(talk, err) < 0)
			return -1;
	}
	return 0;
}

/* Until busted has ended (0), or has to be ended (-1). */
static int listen_to(struct talk *talk, struct err *err)
{
	struct pollfd ready[] = { { .fd = talk->process, .events = POLLIN },
				  { .fd = talk->questions, .events = POLLIN } };

	while (!stopped) {
		if (poll(ready, 2, LOOK) < 0 && errno != EINTR)
			return err_set(err, ERR_IO, "cannot wait for busted: %s", strerror(errno));
		if (ready[1].revents & POLLIN && hear(talk, err) < 0)
			return -1;
		if (ready[1].revents & (POLLHUP | POLLERR) && !(ready[1].revents & POLLIN))
			ready[1].fd = -1; /* it has closed its end */
		if (ready[0].revents)
			return hear(talk, err);
		if (clock_mono() >= talk->until)
			return err_set(err, ERR_TIMEOUT,
				       "no word for %lld s, so busted was killed; --timeout gives "
				       "it longer",
				       (long long)talk->run->patience / 1000);
	}
	return err_set(err, ERR_CONFLICT, "stopped by a signal");
}

/* Ends whatever is left of it and says how it ended. */
static int finish(struct talk *talk)
{
	int status = 0;

	if (talk->pid > 0) {
		kill(-talk->pid, SIGKILL);
		while (waitpid(talk->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	return status;
}

static bool has_failure(const json_t *results)
{
	for (size_t i = 0; i < json_array_size(results); i++) {
		const char *status = json_str(json_array_get(results, i), "status");
		if (status && (strcmp(status, "failure") == 0 || strcmp(status, "error") == 0))
			return true;
	}
	return false;
}

/* What busted's end says that no test has said. */
static void judge(const struct talk *talk, int status)
{
	char why[200];

	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "busted was killed by signal %d", WTERMSIG(status));
	else if (test_session_running(talk->session))
		snprintf(why, sizeof(why), "busted ended with %d in the midst of it",
			 WEXITSTATUS(status));
	else if (!test_session_done(talk->session) ||
		 (WEXITSTATUS(status) != 0 && !has_failure(test_session_results(talk->session))))
		snprintf(why, sizeof(why), "busted ended early, with %d; see above",
			 WEXITSTATUS(status));
	else
		return;
	test_session_fail(talk->session, why);
}

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

int test_run(struct test_session *session, const struct test_run *run, struct err *err)
{
	const struct sigaction action = { .sa_handler = stop };
	struct talk talk = {
		.session = session, .run = run, .process = -1, .questions = -1, .replies = -1
	};
	struct err why;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	int rc = start(&talk, err);
	if (rc == 0) {
		talk.until = clock_mono() + run->patience;
		const int heard = listen_to(&talk, &why);
		const int status = finish(&talk);
		if (heard == 0)
			judge(&talk, status);
		else
			test_session_fail(session, why.text);
		if (heard < 0 && why.code == ERR_CONFLICT)
			rc = err_set(err, ERR_CONFLICT, "%s", why.text);
	} else {
		finish(&talk);
	}
	const int fds[] = { talk.process, talk.questions, talk.replies };
	for (size_t i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	buf_done(&talk.heard);
	return rc;
}
