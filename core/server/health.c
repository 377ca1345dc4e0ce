#include "server/health.h"

#include <string.h>

#include "server/reply.h"

static void text(struct conn *conn, int status, const char *body)
{
	reply_send(conn, &(struct reply){
			     .status = status,
			     .type = "text/plain; charset=utf-8",
			     .body = body,
			     .len = strlen(body),
			 });
}

void health_serve(struct conn *conn)
{
	text(conn, 200, "ok");
}

void health_ready(struct conn *conn, struct pipeline *pipeline)
{
	const bool ready = !pipeline_unready(pipeline);

	text(conn, ready ? 200 : 503, ready ? "ready" : "not ready");
}
