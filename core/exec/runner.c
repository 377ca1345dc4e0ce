#include "exec/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/outcome.h"
#include "base/utf8.h"
#include "exec/argv.h"
#include "exec/leftover.h"
#include "exec/litter.h"
#include "exec/permit.h"
#include "exec/program.h"
#include "exec/run_parts.h"
#include "exec/scratch.h"
#include "exec/supervise.h"

#define ERRORS_SHOWN 2048u /* bytes of stderr behind a conversation */
#define LOCK_PAUSE 50	   /* ms between two tries */

struct runner {
	struct spec spec;
	struct control_reader reader;
	int children; /* signalfd */
	int lock;
};

/*
 * Before anything secret is here: unreadable in /proc, no core file, no new privileges for anything
 * below, and parent of whatever loses its own.  Signals meant for the daemon's group or cgroup do
 * not concern us: the daemon's message or its death does.
 */
static int harden(struct runner *runner)
{
	static const int ignored[] = { SIGPIPE, SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
				       SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU };
	const struct rlimit none = { 0, 0 };
	sigset_t children;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
	    fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    sigprocmask(SIG_SETMASK, &children, NULL) < 0)
		return -1;
	prctl(PR_SET_NAME, "openpr-runner", 0, 0, 0);
	runner->children = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	return runner->children < 0 ? -1 : 0;
}

static int receive_spec(struct runner *runner, struct err *err)
{
	_cleanup_close_ int file = control_receive_file(CONTROL_FD, err);

	return file < 0 ? -1 : spec_read(file, &runner->spec, err);
}

/* An earlier run in this directory may still be ending, e.g. of a daemon that was killed. */
static int wait_for_lock(struct runner *runner, enum stop *stop, struct err *err)
{
	const char *path = runner->spec.lock_path;
	const int64_t until = clock_mono() + RUN_LOCK_WAIT;

	runner->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (runner->lock < 0)
		return err_set(err, ERR_IO, "cannot open the lock %s: %s", path, strerror(errno));
	while (flock(runner->lock, LOCK_EX | LOCK_NB) < 0) {
		struct pollfd control = { .fd = CONTROL_FD, .events = POLLIN };
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, ERR_IO, "cannot lock %s: %s", path, strerror(errno));
		if (clock_mono() >= until)
			return err_set(err, ERR_CONFLICT,
				       "another run still holds the working directory %s",
				       runner->spec.working_dir);
		poll(&control, 1, LOCK_PAUSE);
		if ((*stop = supervise_hear(&runner->reader, CONTROL_FD)) != STOP_NONE)
			return err_set(err, ERR_CONFLICT, "stopped before it started");
	}
	return 0;
}

/* ---- the end, told to the daemon ---- */

static json_t *text_value(const char *bytes, size_t len)
{
	size_t repaired = 0;
	_cleanup_free_ char *text = bytes ? utf8_repair(bytes, len, &repaired) : NULL;

	return text ? json_stringn(text, repaired) : json_null();
}

static json_t *string_value(const char *text)
{
	return text_value(text, text ? strlen(text) : 0);
}

/*
 * A stream that was understood is shown as people read it, and behind it what the CLI said on
 * stderr; any other output as it came.
 */
static json_t *tail_value(const struct supervised *result, const struct stream_verdict *verdict)
{
	const size_t len = result->errors.len;
	const size_t skip = len > ERRORS_SHOWN ? len - ERRORS_SHOWN : 0;
	struct tail tail = { .len = 0 };

	if (!verdict->shown || verdict->shown_len + len == 0)
		return text_value(result->tail.bytes, result->tail.len);
	tail_add(&tail, verdict->shown, verdict->shown_len);
	tail_add(&tail, result->errors.bytes + skip, len - skip);
	return text_value(tail.bytes, tail.len);
}

