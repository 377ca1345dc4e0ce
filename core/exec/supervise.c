#include "exec/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "exec/argv.h"
#include "exec/tree.h"

#define GRACE 5000 /* ms between the stop signal and the kill */
#define DRAIN 200  /* ms for the pipes when the agent has ended but others hold them */
#define CHUNK (64u * 1024)
#define LEFTOVER (2u << 20) /* bytes that may still be in the pipes of the dead */

enum state { RUNNING, STOPPING, DRAINING, OVER, STATES };

struct work {
	const struct supervise_job *job;
	struct supervised *result;
	enum state state;
	int64_t timer; /* when the state's time is up, monotonic ms */
	bool ended;    /* the agent itself was waited for */
	int status;
	const char *guard; /* goes in before the prompt */
	size_t sent;	   /* of guard and prompt together */
	bool session_told;
	char chunk[CHUNK];
};

/* ---- what comes and goes ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void feed(struct work *work)
{
	const struct spec *spec = work->job->spec;
	int *in = &work->job->agent->in;
	const size_t guard = strlen(work->guard);
	const bool in_guard = work->sent < guard;
	const char *bytes =
	    in_guard ? work->guard + work->sent : spec->prompt + (work->sent - guard);
	const size_t left = in_guard ? guard - work->sent : spec->prompt_len - (work->sent - guard);
	const ssize_t n = left > 0 ? write(*in, bytes, left) : 0;

	if (n > 0)
		work->sent += (size_t)n;
	/* An agent that closes its input early is not wrong. */
	if ((n < 0 && errno != EAGAIN && errno != EINTR) || work->sent == guard + spec->prompt_len)
		close_fd(in);
}

static void tell_session(struct work *work)
{
	const char *id = stream_session(work->job->stream);

	if (work->session_told || !id)
		return;
	work->session_told = true;
	json_t *frame = json_pack("{s:s}", "session", id);
	if (frame)
		control_send(work->job->control, frame, false); /* the end tells it again */
	json_decref(frame);
}

/* Reads once; false when there is nothing (any more). */
static bool take(struct work *work, int *fd)
{
	const struct supervise_job *job = work->job;
	const ssize_t n = *fd >= 0 ? read(*fd, work->chunk, CHUNK) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		close_fd(fd);
		return false;
	}
	output_write(job->output, work->chunk, (size_t)n);
	tail_add(&work->result->tail, work->chunk, (size_t)n);
	if (fd == &job->agent->err) {
		tail_add(&work->result->errors, work->chunk, (size_t)n);
		return true;
	}
	stream_feed(job->stream, work->chunk, (size_t)n);
	tell_session(work);
	return true;
}

static void note_reaped(pid_t child, int status, void *context)
{
	struct work *work = context;

	if (child != work->job->agent->pid)
		return;
	work->ended = true;
	work->status = status;
}

/* Waits for every child that has ended: as a subreaper we get strangers too. */
static void reap(struct work *work)
{
	struct signalfd_siginfo info;
	int status;
	pid_t child;

	if (read(work->job->children, &info, sizeof(info)) < 0 && errno != EAGAIN)
		return;
	while ((child = waitpid(-1, &status, WNOHANG)) > 0)
		note_reaped(child, status, work);
}

enum stop supervise_hear(struct control_reader *reader, int control)
{
	enum stop stop = STOP_NONE;
	json_t *frame;

	while ((frame = control_read(reader, control))) {
		const char *why = json_str(frame, "stop");
		if (why && stop == STOP_NONE)
			stop = strcmp(why, "cancel") == 0 ? STOP_CANCEL : STOP_INTERRUPT;
		json_decref(frame);
	}
	return reader->over || reader->broken ? STOP_ABANDONED : stop;
}

static void hear(struct work *work)
{
	const enum stop stop = supervise_hear(work->job->reader, work->job->control);

	if (stop == STOP_ABANDONED || work->result->stop == STOP_NONE)
		work->result->stop = stop;
}

static void wait_for_news(struct work *work)
{
	struct agent *agent = work->job->agent;
	const int64_t left = work->timer - clock_mono();
	struct pollfd fds[] = {
		{ .fd = work->job->control, .events = POLLIN },
		{ .fd = work->job->children, .events = POLLIN },
		{ .fd = agent->in, .events = POLLOUT },
		{ .fd = agent->out, .events = POLLIN },
		{ .fd = agent->err, .events = POLLIN },
	};

	if (poll(fds, 5, left < 0 ? 0 : left > 60000 ? 60000 : (int)left) <= 0)
		return;
	if (fds[0].revents)
		hear(work);
	if (fds[1].revents)
		reap(work);
	if (fds[2].revents)
		feed(work);
	if (fds[3].revents)
		take(work, &agent->out);
	if (fds[4].revents)
		take(work, &agent->err);
}

/* ---- states ---- */

static enum state drain(struct work *work)
{
	work->timer = clock_mono() + DRAIN;
	return DRAINING;
}

static enum state when_running(struct work *work)
{
	struct supervised *result = work->result;

	if (result->stop == STOP_ABANDONED)
		return OVER;
	if (work->ended)
		return drain(work);
	if (result->stop == STOP_NONE && clock_mono() >= work->timer)
		result->stop = STOP_DEADLINE;
	if (result->stop == STOP_NONE)
		return RUNNING;
	/* Not waited for yet, so the number is still its own. */
	kill(-work->job->agent->pid, work->job->executor->stop_signal);
	work->timer = clock_mono() + GRACE;
	return STOPPING;
}

static enum state when_stopping(struct work *work)
{
	if (work->result->stop == STOP_ABANDONED || clock_mono() >= work->timer)
		return OVER;
	return work->ended ? drain(work) : STOPPING;
}

static enum state when_draining(struct work *work)
{
	const struct agent *agent = work->job->agent;
	const bool closed = agent->out < 0 && agent->err < 0;

	if (closed || work->result->stop == STOP_ABANDONED || clock_mono() >= work->timer)
		return OVER;
	return DRAINING;
}

/* Returns when we have no child left; only then may the lock go. */
static void kill_all(struct work *work)
{
	int status;

	do {
		tree_kill(NULL, note_reaped, work, INT64_MAX);
	} while (waitpid(-1, &status, WNOHANG) >= 0 || errno != ECHILD);
}

/* What the dead have left in the pipes. */
static void take_rest(struct work *work)
{
	struct agent *agent = work->job->agent;

	for (size_t i = 0; i < LEFTOVER / CHUNK && take(work, &agent->out); i++)
		;
	for (size_t i = 0; i < LEFTOVER / CHUNK && take(work, &agent->err); i++)
		;
}

void supervise(const struct supervise_job *job, struct supervised *result)
{
	static enum state (*const steps[STATES])(struct work *) = {
		[RUNNING] = when_running,
		[STOPPING] = when_stopping,
		[DRAINING] = when_draining,
	};
	const int64_t start = clock_mono();
	struct work work = {
		.job = job,
		.result = result,
		.timer = start + job->spec->timeout,
		.guard = argv_prompt_guard(job->executor, job->spec->prompt, job->spec->prompt_len),
	};

	*result = (struct supervised){ .exit_code = -1 };
	while (work.state != OVER) {
		wait_for_news(&work);
		work.state = steps[work.state](&work);
	}
	kill_all(&work);
	take_rest(&work);
	agent_close(job->agent);
	result->duration = clock_mono() - start;
	if (work.ended && WIFEXITED(work.status))
		result->exit_code = WEXITSTATUS(work.status);
	else if (work.ended && WIFSIGNALED(work.status))
		result->signal = WTERMSIG(work.status);
}
