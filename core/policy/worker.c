#include "policy/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/lines.h"
#include "base/utf8.h"
#include "policy/bundle.h"
#include "policy/image.h"
#include "policy/protocol.h"
#include "script/vm.h"

#define SOCKET 3 /* where the socket to the daemon is kept */

struct worker {
	struct image image;
	struct vm *vm;
	struct buf question, answer;
	struct lines ran[BUNDLE_HOOKS]; /* on trial: in this call */
};

/* lua/openpr/worker.lua answers these. */
static const char *const functions[] = {
	[FRAME_LOAD] = "load",	       [FRAME_DECIDE] = "decide", [FRAME_RENDER] = "render",
	[FRAME_CALLBACK] = "callback", [FRAME_RULES] = "rules",	  [FRAME_EXPLAIN] = "explain",
	[FRAME_HANDLE] = "handle",
};

static bool is_question(enum frame_kind kind)
{
	return kind < sizeof(functions) / sizeof(functions[0]) && functions[kind];
}

static void send_frame(enum frame_kind kind, const void *bytes, size_t len)
{
	if (protocol_write(SOCKET, kind, bytes, len) < 0)
		_exit(0); /* the daemon is gone */
}

static void send_tagged(enum frame_kind kind, char tag, const char *text, size_t len)
{
	char bytes[1 + sizeof(((struct err *)NULL)->text)];

	len = utf8_clip(text, len, sizeof(bytes) - 1);
	bytes[0] = tag;
	memcpy(bytes + 1, text, len);
	send_frame(kind, bytes, 1 + len);
}

static void send_log(void *ctx, enum log_level level, const char *text, size_t len)
{
	(void)ctx;
	send_tagged(FRAME_LOG, (char)level, text, len);
}

static void send_note(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	send_frame(FRAME_NOTE, text, len);
}

/* Memory of ours, not the vm's: short of it, a line is not told. */
static void note_line(void *ctx, const char *chunk, long line)
{
	static const char folder[] = "@policies/";
	struct worker *worker = ctx;

	if (strncmp(chunk, folder, sizeof(folder) - 1) != 0)
		return;
	for (size_t i = 0; i < BUNDLE_HOOKS; i++)
		if (strcmp(chunk + sizeof(folder) - 1, bundle_hooks[i]) == 0)
			lines_add(&worker->ran[i], line);
}

static void send_lines(struct worker *worker)
{
	struct buf frame = { 0 };

	for (size_t i = 0; i < BUNDLE_HOOKS; i++) {
		struct buf *bits = &worker->ran[i].bits;
		const char hook = (char)i;
		buf_clear(&frame);
		if (bits->len > 0 && buf_append(&frame, &hook, 1) == 0 &&
		    buf_append(&frame, bits->bytes, bits->len) == 0)
			send_frame(FRAME_LINES, frame.bytes, frame.len);
		buf_clear(bits);
	}
	buf_done(&frame);
}

static void send_failure(const struct err *err)
{
	send_tagged(FRAME_FAILED, (char)err->code, err->text, strlen(err->text));
}

_Noreturn static void give_up(const struct err *err)
{
	send_failure(err);
	_exit(1);
}

/*
 * The default action of SIGPROF is death, which no policy can catch.  CPU time and not the wall
 * clock's: a busy machine must not punish innocent policies.
 */
static void set_timer(int64_t ms)
{
	const struct itimerval timer = {
		.it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 },
	};

	setitimer(ITIMER_PROF, &timer, NULL);
}

static int answer(struct worker *worker, enum frame_kind kind, struct err *err)
{
	const int64_t limit = worker->image.time_limit;
	const bool loads = kind == FRAME_LOAD;
	int rc;

	buf_clear(&worker->answer);
	vm_set_deadline(worker->vm, protocol_time(kind, limit));
	set_timer(protocol_kill_time(kind, limit));
	rc = vm_call(worker->vm, "openpr.worker", functions[kind],
		     loads ? worker->image.text : worker->question.bytes,
		     loads ? worker->image.len : worker->question.len, &worker->answer, err);
	set_timer(0);
	return rc;
}

static void serve(struct worker *worker, enum frame_kind kind)
{
	struct err err;
	const int rc = answer(worker, kind, &err);

	if (worker->image.on_trial)
		send_lines(worker);
	if (rc < 0) {
		if (err.code != ERR_POLICY || vm_worn(worker->vm))
			give_up(&err);
		send_failure(&err);
	} else if (worker->answer.len > PROTOCOL_MOST) {
		err_set(&err, ERR_POLICY, "the answer is larger than %u MiB", PROTOCOL_MOST >> 20);
		send_failure(&err);
	} else {
		const bool worn = vm_worn(worker->vm);
		send_frame(worn ? FRAME_LAST : FRAME_ANSWER, worker->answer.bytes,
			   worker->answer.len);
		if (worn)
			_exit(0);
	}
}

/* Dies with the zygote, holds nothing but the socket. */
static void settle(pid_t zygote, int socket)
{
	prctl(PR_SET_NAME, "opw-policy");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != zygote)
		_exit(0);
	if (socket != SOCKET && dup2(socket, SOCKET) < 0)
		_exit(1);
	closefrom(SOCKET + 1);
}

_Noreturn void worker_run(const struct cage *cage, pid_t zygote, int socket, int bundle)
{
	struct worker worker = { 0 };
	struct vm_listener listener = { .log = send_log, .note = send_note, .ctx = &worker };
	struct err err;
	enum frame_kind kind;
	const int opened = image_open(bundle, &worker.image, &err); /* before its descriptor goes */

	settle(zygote, socket);
	if (opened < 0 || cage_enter(cage, worker.image.memory_limit, &err) < 0)
		give_up(&err);
	const struct vm_limits limits = { .memory = worker.image.memory_limit };
	worker.vm = vm_new(VM_POLICY, &limits, &err);
	if (!worker.vm)
		give_up(&err);
	if (worker.image.on_trial)
		listener.line = note_line;
	vm_listen(worker.vm, &listener);
	while (protocol_read(SOCKET, &kind, &worker.question) == 0 && is_question(kind))
		serve(&worker, kind);
	_exit(0);
}
