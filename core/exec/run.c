#include "exec/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "exec/argv.h"
#include "exec/control.h"
#include "exec/environment.h"
#include "exec/orphans.h"
#include "exec/permit.h"
#include "exec/program.h"
#include "exec/run_parts.h"
#include "exec/run_result.h"
#include "exec/runner.h"
#include "exec/scratch.h"
#include "exec/spec.h"
#include "exec/tree.h"

#define BACKUP 15000	   /* ms behind the runner's own deadline */
#define SWEEP_STEP 20	   /* ms that one run_read() may spend on orphans */
#define SWEEP_MOST 10000   /* ms after which a process that cannot be killed is only named */
#define FREE_PATIENCE 3000 /* ms for a runner to end by itself in run_free() */

enum phase { TALKING, REAPING, SWEEPING };

struct run {
	pid_t pid;
	int control;
	struct control_reader reader;
	enum phase phase;
	int64_t start, deadline, sweep_until; /* monotonic ms */
	bool asked, silent; /* run_stop() was called; the deadline above has passed */
	enum run_stop why;
	int status; /* of the runner */
	char *tmp_dir, *log_path, *session;
	bool has_result;
	struct run_result result;
};

/* ---- starting ---- */

static pid_t spawn_runner(void *context, struct err *err)
{
	const int *end = context;
	char *argv[] = { "openpr-webhook", RUNNER_VERB, NULL };
	char *nothing[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	pid_t pid = -1;
	int rc = ENOMEM;

	if (posix_spawn_file_actions_init(&files) != 0)
		return err_set(err, ERR_NOMEM, "no memory to start a runner");
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return err_set(err, ERR_NOMEM, "no memory to start a runner");
	}
	sigemptyset(&none);
	sigfillset(&all);
	/* A session of its own: a terminal's Ctrl-C is the daemon's affair. */
	if (posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF) == 0 &&
	    posix_spawnattr_setsigmask(&attributes, &none) == 0 &&
	    posix_spawnattr_setsigdefault(&attributes, &all) == 0 &&
	    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0) == 0 &&
	    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0) == 0 &&
	    posix_spawn_file_actions_adddup2(&files, *end, CONTROL_FD) == 0 &&
	    posix_spawn_file_actions_addclosefrom_np(&files, CONTROL_FD + 1) == 0)
		rc = posix_spawn(&pid, "/proc/self/exe", &files, &attributes, argv, nothing);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	if (rc != 0)
		return err_set(err, ERR_IO, "cannot start a runner: %s", strerror(rc));
	return pid;
}

int run_check(const struct run_spec *spec, const struct executor *executor, struct err *err)
{
	_cleanup_free_ char *program = NULL;
	struct stat info;

	if (!executor)
		return err_set(err, ERR_INVALID, "\"%.100s\" is not on the whitelist",
			       spec->executor);
	const bool full = spec->permissions == PERMISSIONS_FULL;
	if (argv_check_model(spec->model, err) < 0 ||
	    permit_arguments(executor, spec->arguments, spec->argument_count, full, err) < 0)
		return -1;
	program = program_find(executor, spec->search_path, err);
	if (!program)
		return -1;
	if (spec->working_dir[0] != '/' || stat(spec->working_dir, &info) < 0 ||
	    !S_ISDIR(info.st_mode))
		return err_set(err, ERR_NOTFOUND, "the working directory %s is not a folder",
			       spec->working_dir);
	return 0;
}

int run_write_spec(const struct run_spec *spec, const struct executor *executor,
		   const char *tmp_dir, struct err *err)
{
	struct strings environment = { 0 };
	struct run_spec clean = *spec;
	/* codex refuses anything but UTF-8 without NULs */
	_cleanup_free_ char *prompt =
	    utf8_repair(spec->prompt, spec->prompt_len, &clean.prompt_len);
	int file = -1;

	clean.prompt = prompt;
	if (!prompt)
		err_set(err, ERR_NOMEM, "no memory for the prompt");
	else if (environment_build(executor, spec, tmp_dir, &environment, err) == 0)
		file = spec_write(&clean, &environment, tmp_dir, err);
	strings_done(&environment);
	return file;
}

static struct run *new_run(const struct run_spec *spec, struct err *err)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run) {
		err_set(err, ERR_NOMEM, "no memory for a run");
		return NULL;
	}
	run->control = -1;
	run->pid = -1;
	run->start = clock_mono();
	run->deadline = run->start + RUN_LOCK_WAIT + spec->timeout + BACKUP;
	run->tmp_dir = scratch_path(spec->log_path, spec->run_id);
	run->log_path = strdup(spec->log_path);
	run_result_init(&run->result);
	if (run->tmp_dir && run->log_path)
		return run;
	err_set(err, ERR_NOMEM, "no memory for a run");
	run_free(run);
	return NULL;
}

struct run *run_start(const struct run_spec *spec, struct err *err)
{
	const struct executor *executor = whitelist_find(spec->executor);
	_cleanup_close_ int file = -1, far = -1;
	int ends[2];

	if (run_check(spec, executor, err) < 0)
		return NULL;
	struct run *run = new_run(spec, err);
	if (!run)
		return NULL;
	file = run_write_spec(spec, executor, run->tmp_dir, err);
	if (file < 0 || control_pair(ends, err) < 0)
		goto fail;
	run->control = ends[0];
	far = ends[1];
	/* Waits in the socket until the runner is there to take it. */
	if (control_send_file(run->control, file, err) < 0)
		goto fail;
	run->pid = orphans_start_known(spawn_runner, &far, err);
	if (run->pid > 0)
		return run;
fail:
	run_free(run);
	return NULL;
}

