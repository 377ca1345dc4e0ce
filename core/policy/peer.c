#include "policy/peer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "script/vm.h"

#define EXIT_NO_MEMORY 255 /* lua-cjson's exit(-1) when malloc() fails */

struct peer {
	struct policy_host *host;
	struct policy_bundle *bundle;
	pid_t pid; /* 0: ended and reaped */
	int fd;
	struct buf heard;	      /* what has arrived of the answer */
	char note[VM_NOTE_BYTES + 1]; /* what it says it is doing */
};

/* One question on its way. */
struct talk {
	struct peer *peer;
	enum frame_kind kind;
	int64_t until; /* monotonic ms */
	const struct peer_ears *ears;
	int lines;
	unsigned hooks; /* whose lines were told */
	struct buf *answer;
	struct err *err;
};

struct peer *peer_adopt(struct policy_host *host, struct policy_bundle *bundle, pid_t pid, int fd,
			struct err *err)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer) {
		err_set(err, ERR_NOMEM, "no memory for a policy worker");
		return NULL;
	}
	peer->host = host;
	peer->bundle = bundle_ref(bundle);
	peer->pid = pid;
	peer->fd = fd;
	return peer;
}

struct peer *peer_start(struct policy_host *host, struct policy_bundle *bundle, struct err *err)
{
	pid_t pid;
	int fd;

	if (host_spawn(host, bundle_fd(bundle), &pid, &fd, err) < 0)
		return NULL;
	struct peer *peer = peer_adopt(host, bundle, pid, fd, err);
	if (!peer) {
		close(fd);
		host_end(host, pid);
	}
	return peer;
}

/* Returns the status of its end, -1: not known. */
static int end(struct peer *peer)
{
	const int status = peer->pid > 0 ? host_end(peer->host, peer->pid) : -1;

	if (peer->pid > 0)
		close(peer->fd);
	peer->pid = 0;
	return status;
}

void peer_free(struct peer *peer)
{
	if (!peer)
		return;
	end(peer);
	policy_bundle_free(peer->bundle);
	buf_done(&peer->heard);
	free(peer);
}

struct policy_bundle *peer_bundle(const struct peer *peer)
{
	return peer->bundle;
}

bool peer_idle(const struct peer *peer)
{
	struct pollfd quiet = { .fd = peer->fd, .events = POLLIN };

	return peer->pid > 0 && poll(&quiet, 1, 0) == 0;
}

/* ---- what went wrong ---- */

static const char *doing(const struct peer *peer)
{
	return peer->note[0] ? peer->note : "the policies";
}

/* A worker has ended without an answer: words the cause. */
static enum peer_end lost(struct talk *talk)
{
	struct peer *peer = talk->peer;
	const int64_t limit = bundle_time_limit(peer->bundle);
	const int status = end(peer);
	const int sig = status != -1 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (sig == SIGPROF)
		err_set(talk->err, ERR_TIMEOUT,
			"%s: took longer than %lld ms, inside a library function such as a pattern",
			doing(peer), (long long)protocol_time(talk->kind, limit));
	else if (sig == SIGSYS)
		err_set(talk->err, ERR_POLICY, "%s: made a forbidden system call", doing(peer));
	else if (sig)
		err_set(talk->err, ERR_POLICY, "%s: the policy worker was killed by signal %d",
			doing(peer), sig);
	else if (status != -1 && WEXITSTATUS(status) == EXIT_NO_MEMORY)
		err_set(talk->err, ERR_NOMEM, "%s: ran out of memory", doing(peer));
	else
		err_set(talk->err, ERR_POLICY, "%s: the policy worker ended without an answer",
			doing(peer));
	return PEER_LOST;
}

static enum peer_end too_late(struct talk *talk)
{
	const int64_t limit = bundle_time_limit(talk->peer->bundle);

	end(talk->peer);
	err_set(talk->err, ERR_TIMEOUT, "%s: no answer within %lld ms", doing(talk->peer),
		(long long)protocol_wall_time(talk->kind, limit));
	return PEER_LOST;
}

