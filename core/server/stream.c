#include "server/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/loop.h"
#include "server/reply.h"

/* Part of the request's pool, and gone with the request. */
struct stream {
	h2o_generator_t super;
	struct streams *streams;
	struct conn *conn;
	struct stream_source source;
	struct buf piece; /* being written while `writing` */
	bool writing, ended;
	int64_t beat_at;
	struct stream *next, *prev;
};

struct streams {
	struct stream *first;
	size_t count;
};

struct streams *streams_new(void)
{
	return calloc(1, sizeof(struct streams));
}

void streams_free(struct streams *streams)
{
	free(streams);
}

static void on_dispose(void *data)
{
	struct stream *stream = data;

	stream->source.free(stream->source.ctx);
	buf_done(&stream->piece);
	if (stream->next)
		stream->next->prev = stream->prev;
	if (stream->prev)
		stream->prev->next = stream->next;
	else
		stream->streams->first = stream->next;
	stream->streams->count--;
}

static void send_piece(struct stream *stream)
{
	h2o_iovec_t bytes = h2o_iovec_init(stream->piece.bytes, stream->piece.len);

	stream->writing = true;
	stream->beat_at = clock_mono() + STREAM_BEAT;
	conn_answering(stream->conn); /* from now on it has so long to take this */
	h2o_send(stream->conn->req, &bytes, bytes.len > 0,
		 stream->ended ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

/* Nothing of the stream may be used afterwards: its last piece may have been written at once. */
static void pump(struct stream *stream)
{
	if (stream->writing || stream->ended)
		return;
	buf_clear(&stream->piece);
	stream->ended = stream->source.next(stream->source.ctx, &stream->piece) == STREAM_ENDS ||
			stream->conn->loop->stop_at != 0;
	if (stream->piece.len == 0 && !stream->ended && stream->source.beat &&
	    clock_mono() >= stream->beat_at)
		buf_append(&stream->piece, stream->source.beat, strlen(stream->source.beat));
	if (stream->piece.len > 0 || stream->ended)
		send_piece(stream);
	else
		stream->conn->deadline = INT64_MAX;
}

/* The client, or rather its socket, has taken the piece. */
static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
	struct stream *stream = (struct stream *)generator;

	(void)req;
	stream->writing = false;
	pump(stream);
}

static void on_stop(h2o_generator_t *generator, h2o_req_t *req)
{
	(void)req;
	((struct stream *)generator)->ended = true; /* on_dispose() follows */
}

static void begin(struct stream *stream, h2o_req_t *req)
{
	req->res.status = 200;
	req->res.reason = "OK";
	req->res.content_length = SIZE_MAX;
	h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
		       stream->source.type, strlen(stream->source.type));
	h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, NULL,
		       H2O_STRLIT("no-store"));
	conn_answering(stream->conn);
	h2o_start_response(req, &stream->super);
	pump(stream);
}

void stream_start(struct streams *streams, struct conn *conn, const struct stream_source *source)
{
	static const char full[] = "{\"error\":\"too many streams are open; close one\"}";

	if (streams->count >= STREAMS_MAX) {
		source->free(source->ctx);
		reply_send(conn, &(struct reply){ .status = 503,
						  .body = full,
						  .len = sizeof(full) - 1,
						  .retry_after = 5 });
		return;
	}
	struct stream *stream = h2o_mem_alloc_shared(&conn->req->pool, sizeof(*stream), on_dispose);
	*stream = (struct stream){
		.super = { on_proceed, on_stop },
		.streams = streams,
		.conn = conn,
		.source = *source,
		.beat_at = clock_mono() + STREAM_BEAT,
		.next = streams->first,
	};
	if (stream->next)
		stream->next->prev = stream;
	streams->first = stream;
	streams->count++;
	begin(stream, conn->req);
}

void streams_tick(struct streams *streams)
{
	struct stream *next;

	for (struct stream *stream = streams->first; stream; stream = next) {
		next = stream->next;
		pump(stream);
	}
}
