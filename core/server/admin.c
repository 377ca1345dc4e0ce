#include "server/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/admin_api.h"
#include "server/admin_guard.h"
#include "server/admin_socket.h"
#include "server/admin_stream.h"
#include "server/conn.h"
#include "server/listener.h"
#include "server/loop.h"
#include "server/reply.h"

#define MAX_CONNECTIONS 64
#define MAX_BODY (64 << 10)
#define MAX_UNVERIFIED (4 << 20)
#define TIMEOUT 10000	   /* ms for a request to come, and for an answer to be taken */
#define STOP_PATIENCE 2000 /* ms */

struct admin {
	struct site site;
	struct admin_api api;
	struct admin_guard *guard;
	struct admin_socket sock; /* with `path` */
	char *path;		  /* NULL: TCP */
	struct loop *loop;
	struct streams *streams;
};

static struct admin_value header(const h2o_req_t *req, const h2o_token_t *name)
{
	const ssize_t at = h2o_find_header(&req->headers, name, -1);

	if (at < 0)
		return (struct admin_value){ 0 };
	return (struct admin_value){ req->headers.entries[at].value.base,
				     req->headers.entries[at].value.len };
}

static struct admin_value by_name(const h2o_req_t *req, const char *name, size_t len)
{
	const ssize_t at = h2o_find_header_by_str(&req->headers, name, len, -1);

	if (at < 0)
		return (struct admin_value){ 0 };
	return (struct admin_value){ req->headers.entries[at].value.base,
				     req->headers.entries[at].value.len };
}

/* Answers and returns false when the one who asks may not. */
static bool let_in(const struct admin *admin, struct conn *conn, const h2o_req_t *req)
{
	const struct admin_value host = { req->input.authority.base, req->input.authority.len };
	const char *why = NULL;
	char body[128];
	const int status = admin_guard_check(admin->guard, host, by_name(req, H2O_STRLIT("origin")),
					     header(req, H2O_TOKEN_AUTHORIZATION), &why);

	if (status == 0)
		return true;
	conn_count(conn, REFUSED_BAD_SIGNATURE);
	snprintf(body, sizeof(body), "{\"error\":\"%s\"}", why);
	reply_send(conn, &(struct reply){ .status = status,
					  .body = body,
					  .len = strlen(body),
					  .bearer = status == 401 });
	return false;
}

static void serve(struct loop *loop, struct conn *conn, h2o_req_t *req)
{
	const struct admin *admin = loop->site->ctx;

	if (!let_in(admin, conn, req))
		return;
	const h2o_iovec_t method =
	    h2o_strdup(&req->pool, req->input.method.base, req->input.method.len);
	const h2o_iovec_t path = h2o_strdup(&req->pool, req->input.path.base, req->input.path.len);
	const struct admin_value last = by_name(req, H2O_STRLIT("last-event-id"));
	if (admin_stream_serve(&admin->api, admin->streams, conn, method.base, path.base, last.text,
			       last.len))
		return;
	struct admin_answer answer = admin_api_call(&admin->api, method.base, path.base);
	char *text = answer.body ? json_text(answer.body) : answer.text;
	const char *body = text ? text : "{\"error\":\"out of memory\"}";

	reply_send(conn, &(struct reply){
			     .status = text ? answer.status : 500,
			     .type = text ? answer.type : NULL,
			     .body = body,
			     .len = strlen(body),
			     .allow = answer.allow,
			 });
	free(text);
	json_decref(answer.body);
}

static void tick(struct loop *loop)
{
	const struct admin *admin = loop->site->ctx;

	streams_tick(admin->streams);
}

static void wake(void *ctx, int loop)
{
	const struct admin *admin = ctx;

	(void)loop;
	if (admin->loop)
		loop_visit(admin->loop);
}

static void admin_free(struct admin *admin)
{
	crowd_free(admin->site.crowd);
	tally_free(admin->site.tally);
	admin_guard_free(admin->guard);
	streams_free(admin->streams);
	free(admin->path);
	free(admin);
}

static struct admin *admin_new(const struct config *config, struct err *err)
{
	struct admin *admin = calloc(1, sizeof(*admin));

	if (!admin) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	admin->guard = admin_guard_new(config->admin.address, config->admin.token,
				       config->admin.allow_remote, err);
	admin->path = config->admin.socket ? strdup(config->admin.socket) : NULL;
	admin->site = (struct site){
		.crowd = crowd_new(MAX_CONNECTIONS, MAX_UNVERIFIED, wake, admin),
		.tally = tally_new(),
		.max_body = MAX_BODY,
		.head_timeout = TIMEOUT,
		.serve = serve,
		.tick = tick,
		.ctx = admin,
	};
	admin->streams = streams_new();
	if (admin->guard && admin->streams && admin->site.crowd && admin->site.tally)
		return admin;
	if (admin->guard)
		err_set(err, ERR_NOMEM, "out of memory");
	admin_free(admin);
	return NULL;
}

/* The listening socket, or -1. */
static int open_socket(struct admin *admin, const struct config *config, struct err *err)
{
	uint16_t port;
	int fd;

	if (admin->path)
		return admin_socket_open(admin->path, &admin->sock, err) < 0 ? -1 : admin->sock.fd;
	if (listener_bind("admin.listen", config->admin.address, 1, &fd, &port, err) < 0)
		return -1;
	return fd;
}

struct admin *admin_start(const struct config *config, struct store *store,
			  struct pipeline *pipeline, const struct admin_hooks *hooks,
			  struct err *err)
{
	struct admin *admin = admin_new(config, err);

	if (!admin)
		return NULL;
	admin->api = (struct admin_api){ .store = store, .pipeline = pipeline, .hooks = *hooks };
	const int fd = open_socket(admin, config, err);
	if (fd < 0) {
		admin_free(admin);
		return NULL;
	}
	site_init(&admin->site);
	admin->loop = loop_new(&admin->site, 0, fd);
	if (loop_start(admin->loop, err) < 0) {
		admin_stop(admin);
		return NULL;
	}
	return admin;
}

void admin_stop(struct admin *admin)
{
	if (!admin)
		return;
	if (admin->path)
		admin_socket_remove(admin->path, &admin->sock);
	loop_ask_stop(admin->loop, STOP_PATIENCE);
	loop_join(admin->loop);
	loop_free(admin->loop);
	site_done(&admin->site);
	admin_free(admin);
}