static enum peer_end nonsense(struct talk *talk)
{
	end(talk->peer);
	err_set(talk->err, ERR_POLICY, "%s: the policy worker sent what is no answer",
		doing(talk->peer));
	return PEER_LOST;
}

static enum peer_end no_room(struct talk *talk)
{
	end(talk->peer);
	err_set(talk->err, ERR_NOMEM, "no memory for the answer of a policy");
	return PEER_LOST;
}

/* ---- frames ---- */

/* The worker's texts as plain printable UTF-8, at most size - 1 bytes. */
static void copy_text(char *out, size_t size, const char *text, size_t len)
{
	char *clean = utf8_repair(text, len, &len);

	len = clean ? utf8_clip(clean, len, size - 1) : 0;
	if (clean)
		memcpy(out, clean, len);
	out[len] = '\0';
	free(clean);
}

static void hear_note(struct talk *talk, const struct frame *frame)
{
	char *note = talk->peer->note;

	copy_text(note, sizeof(talk->peer->note), frame->bytes, frame->len);
	for (; *note; note++)
		if ((unsigned char)*note < 0x20 || *note == 0x7f)
			*note = ' ';
}

/* False: more than an honest worker sends. */
static bool hear_log(struct talk *talk, const struct frame *frame)
{
	char text[VM_LOG_BYTES + 1];
	const unsigned char level = (unsigned char)frame->bytes[0];

	if (++talk->lines > VM_LOG_LINES || level > LOG_LEVEL_ERROR)
		return false;
	copy_text(text, sizeof(text), frame->bytes + 1, frame->len - 1);
	if (talk->ears->log)
		talk->ears->log(talk->ears->ctx, (enum log_level)level, text);
	return true;
}

/* False: more than an honest worker sends. */
static bool hear_lines(struct talk *talk, const struct frame *frame)
{
	const unsigned char hook = (unsigned char)frame->bytes[0];

	if (!talk->ears->lines || hook >= BUNDLE_HOOKS || talk->hooks & 1u << hook)
		return false;
	talk->hooks |= 1u << hook;
	talk->ears->lines(talk->ears->ctx, (enum policy_hook)hook, frame->bytes + 1,
			  frame->len - 1);
	return true;
}

static enum peer_end hear_failure(struct talk *talk, const struct frame *frame)
{
	const int code = (unsigned char)frame->bytes[0];

	if (code < ERR_NOMEM || code > ERR_FULL)
		return nonsense(talk);
	copy_text(talk->err->text, sizeof(talk->err->text), frame->bytes + 1, frame->len - 1);
	talk->err->code = (enum err_code)code;
	if (code == ERR_POLICY)
		return PEER_FAILED;
	if (code == ERR_NOMEM) /* Lua cannot say where */
		err_prefix(talk->err, "%s", doing(talk->peer));
	end(talk->peer);
	return PEER_LOST;
}

static enum peer_end hear_answer(struct talk *talk, const struct frame *frame)
{
	if (buf_append(talk->answer, frame->bytes, frame->len) < 0)
		return no_room(talk);
	if (frame->kind == FRAME_ANSWER)
		return PEER_ANSWERED;
	end(talk->peer);
	return PEER_SPENT;
}

/* Returns true and sets *how once the frame ends the talk. */
static bool hear(struct talk *talk, const struct frame *frame, enum peer_end *how)
{
	switch (frame->kind) {
	case FRAME_NOTE:
		hear_note(talk, frame);
		return false;
	case FRAME_LOG:
	case FRAME_LINES:
		if (frame->kind == FRAME_LOG ? hear_log(talk, frame) : hear_lines(talk, frame))
			return false;
		*how = nonsense(talk);
		return true;
	case FRAME_FAILED:
		*how = hear_failure(talk, frame);
		return true;
	default:
		*how = hear_answer(talk, frame);
		return true;
	}
}

