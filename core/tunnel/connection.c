#include "tunnel/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tunnel/frames.h"
#include "tunnel/window.h"

#define MOST_QUEUED                                                                                \
	64 /* messages; with more waiting, nothing is read: the peer has to take some first */
#define GOODBYE_TIME 2000   /* ms, for the peer's half of it */
#define ENVELOPE_ROOM 65536 /* bytes of a dispatch's envelope around a body of webhook.max_body */
#define COMPLAINTS 10	    /* log lines about envelopes, within COMPLAINTS_WINDOW */
#define COMPLAINTS_WINDOW 60000 /* ms */
#define GOING_AWAY 1001

struct connection {
	struct connection_options options;
	struct wire *wire;
	struct frames *frames;
	struct window window;
	int64_t heartbeat; /* ms between two */
	int64_t heartbeat_at;
	int64_t answer_by;  /* when a pong is overdue; 0: none is awaited */
	int64_t goodbye_by; /* 0: nobody has said goodbye */
	bool ping_wanted;   /* by the heartbeat */
	bool more;	    /* the wire may hold bytes that poll() does not see */
	int complaints;
	int64_t complaints_since;
};

/* ---- the wire, as the frames see it ---- */

static ssize_t read_wire(void *ctx, void *bytes, size_t size, struct err *err)
{
	struct connection *connection = ctx;

	return wire_read(connection->wire, bytes, size, err);
}

static ssize_t write_wire(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct connection *connection = ctx;

	return wire_write(connection->wire, bytes, len, err);
}

/* ---- out ---- */

static int send_envelope(struct connection *connection, const char *type, const json_t *payload,
			 size_t *bytes, struct err *err)
{
	struct buf text = { 0 };
	int rc = envelope_write(connection->options.rules, type, payload, clock_wall() / 1000,
				&text, err);

	if (rc == 0 && text.len > LINK_MAX_PAYLOAD + ENVELOPE_ROOM)
		rc = err_set(err, ERR_FULL, "it has %zu bytes", text.len);
	if (rc == 0)
		rc = frames_text(connection->frames, text.bytes, text.len, err);
	if (rc == 0)
		*bytes = text.len;
	buf_done(&text);
	return rc;
}

/* What the link says of its own accord; not asked for again. */
static void send_own(struct connection *connection, const char *type, json_t *payload)
{
	struct err err;
	size_t bytes;

	if (!payload || send_envelope(connection, type, payload, &bytes, &err) < 0)
		log_event(LOG_LEVEL_WARN, "tunnel: cannot send", "type", type, NULL);
	json_decref(payload);
}

static void send_next(struct connection *connection, struct link_message *message)
{
	struct err err;
	size_t bytes;

	if (send_envelope(connection, message->type, message->payload, &bytes, &err) == 0)
		window_add(&connection->window, message->key, bytes);
	else
		log_event(LOG_LEVEL_ERROR, "tunnel: cannot send", "type", message->type, "key",
			  message->key, "why", err.text, NULL);
	json_decref(message->payload);
}

static void send_traffic(struct connection *connection)
{
	const struct link_traffic *traffic = connection->options.traffic;

	while (!frames_closing(connection->frames) && window_has_room(&connection->window) &&
	       frames_queued(connection->frames) < MOST_QUEUED) {
		struct link_message message = { .payload = NULL };

		if (!traffic->next(traffic->ctx, &message))
			return;
		send_next(connection, &message);
	}
}

/* ---- in ---- */

static bool may_complain(struct connection *connection)
{
	const int64_t now = clock_mono();

	if (now - connection->complaints_since >= COMPLAINTS_WINDOW) {
		connection->complaints_since = now;
		connection->complaints = 0;
	}
	return ++connection->complaints <= COMPLAINTS;
}

/* The connection stays open.  An error is never answered by one: two sides that do not understand
 * each other would go on for ever. */
