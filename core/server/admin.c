#include "server/admin.h"

#include <stdlib.h>
#include <string.h>

#include "server/admin_api.h"
#include "server/admin_socket.h"
#include "server/conn.h"
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
	struct admin_socket sock;
	char *path;
	struct loop *loop;
};

static void serve(struct loop *loop, struct conn *conn, h2o_req_t *req)
{
	const struct admin *admin = loop->site->ctx;
	const h2o_iovec_t method =
	    h2o_strdup(&req->pool, req->input.method.base, req->input.method.len);
	const h2o_iovec_t path = h2o_strdup(&req->pool, req->input.path.base, req->input.path.len);
	struct admin_answer answer = admin_api_call(&admin->api, method.base, path.base);
	char *text = answer.body ? json_text(answer.body) : NULL;
	const char *body = text ? text : "{\"error\":\"out of memory\"}";

	reply_send(conn, &(struct reply){
			     .status = text ? answer.status : 500,
			     .body = body,
			     .len = strlen(body),
			     .allow = answer.allow,
			 });
	free(text);
	json_decref(answer.body);
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
	free(admin->path);
	free(admin);
}

static struct admin *admin_new(const char *path)
{
	struct admin *admin = calloc(1, sizeof(*admin));

	if (!admin)
		return NULL;
	admin->path = strdup(path);
	admin->site = (struct site){
		.crowd = crowd_new(MAX_CONNECTIONS, MAX_UNVERIFIED, wake, admin),
		.tally = tally_new(),
		.max_body = MAX_BODY,
		.head_timeout = TIMEOUT,
		.serve = serve,
		.ctx = admin,
	};
	if (admin->path && admin->site.crowd && admin->site.tally)
		return admin;
	admin_free(admin);
	return NULL;
}

struct admin *admin_start(const char *socket_path, struct store *store, struct pipeline *pipeline,
			  const struct admin_hooks *hooks, struct err *err)
{
	struct admin *admin = admin_new(socket_path);

	if (!admin) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	admin->api = (struct admin_api){ .store = store, .pipeline = pipeline, .hooks = *hooks };
	if (admin_socket_open(socket_path, &admin->sock, err) < 0) {
		admin_free(admin);
		return NULL;
	}
	site_init(&admin->site);
	admin->loop = loop_new(&admin->site, 0, admin->sock.fd);
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
	admin_socket_remove(admin->path, &admin->sock);
	loop_ask_stop(admin->loop, STOP_PATIENCE);
	loop_join(admin->loop);
	loop_free(admin->loop);
	site_done(&admin->site);
	admin_free(admin);
}
