/*
 * What a server sends after the handshake.  The first byte says in which pieces it comes.  Messages
 * come out only as UTF-8 and within their bound, nothing goes unclosed that is wrong, and what is
 * queued in answer stays small.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tunnel/frames.h"
#include "tunnel/gate.h"

#define MAX_MESSAGE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct peer {
	const uint8_t *data;
	size_t left, piece;
	struct frames *frames;
};

static ssize_t on_read(void *ctx, void *bytes, size_t size, struct err *err)
{
	struct peer *peer = ctx;
	size_t step = peer->left < peer->piece ? peer->left : peer->piece;

	step = step < size ? step : size;
	if (step == 0)
		return err_set(err, ERR_NOTFOUND, "it ended");
	memcpy(bytes, peer->data, step);
	peer->data += step;
	peer->left -= step;
	return (ssize_t)step;
}

static ssize_t on_write(void *ctx, const void *bytes, size_t len, struct err *err)
{
	(void)ctx, (void)bytes, (void)err;
	return (ssize_t)len;
}

static void on_text(void *ctx, const char *text, size_t len)
{
	const struct peer *peer = ctx;

	if (len > MAX_MESSAGE || !utf8_valid(text, len) || frames_closing(peer->frames))
		abort();
}

static void on_pong(void *ctx, uint64_t number)
{
	(void)ctx, (void)number;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer peer = { .data = data + 1, .left = size ? size - 1 : 0 };
	const struct frames_io io = { on_read, on_write, &peer };
	const struct frames_events events = { on_text, on_pong, &peer };
	struct err err;

	if (size == 0)
		return 0;
	peer.piece = data[0] ? data[0] : SIZE_MAX;
	peer.frames = frames_new(&io, &events, MAX_MESSAGE, &err);
	if (!peer.frames)
		abort();
	while (frames_receive(peer.frames, 0, &err) >= 0) {
		if (frames_queued(peer.frames) > GATE_MAX_CONTROLS + 1)
			abort();
		if (frames_send(peer.frames, &err) < 0)
			abort();
		if (frames_closing(peer.frames) != (frames_why(peer.frames)[0] != '\0'))
			abort();
	}
	frames_free(peer.frames);
	return 0;
}