/* All whole frames that have arrived.  True: the talk is over, *how is set. */
static bool hear_all(struct talk *talk, enum peer_end *how)
{
	struct buf *heard = &talk->peer->heard;
	struct frame frame;
	size_t at = 0, used;
	int rc;

	while ((rc = protocol_scan(heard->bytes + at, heard->len - at, &frame, &used)) > 0) {
		at += used;
		if (!hear(talk, &frame, how))
			continue;
		if (at != heard->len && (*how == PEER_ANSWERED || *how == PEER_FAILED))
			*how = nonsense(talk); /* it speaks unasked */
		return true;
	}
	if (rc < 0) {
		*how = nonsense(talk);
		return true;
	}
	memmove(heard->bytes, heard->bytes + at, heard->len - at);
	heard->len -= at;
	return false;
}

/* ---- bytes ---- */

/* 0: ready; -1: the time is over. */
static int wait_for(const struct talk *talk, short events)
{
	struct pollfd ready = { .fd = talk->peer->fd, .events = events };

	for (;;) {
		const int64_t left = talk->until - clock_mono();
		const int rc = left > 0 ? poll(&ready, 1, (int)left) : 0;
		if (rc > 0)
			return 0;
		if (rc == 0 && left <= 0)
			return -1;
	}
}

/* 0: sent; else *how is set. */
static int say(struct talk *talk, const char *bytes, size_t len, enum peer_end *how)
{
	while (len > 0) {
		const ssize_t n = send(talk->peer->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (wait_for(talk, POLLOUT) < 0) {
				*how = too_late(talk);
				return -1;
			}
		} else if (errno != EINTR) {
			*how = lost(talk);
			return -1;
		}
	}
	return 0;
}

static enum peer_end listen_to(struct talk *talk)
{
	struct buf *heard = &talk->peer->heard;
	char piece[65536];
	enum peer_end how;

	for (;;) {
		const ssize_t n = recv(talk->peer->fd, piece, sizeof(piece), MSG_DONTWAIT);
		if (clock_mono() >= talk->until) /* also for one that never stops talking */
			return too_late(talk);
		if (n > 0) {
			if (buf_append(heard, piece, (size_t)n) < 0)
				return no_room(talk);
			if (hear_all(talk, &how))
				return how;
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			return lost(talk);
		} else if (errno == EAGAIN && wait_for(talk, POLLIN) < 0) {
			return too_late(talk);
		}
	}
}

/* The file that a worker runs first, of which it sends no note; "" where it sends one. */
static const char *begins_with(enum frame_kind kind)
{
	switch (kind) {
	case FRAME_DECIDE:
		return "policies/filter.lua";
	case FRAME_RENDER:
		return "policies/render.lua";
	case FRAME_CALLBACK:
		return "policies/callback.lua";
	default:
		return "";
	}
}

enum peer_end peer_ask(struct peer *peer, enum frame_kind kind, const struct buf *question,
		       const struct peer_ears *ears, struct buf *answer, struct err *err)
{
	const int64_t limit = bundle_time_limit(peer->bundle);
	struct talk talk = {
		.peer = peer,
		.kind = kind,
		.until = clock_mono() + protocol_wall_time(kind, limit),
		.ears = ears,
		.answer = answer,
		.err = err,
	};
	char first[16384]; /* most questions are one send() */
	const size_t room = sizeof(first) - PROTOCOL_HEAD;
	const size_t len = question->len < room ? question->len : room;
	enum peer_end how;

	snprintf(peer->note, sizeof(peer->note), "%s", begins_with(kind));
	buf_clear(&peer->heard);
	protocol_head(first, kind, question->len);
	if (len > 0)
		memcpy(first + PROTOCOL_HEAD, question->bytes, len);
	if (say(&talk, first, PROTOCOL_HEAD + len, &how) < 0 ||
	    (question->len > len &&
	     say(&talk, question->bytes + len, question->len - len, &how) < 0))
		return how;
	return listen_to(&talk);
}