static void refuse(struct connection *connection, const struct envelope *envelope,
		   const char *reason, const struct err *why)
{
	if (may_complain(connection))
		log_event(LOG_LEVEL_WARN, "tunnel: refused an envelope", "reason", reason, "why",
			  why->text, "id", envelope->id, NULL);
	if (!reason || (envelope->type && strcmp(envelope->type, "error") == 0))
		return;
	send_own(connection, "error",
		 strcmp(reason, "invalid_json") == 0
		     ? json_pack("{s:s}", "reason", reason)
		     : json_pack("{s:s, s:s}", "reason", reason, "msg_id", envelope->id));
}

static void on_text(void *ctx, const char *text, size_t len)
{
	struct connection *connection = ctx;
	const struct link_traffic *traffic = connection->options.traffic;
	struct envelope envelope;
	const char *reason = NULL;
	struct err err;

	if (envelope_read(connection->options.rules, text, len, clock_wall() / 1000, &envelope,
			  &reason, &err) < 0)
		refuse(connection, &envelope, reason, &err);
	else if (strcmp(envelope.type, "error") != 0)
		traffic->received(traffic->ctx, envelope.type, envelope.payload);
	else if (may_complain(connection))
		log_event(LOG_LEVEL_WARN, "tunnel: the peer refused an envelope", "reason",
			  json_str(envelope.payload, "reason"), "id",
			  json_str(envelope.payload, "msg_id"), NULL);
	envelope_done(&envelope);
}

static void on_pong(void *ctx, uint64_t number)
{
	struct connection *connection = ctx;
	const struct link_traffic *traffic = connection->options.traffic;

	if (window_pong(&connection->window, number, traffic->confirmed, traffic->ctx))
		connection->answer_by = 0;
}

/* ---- liveness ---- */

/*
 * A pong is awaited from the moment on at which a ping is due, not from when it could be sent: so a
 * peer that reads nothing is found out as well.  An interval to the ping and three quarters of one
 * to its answer make less than two.
 */
static void keep_alive(struct connection *connection, int64_t now)
{
	struct err err;

	if (now >= connection->heartbeat_at) {
		/* counted from now, so that none are made up for after a halt */
		connection->heartbeat_at = now + connection->heartbeat;
		connection->ping_wanted = true;
		if (frames_queued(connection->frames) < MOST_QUEUED)
			send_own(connection, "heartbeat", json_pack("{s:b}", "alive", 1));
	}
	if (!connection->ping_wanted && !window_wants_ping(&connection->window))
		return;
	if (connection->answer_by == 0)
		connection->answer_by = now + connection->heartbeat * 3 / 4;
	/* Control frames overtake messages: behind all of them means with none left. */
	if (connection->window.asking || frames_queued(connection->frames) > 0)
		return;
	connection->ping_wanted = false;
	frames_ping(connection->frames, window_ping(&connection->window), &err);
}

static int check_deadlines(struct connection *connection, int64_t now, struct err *err)
{
	if (connection->goodbye_by && now >= connection->goodbye_by)
		return err_set(err, ERR_TIMEOUT, "%s", frames_why(connection->frames));
	if (connection->answer_by && now >= connection->answer_by)
		return err_set(err, ERR_TIMEOUT, "the peer answered no ping in time");
	return 0;
}

static int64_t next_deadline(const struct connection *connection)
{
	int64_t at = connection->heartbeat_at;

	if (connection->answer_by && connection->answer_by < at)
		at = connection->answer_by;
	if (connection->goodbye_by && connection->goodbye_by < at)
		at = connection->goodbye_by;
	return at;
}

/* ---- the loop ---- */

static int write_all(struct connection *connection, struct err *err)
{
	if (wire_flush(connection->wire, err) < 0)
		return -1;
	return wire_waiting(connection->wire) ? 0 : frames_send(connection->frames, err);
}

static int send_due(struct connection *connection, int64_t now, struct err *err)
{
	if (frames_closing(connection->frames))
		return write_all(connection, err);
	send_traffic(connection);
	if (write_all(connection, err) < 0)
		return -1;
	keep_alive(connection, now);
	return write_all(connection, err);
}

