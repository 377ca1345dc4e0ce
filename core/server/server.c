#include "server/server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/trouble.h"
#include "server/conn.h"
#include "server/health.h"
#include "server/listener.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/webhook.h"

#define LOOPS_MAX 16
#define LOOPS_DEFAULT 4
#define WRONG_SIGNATURES 5
#define STOP_PATIENCE 10000 /* ms for what has begun; an AI task may ask OpenPR for 3 s */

struct server {
	struct site site;
	struct pipeline *pipeline;
	struct loop *loops[LOOPS_MAX];
	int count;
	uint16_t port;
};

/* ---- routes ---- */

typedef void route_fn(struct server *server, struct loop *loop, struct conn *conn, h2o_req_t *req);

static void route_webhook(struct server *server, struct loop *loop, struct conn *conn,
			  h2o_req_t *req)
{
	tally_received(loop->site->tally);
	webhook_serve(loop, conn, req, server->pipeline);
}

static void route_health(struct server *server, struct loop *loop, struct conn *conn,
			 h2o_req_t *req)
{
	(void)server, (void)loop, (void)req;
	health_serve(conn);
}

static void route_ready(struct server *server, struct loop *loop, struct conn *conn, h2o_req_t *req)
{
	(void)loop, (void)req;
	health_ready(conn, server->pipeline);
}

static const struct route {
	const char *path, *methods[2], *allow;
	route_fn *serve;
} routes[] = {
	{ "/webhook", { "POST", NULL }, "POST", route_webhook },
	{ "/health", { "GET", "HEAD" }, "GET, HEAD", route_health },
	{ "/ready", { "GET", "HEAD" }, "GET, HEAD", route_ready },
};

static bool is(const char *text, size_t len, const char *word)
{
	return word && len == strlen(word) && memcmp(text, word, len) == 0;
}

/* The raw path, as it came: libh2o would also decode and normalise it. */
static const struct route *find_route(const h2o_req_t *req)
{
	const h2o_iovec_t path = req->input.path;
	const size_t len = req->input.query_at < path.len ? req->input.query_at : path.len;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (is(path.base, len, routes[i].path))
			return &routes[i];
	return NULL;
}

static void refuse_method(struct conn *conn, const struct route *route)
{
	static const char body[] = "{\"error\":\"this path does not have that method\"}";

	tally_received(conn->loop->site->tally);
	conn_count(conn, REFUSED_BAD_METHOD);
	reply_send(conn, &(struct reply){ .status = 405,
					  .allow = route->allow,
					  .body = body,
					  .len = sizeof(body) - 1 });
}

static void serve(struct loop *loop, struct conn *conn, h2o_req_t *req)
{
	const struct route *route = find_route(req);
	const h2o_iovec_t method = req->input.method;

	if (!route) {
		tally_received(loop->site->tally);
		conn_count(conn, REFUSED_NOT_FOUND);
		reply_error(conn, 404, "no such path");
	} else if (is(method.base, method.len, route->methods[0]) ||
		   is(method.base, method.len, route->methods[1])) {
		route->serve(loop->site->ctx, loop, conn, req);
	} else {
		refuse_method(conn, route);
	}
}

/* ---- life ---- */

static void wake(void *ctx, int loop)
{
	struct server *server = ctx;

	for (int i = 0; i < server->count; i++)
		if (loop == CROWD_ALL_LOOPS || loop == i)
			loop_visit(server->loops[i]);
}

static int site_make(struct server *server, const struct config *config, struct err *err)
{
	struct site *site = &server->site;

	*site = (struct site){
		.crowd = crowd_new((size_t)config->webhook.max_connections,
				   config->webhook.max_unverified, wake, server),
		.tally = tally_new(),
		.max_body = config->webhook.max_body,
		.head_timeout = config->webhook.head_timeout,
		.serve = serve,
		.ctx = server,
	};
	site_init(site);
	return site->crowd && site->tally ? 0 : err_set(err, ERR_NOMEM, "out of memory");
}

static int loops_make(struct server *server, const struct config *config, int loops,
		      struct err *err)
{
	int fds[LOOPS_MAX];

	if (listener_bind("webhook.listen", config->webhook.listen, loops, fds, &server->port,
			  err) < 0)
		return -1;
	for (; server->count < loops; server->count++)
		server->loops[server->count] =
		    loop_new(&server->site, server->count, fds[server->count]);
	for (int i = 0; i < loops; i++) {
		server->loops[i]->local = signature_new(config, err);
		if (!server->loops[i]->local)
			return -1;
	}
	for (int i = 0; i < loops; i++)
		if (loop_start(server->loops[i], err) < 0)
			return -1;
	return 0;
}

static int loops_wanted(int loops)
{
	if (loops == 0) {
		const long cores = sysconf(_SC_NPROCESSORS_ONLN);
		loops = cores < 1 ? 1 : cores > LOOPS_DEFAULT ? LOOPS_DEFAULT : (int)cores;
	}
	return loops > LOOPS_MAX ? LOOPS_MAX : loops;
}

struct server *server_start(const struct config *config, struct pipeline *pipeline, int loops,
			    struct err *err)
{
	struct server *server;

	if (listener_descriptors(config->webhook.max_connections, err) < 0)
		return NULL;
	server = calloc(1, sizeof(*server));
	if (!server) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	/* libh2o would put buffers above 32 MiB into files under /tmp. */
	h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
	server->pipeline = pipeline;
	if (site_make(server, config, err) < 0 ||
	    loops_make(server, config, loops_wanted(loops), err) < 0) {
		server_free(server);
		return NULL;
	}
	return server;
}

uint16_t server_port(const struct server *server)
{
	return server->port;
}

int server_reload(struct server *server, const struct config *config, struct err *err)
{
	struct signature *made[LOOPS_MAX] = { NULL };

	for (int i = 0; i < server->count; i++) {
		made[i] = signature_new(config, err);
		if (!made[i]) {
			while (i-- > 0)
				signature_free(made[i]);
			return -1;
		}
	}
	for (int i = 0; i < server->count; i++)
		webhook_secrets(server->loops[i], made[i]);
	return 0;
}

void server_stop_within(struct server *server, int64_t patience)
{
	for (int i = 0; i < server->count; i++)
		loop_ask_stop(server->loops[i], patience);
	for (int i = 0; i < server->count; i++)
		loop_join(server->loops[i]);
}

void server_stop(struct server *server)
{
	server_stop_within(server, STOP_PATIENCE);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	server_stop(server);
	for (int i = 0; i < server->count; i++) {
		signature_free(server->loops[i]->local);
		loop_free(server->loops[i]);
	}
	site_done(&server->site);
	crowd_free(server->site.crowd);
	tally_free(server->site.tally);
	free(server);
}

void server_trouble(void *ctx, json_t *list)
{
	const struct server *server = ctx;
	const uint64_t wrong = tally_wrong_signatures(server->site.tally, clock_mono());

	if (wrong >= WRONG_SIGNATURES)
		trouble_add(
		    list, "signatures_failing", false,
		    "the last %llu signatures were all wrong: is webhook.secret the secret of "
		    "OpenPR's webhook?",
		    (unsigned long long)wrong);
}

json_t *server_counters(const struct server *server)
{
	return tally_json(server->site.tally);
}