int run_fd(const struct run *run)
{
	return run->control;
}

int64_t run_deadline(const struct run *run)
{
	return run->deadline;
}

/* ---- following ---- */

/* Reads until there is news, nothing more now, or the runner has gone. */
static enum run_news talk(struct run *run, const char **session_id)
{
	json_t *frame;

	while ((frame = control_read(&run->reader, run->control))) {
		const char *id = json_str(frame, "session");
		const json_t *end = json_at(frame, "end");
		char *copy = id && !run->session ? run_result_text(id, strlen(id), 0) : NULL;

		if (end && !run->has_result)
			run->has_result = run_result_read(&run->result, end) == 0;
		json_decref(frame);
		if (copy) {
			*session_id = run->session = copy;
			return RUN_SESSION;
		}
	}
	if (clock_mono() >= run->deadline && !run->has_result)
		run->silent = true;
	if (run->silent || run->reader.broken)
		kill(run->pid, SIGKILL);
	if (run->silent || run->reader.broken || run->reader.over)
		run->phase = REAPING;
	return RUN_NOTHING;
}

static void reap(struct run *run)
{
	const pid_t got = waitpid(run->pid, &run->status, WNOHANG);

	if (got == 0 || (got < 0 && errno == EINTR))
		return;
	run_forget_pid(run->pid);
	run->pid = -1;
	run->phase = SWEEPING;
	run->sweep_until = clock_mono() + SWEEP_MOST;
}

/* A runner that ended as it should has left nothing.  True when done. */
static bool sweep(struct run *run)
{
	const int64_t now = clock_mono();
	const bool clean =
	    run->has_result && WIFEXITED(run->status) && WEXITSTATUS(run->status) == 0;

	if (clean)
		return true;
	if (!orphans_kill(now + SWEEP_STEP) && now < run->sweep_until)
		return false;
	scratch_remove(run->tmp_dir, &(struct err){ 0 });
	return true;
}

/* What to say of a run whose runner did not say it. */
static void make_result(struct run *run)
{
	struct run_result *result = &run->result;
	char text[160];

	result->outcome =
	    run->asked	  ? (run->why == RUN_STOP_CANCEL ? OUTCOME_CANCELLED : OUTCOME_INTERRUPTED)
	    : run->silent ? OUTCOME_TIMEOUT
			  : OUTCOME_FAILURE;
	result->duration = clock_mono() - run->start;
	if (run->silent)
		snprintf(text, sizeof(text), "the runner did not keep its deadline and was killed");
	else if (WIFSIGNALED(run->status))
		snprintf(text, sizeof(text), "the runner was killed (signal %d)",
			 WTERMSIG(run->status));
	else
		snprintf(text, sizeof(text), "the runner ended without a result (exit code %d)",
			 WEXITSTATUS(run->status));
	result->cause = strdup(text);
	result->session_id = run->session ? strdup(run->session) : NULL;
	result->tail = run_result_tail(run->log_path);
	result->truncated = true;
}

enum run_news run_read(struct run *run, const char **session_id, struct run_result *result)
{
	if (run->phase == TALKING) {
		const enum run_news news = talk(run, session_id);
		if (news != RUN_NOTHING)
			return news;
	}
	if (run->phase == REAPING)
		reap(run);
	if (run->phase != SWEEPING || !sweep(run))
		return RUN_NOTHING;
	if (!run->has_result)
		make_result(run);
	*result = run->result;
	run_result_init(&run->result);
	return RUN_ENDED;
}

void run_stop(struct run *run, enum run_stop why)
{
	const int64_t soon = clock_mono() + BACKUP;

	if (run->asked)
		return;
	run->asked = true;
	run->why = why;
	if (run->deadline > soon)
		run->deadline = soon;
	json_t *frame = json_pack("{s:s}", "stop", why == RUN_STOP_CANCEL ? "cancel" : "interrupt");
	/* When it cannot be said, the runner is gone or the deadline above will tell. */
	if (frame)
		control_send(run->control, frame, false);
	json_decref(frame);
}

/* ---- ending ---- */

/* Gives the runner, which kills its tree when it sees us gone, some time to end. */
static void end_runner(struct run *run)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, run->pid, 0);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	shutdown(run->control, SHUT_RDWR);
	if (pidfd < 0 || poll(&ended, 1, FREE_PATIENCE) <= 0)
		kill(run->pid, SIGKILL);
	while (waitpid(run->pid, &run->status, 0) < 0 && errno == EINTR)
		;
	run_forget_pid(run->pid);
	if (WIFEXITED(run->status))
		return;
	orphans_kill(clock_mono() + SWEEP_MOST);
	scratch_remove(run->tmp_dir, &(struct err){ 0 });
}

void run_free(struct run *run)
{
	if (!run)
		return;
	if (run->pid > 0)
		end_runner(run);
	if (run->control >= 0)
		close(run->control);
	control_done(&run->reader);
	run_result_done(&run->result);
	free(run->tmp_dir);
	free(run->log_path);
	free(run->session);
	free(run);
}

int run_setup(struct err *err)
{
	if (tree_probe(err) < 0)
		return -1;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(err, ERR_IO, "prctl: %s", strerror(errno));
	return 0;
}

const char *run_containment(void)
{
	return "subreaper";
}