static void tell_end(const struct supervised *result, const struct stream_verdict *verdict,
		     enum outcome outcome, const char *cause, bool truncated)
{
	json_t *end = json_pack(
	    "{s:{s:s, s:i, s:i, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:f, s:b}}", "end", "outcome",
	    outcome_name(outcome), "exit_code", result->exit_code, "signal", result->signal,
	    "duration", (json_int_t)result->duration, "cause", string_value(cause), "final_text",
	    string_value(verdict->final_text), "tail", tail_value(result, verdict), "session",
	    string_value(verdict->session_id), "input_tokens", (json_int_t)verdict->input_tokens,
	    "output_tokens", (json_int_t)verdict->output_tokens, "cost_usd", verdict->cost_usd,
	    "truncated", truncated);

	if (end)
		control_send(CONTROL_FD, end, true);
	json_decref(end);
}

static enum outcome outcome_of(enum stop stop, bool success)
{
	switch (stop) {
	case STOP_DEADLINE:
		return OUTCOME_TIMEOUT;
	case STOP_CANCEL:
		return OUTCOME_CANCELLED;
	case STOP_INTERRUPT:
	case STOP_ABANDONED:
		return OUTCOME_INTERRUPTED;
	case STOP_NONE:
		break;
	}
	return success ? OUTCOME_SUCCESS : OUTCOME_FAILURE;
}

static const char *cause_of(const struct runner *runner, enum stop stop,
			    const struct stream_verdict *verdict, const char *trouble, char *text,
			    size_t size)
{
	switch (stop) {
	case STOP_DEADLINE:
		snprintf(text, size, "%s had not ended after %lld s, its time limit%s%s",
			 runner->spec.executor, (long long)(runner->spec.timeout / 1000),
			 trouble ? "; last trouble: " : "", trouble ? trouble : "");
		return text;
	case STOP_CANCEL:
		return "cancelled";
	case STOP_INTERRUPT:
	case STOP_ABANDONED:
		return "interrupted, because the daemon ended";
	case STOP_NONE:
		break;
	}
	return verdict->cause;
}

static void tell_failure(enum stop stop, const char *why)
{
	static const struct supervised nothing = { .exit_code = -1 };
	const struct stream_verdict verdict = { .input_tokens = -1,
						.output_tokens = -1,
						.cost_usd = -1 };

	tell_end(&nothing, &verdict, outcome_of(stop, false), why, false);
}

/* The line of stderr that explains most: the last that names an error, else the last. */
static void hint(struct stream *stream, const struct tail *errors)
{
	const char *bytes = errors->bytes, *best = NULL;
	const char *const end = bytes + errors->len;
	size_t best_len = 0;
	bool best_is_error = false;

	for (const char *line = bytes, *next; line < end; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const size_t len = (size_t)((newline ? newline : end) - line);
		next = newline ? newline + 1 : end;
		const bool is_error = memmem(line, len, "rror", 4) != NULL;
		if (len == 0 || (best_is_error && !is_error))
			continue;
		best = line;
		best_len = len;
		best_is_error = is_error;
	}
	if (best)
		stream_hint(stream, best, best_len);
}

/* ---- one run ---- */

/* The daemon has asked the lists too; this is the last word. */
static const struct executor *permitted(const struct spec *spec, struct err *err)
{
	const struct executor *executor = whitelist_find(spec->executor);

	if (!executor) {
		err_set(err, ERR_INVALID, "\"%.100s\" is not on the whitelist", spec->executor);
		return NULL;
	}
	if (permit_arguments(executor, (const char *const *)spec->arguments.items,
			     spec->arguments.count, spec->full, err) < 0)
		return NULL;
	for (size_t i = 0; i < spec->environment.count; i++) {
		char name[128];
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(spec->environment.items[i], "="),
			 spec->environment.items[i]);
		if (permit_variable(name, PERMIT_CONFIG, spec->full, err) < 0)
			return NULL;
	}
	return executor;
}

