#include "tunnel/frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/random.h"
#include "base/utf8.h"
#include "tunnel/gate.h"

#define PING_SIZE 8
#define MAX_REASON 123 /* bytes; RFC 6455 section 5.5 */

struct frames {
	wslay_event_context_ptr wslay;
	struct frames_io io;
	struct frames_events events;
	struct gate gate;
	unsigned char in[FRAMES_TURN];
	size_t in_at, in_len;
	bool spent, more; /* this turn has read its piece; which was not empty */
	int64_t now;
	bool closing, over; /* over: what still comes in is not looked at any more */
	char why[160];
	struct err err; /* of the stream, from within wslay's callbacks */
};

/* ---- wslay's callbacks ---- */

/* One piece a turn; -1: stop. */
static int fill(struct frames *frames)
{
	const ssize_t got =
	    frames->spent ? 0
			  : frames->io.read(frames->io.ctx, frames->in, FRAMES_TURN, &frames->err);

	if (got < 0)
		return -1;
	if (!frames->spent)
		frames->more = got > 0;
	frames->spent = true;
	frames->in_at = 0;
	frames->in_len = gate_pass(&frames->gate, frames->in, (size_t)got, frames->now);
	return 0;
}

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *bytes, size_t size, int flags,
		       void *arg)
{
	struct frames *frames = arg;

	(void)flags;
	if (frames->in_at == frames->in_len && fill(frames) < 0) {
		wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
		return -1;
	}
	const size_t there = frames->in_len - frames->in_at;
	const size_t step = there < size ? there : size;

	if (step == 0) {
		wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(bytes, frames->in + frames->in_at, step);
	frames->in_at += step;
	return (ssize_t)step;
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t len, int flags,
		       void *arg)
{
	struct frames *frames = arg;
	const ssize_t sent = frames->io.write(frames->io.ctx, bytes, len, &frames->err);

	(void)flags;
	if (sent > 0)
		return sent;
	wslay_event_set_error(wslay, sent == 0 ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static int on_mask(wslay_event_context_ptr wslay, uint8_t *bytes, size_t len, void *arg)
{
	(void)wslay, (void)arg;
	random_fill(bytes, len);
	return 0;
}

static void on_goodbye(struct frames *frames, const struct wslay_event_on_msg_recv_arg *message)
{
	const int reason_len = message->msg_length > 2 ? (int)message->msg_length - 2 : 0;

	if (!frames->closing)
		snprintf(frames->why, sizeof(frames->why), "the peer closed with code %d%s%.*s",
			 message->status_code ? message->status_code : WSLAY_CODE_NO_STATUS_RCVD,
			 reason_len ? ": " : "", reason_len,
			 reason_len ? (const char *)message->msg + 2 : "");
	frames->closing = true;
}

static void on_message(wslay_event_context_ptr wslay,
		       const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
	struct frames *frames = arg;
	uint64_t number;

	(void)wslay;
	if (message->opcode == WSLAY_CONNECTION_CLOSE)
		on_goodbye(frames, message);
	else if (frames->closing)
		return;
	else if (message->opcode == WSLAY_TEXT_FRAME)
		frames->events.text(frames->events.ctx,
				    message->msg_length ? (const char *)message->msg : "",
				    message->msg_length);
	else if (message->opcode == WSLAY_PONG && message->msg_length == PING_SIZE) {
		memcpy(&number, message->msg, PING_SIZE);
		frames->events.pong(frames->events.ctx, number);
	}
}

/* ---- start and end ---- */

struct frames *frames_new(const struct frames_io *io, const struct frames_events *events,
			  size_t max_message, struct err *err)
{
	const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.genmask_callback = on_mask,
		.on_msg_recv_callback = on_message,
	};
	struct frames *frames = calloc(1, sizeof(*frames));

	if (!frames || wslay_event_context_client_init(&frames->wslay, &callbacks, frames) != 0) {
		free(frames);
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	frames->io = *io;
	frames->events = *events;
	frames->gate.max_message = max_message;
	wslay_event_config_set_max_recv_msg_length(frames->wslay, max_message);
	return frames;
}

void frames_free(struct frames *frames)
{
	if (!frames)
		return;
	wslay_event_context_free(frames->wslay);
	free(frames);
}

void frames_preload(struct frames *frames, const void *bytes, size_t len)
{
	frames->in_len = len < FRAMES_TURN ? len : FRAMES_TURN;
	memcpy(frames->in, bytes, frames->in_len);
	frames->in_len = gate_pass(&frames->gate, frames->in, frames->in_len, 0);
}

/* ---- out ---- */

static int queue(struct frames *frames, uint8_t opcode, const void *bytes, size_t len,
		 struct err *err)
{
	const struct wslay_event_msg message = { opcode, bytes, len };

	if (frames->closing)
		return err_set(err, ERR_CONFLICT, "the connection is closing");
	const int rc = wslay_event_queue_msg(frames->wslay, &message);
	if (rc == 0)
		return 0;
	return rc == WSLAY_ERR_NOMEM ? err_set(err, ERR_NOMEM, "out of memory")
				     : err_set(err, ERR_CONFLICT, "the connection is closing");
}

int frames_text(struct frames *frames, const char *text, size_t len, struct err *err)
{
	return queue(frames, WSLAY_TEXT_FRAME, text, len, err);
}

int frames_ping(struct frames *frames, uint64_t number, struct err *err)
{
	return queue(frames, WSLAY_PING, &number, PING_SIZE, err);
}

void frames_close(struct frames *frames, int code, const char *why)
{
	const size_t len = why ? strlen(why) : 0;

	if (frames->closing)
		return;
	frames->closing = true;
	snprintf(frames->why, sizeof(frames->why), "closed with code %d%s%s", code, why ? ": " : "",
		 why ? why : "");
	wslay_event_queue_close(frames->wslay, (uint16_t)code, (const uint8_t *)why,
				why ? utf8_clip(why, len, MAX_REASON) : 0);
}

static int fail(struct frames *frames, int rc, struct err *err)
{
	if (rc == WSLAY_ERR_NOMEM)
		return err_set(err, ERR_NOMEM, "out of memory");
	*err = frames->err;
	return -1;
}

int frames_send(struct frames *frames, struct err *err)
{
	const int rc = wslay_event_send(frames->wslay);

	return rc == 0 ? 0 : fail(frames, rc, err);
}

/* ---- in ---- */

/* Until the peer, which reads our goodbye, ends the connection: an end of ours while its bytes lie
 * unread would reset it, and the goodbye with it. */
static int discard(struct frames *frames, struct err *err)
{
	const ssize_t got = frames->io.read(frames->io.ctx, frames->in, FRAMES_TURN, err);

	return got < 0 ? -1 : got > 0;
}

int frames_receive(struct frames *frames, int64_t now, struct err *err)
{
	if (frames->over)
		return discard(frames, err);
	frames->now = now;
	frames->spent = frames->more = false;
	const int rc = wslay_event_recv(frames->wslay);

	if (frames->gate.code) {
		frames->over = true;
		frames_close(frames, frames->gate.code, frames->gate.why);
	} else if (rc != 0) {
		return fail(frames, rc, err);
	} else if (!wslay_event_get_read_enabled(frames->wslay)) { /* wslay has queued the close */
		frames->over = true;
		if (!frames->closing)
			snprintf(frames->why, sizeof(frames->why),
				 "closed because of text that is not UTF-8, or a goodbye "
				 "with an unknown code");
		frames->closing = true;
	}
	return frames->more;
}

/* ---- state ---- */

size_t frames_queued(const struct frames *frames)
{
	return wslay_event_get_queued_msg_count(frames->wslay);
}

bool frames_wants_write(const struct frames *frames)
{
	return wslay_event_want_write(frames->wslay);
}

bool frames_closing(const struct frames *frames)
{
	return frames->closing;
}

bool frames_closed(const struct frames *frames)
{
	return wslay_event_get_close_sent(frames->wslay) &&
	       wslay_event_get_close_received(frames->wslay);
}

const char *frames_why(const struct frames *frames)
{
	return frames->why;
}