/* Whether what the peer sends is taken in: not while it takes in nothing itself. */
static bool reads(const struct connection *connection)
{
	return frames_queued(connection->frames) < MOST_QUEUED ||
	       frames_closing(connection->frames);
}

static int wait(struct connection *connection, int64_t now, struct err *err)
{
	const bool blocked = wire_waiting(connection->wire);
	const short in = reads(connection) ? POLLIN : 0;
	struct pollfd fds[] = {
		{ .fd = wire_fd(connection->wire),
		  .events = (short)(in | (blocked ? POLLOUT : 0)) },
		{ .fd = connection->options.wake, .events = POLLIN },
	};
	const int64_t left = next_deadline(connection) - now;
	const bool busy = connection->more && in;
	uint64_t count;

	if (poll(fds, 2, busy || left < 0 ? 0 : (int)left) < 0 && errno != EINTR)
		return err_set(err, ERR_IO, "poll: %s", strerror(errno));
	if (fds[1].revents && read(connection->options.wake, &count, sizeof(count)) < 0 &&
	    errno != EAGAIN)
		return err_set(err, ERR_IO, "eventfd: %s", strerror(errno));
	connection->more |= (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
	return 0;
}

static int read_piece(struct connection *connection, struct err *err)
{
	if (!connection->more || !reads(connection))
		return 0;
	const int rc = frames_receive(connection->frames, clock_mono(), err);

	connection->more = rc > 0;
	return rc < 0 ? -1 : 0;
}

static void look_for_goodbye(struct connection *connection, int64_t now)
{
	if (atomic_load(connection->options.leave))
		frames_close(connection->frames, GOING_AWAY, "this host goes away");
	if (frames_closing(connection->frames) && !connection->goodbye_by) {
		connection->goodbye_by = now + GOODBYE_TIME;
		connection->answer_by = 0;
	}
}

/* 1: it is over as it should be; 0: it goes on; -1. */
static int turn(struct connection *connection, struct err *err)
{
	const int64_t now = clock_mono();

	look_for_goodbye(connection, now);
	if (check_deadlines(connection, now, err) < 0 || send_due(connection, now, err) < 0)
		return -1;
	if (frames_closed(connection->frames) && !wire_waiting(connection->wire))
		return 1;
	return wait(connection, now, err) < 0 || read_piece(connection, err) < 0 ? -1 : 0;
}

void connection_run(struct connection *connection, struct err *err)
{
	int rc;

	do
		rc = turn(connection, err);
	while (rc == 0);
	/* Once somebody has said goodbye, how the rest ended tells nothing. */
	if (atomic_load(connection->options.leave))
		err_set(err, ERR_CONFLICT, "%s", frames_why(connection->frames));
	else if (frames_closing(connection->frames))
		err_set(err, ERR_IO, "%s", frames_why(connection->frames));
}

struct connection *connection_new(const struct connection_options *options, struct wire *wire,
				  const struct buf *rest, struct err *err)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	const struct frames_io io = { read_wire, write_wire, connection };
	const struct frames_events events = { on_text, on_pong, connection };

	if (!connection) {
		wire_free(wire);
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	connection->options = *options;
	connection->wire = wire;
	connection->heartbeat = options->config->tunnel.heartbeat;
	connection->heartbeat_at = clock_mono() + connection->heartbeat;
	connection->more = true;
	connection->frames =
	    frames_new(&io, &events, options->config->webhook.max_body + ENVELOPE_ROOM, err);
	if (!connection->frames) {
		connection_free(connection);
		return NULL;
	}
	if (rest->len > 0)
		frames_preload(connection->frames, rest->bytes, rest->len);
	return connection;
}

void connection_free(struct connection *connection)
{
	if (!connection)
		return;
	frames_free(connection->frames);
	wire_free(connection->wire);
	free(connection);
}