static int append(struct strings *argv, const struct strings *more, struct err *err)
{
	for (size_t i = 0; i < more->count; i++)
		if (strings_add(argv, more->items[i]) < 0)
			return err_set(err, ERR_NOMEM, "no memory for the arguments");
	return 0;
}

static int start_agent(struct runner *runner, const struct executor *executor, struct agent *agent,
		       struct err *err)
{
	struct strings own = { 0 }, argv = { 0 };
	int ret = -1;

	if (argv_of(executor, &runner->spec, &own, err) == 0 &&
	    program_interpreter(own.items[0], runner->spec.search_path, &argv, err) == 0 &&
	    append(&argv, &own, err) == 0)
		ret = agent_start(&argv, &runner->spec.environment, runner->spec.working_dir, agent,
				  err);
	strings_done(&own);
	strings_done(&argv);
	return ret;
}

static void report(const struct runner *runner, struct stream *stream, struct supervised *result,
		   bool truncated)
{
	struct stream_verdict verdict;
	char text[2048];

	hint(stream, &result->errors);
	stream_judge(stream, result->exit_code, result->signal, &verdict);
	const char *cause =
	    cause_of(runner, result->stop, &verdict, stream_trouble(stream), text, sizeof(text));
	tell_end(result, &verdict, outcome_of(result->stop, verdict.success), cause, truncated);
}

/* Under the lock.  -1 when the agent could not be started. */
static int run_agent(struct runner *runner, const struct executor *executor, struct err *err)
{
	struct agent agent;
	struct supervised result;
	struct stream *stream = stream_new(executor->stream);
	struct output *output = NULL;
	int ret = -1;

	if (!stream) {
		err_set(err, ERR_NOMEM, "no memory for the stream");
		goto out;
	}
	if (scratch_make(runner->spec.tmp_dir, err) < 0)
		goto out;
	output = output_open(runner->spec.log_path, runner->spec.max_output, err);
	if (!output)
		goto out;
	const unsigned clean = litter_look(executor, runner->spec.working_dir);
	if (start_agent(runner, executor, &agent, err) < 0)
		goto out;
	supervise(&(struct supervise_job){ .spec = &runner->spec,
					   .executor = executor,
					   .reader = &runner->reader,
					   .control = CONTROL_FD,
					   .children = runner->children,
					   .agent = &agent,
					   .output = output,
					   .stream = stream },
		  &result);
	const bool truncated = output_close(output);
	output = NULL;
	scratch_remove(runner->spec.tmp_dir, err);
	litter_remove(executor, runner->spec.working_dir, clean);
	report(runner, stream, &result, truncated);
	ret = 0;
out:
	if (output)
		output_close(output);
	if (ret < 0)
		scratch_remove(runner->spec.tmp_dir, &(struct err){ 0 });
	stream_free(stream);
	return ret;
}

static int run(struct runner *runner, enum stop *stop, struct err *err)
{
	const struct executor *executor = permitted(&runner->spec, err);

	if (!executor)
		return -1;
	if (wait_for_lock(runner, stop, err) < 0 ||
	    leftover_take(runner->lock, runner->spec.run_id, runner->spec.tmp_dir, err) < 0)
		return -1;
	const int rc = run_agent(runner, executor, err);
	leftover_none(runner->lock);
	return rc;
}

int runner_main(void)
{
	struct runner runner = { .children = -1, .lock = -1 };
	enum stop stop = STOP_NONE;
	struct err err;

	if (harden(&runner) < 0)
		err_set(&err, ERR_IO, "the runner cannot harden itself: %s", strerror(errno));
	else if (receive_spec(&runner, &err) == 0 && run(&runner, &stop, &err) == 0)
		goto out;
	tell_failure(stop, err.text);
out:
	spec_done(&runner.spec);
	control_done(&runner.reader);
	if (runner.children >= 0)
		close(runner.children);
	close(CONTROL_FD);
	if (runner.lock >= 0)
		close(runner.lock); /* last: nothing of the run is left now */
	return 0;
}
