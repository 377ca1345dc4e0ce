#include "tunnel/link.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tunnel/backoff.h"
#include "tunnel/connection.h"
#include "tunnel/dial.h"

struct link {
	struct link_traffic traffic;
	struct seen
	    *seen; /* outlives connections: what was sent on one may be repeated on the next */
	int wake;  /* eventfd */
	pthread_t thread;
	bool running;

	atomic_bool leave;    /* end what is under way: stop, or another configuration */
	pthread_mutex_t lock; /* guards the rest */
	struct config *config;
	bool stop, up;
	char why[LINK_WHY_SIZE]; /* not up */
};

/* ---- what is in force ---- */

/* NULL when a connection is wanted, else why not. */
static const char *unwanted(const struct config *config)
{
	if (!config->features.wss_tunnel)
		return "features.wss_tunnel is off";
	if (config->executor.safe_mode)
		return "safe mode";
	return config->tunnel.url ? NULL : "there is no tunnel in the configuration";
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* What a connection is made of. */
static bool same_tunnel(const struct config *a, const struct config *b)
{
	return !unwanted(a) == !unwanted(b) && same_text(a->tunnel.url, b->tunnel.url) &&
	       same_text(a->tunnel.agent_id, b->tunnel.agent_id) &&
	       same_text(a->tunnel.token, b->tunnel.token) &&
	       same_text(a->tunnel.hmac_secret, b->tunnel.hmac_secret) &&
	       a->tunnel.heartbeat == b->tunnel.heartbeat &&
	       a->tunnel.reconnect == b->tunnel.reconnect &&
	       same_text(a->tunnel.ca_file, b->tunnel.ca_file) &&
	       same_text(a->tunnel.client_cert, b->tunnel.client_cert) &&
	       same_text(a->tunnel.client_key, b->tunnel.client_key) &&
	       same_text(a->tunnel.proxy, b->tunnel.proxy) &&
	       a->tunnel.allow_insecure == b->tunnel.allow_insecure &&
	       a->webhook.max_body == b->webhook.max_body;
}

static void say(struct link *link, bool up, const char *why)
{
	pthread_mutex_lock(&link->lock);
	link->up = up;
	snprintf(link->why, sizeof(link->why), "%.*s", LINK_WHY_SIZE - 1, why);
	pthread_mutex_unlock(&link->lock);
}

/* The configuration for one try, and whoever changes it from now on is noticed; NULL: stop. */
static struct config *take_config(struct link *link)
{
	pthread_mutex_lock(&link->lock);
	struct config *config = link->stop ? NULL : config_ref(link->config);
	atomic_store(&link->leave, link->stop);
	pthread_mutex_unlock(&link->lock);
	return config;
}

/* ---- the thread ---- */

/* Until `at` (ms, monotonic), or until there is reason to leave. */
static void wait_until(struct link *link, int64_t at)
{
	struct pollfd fd = { .fd = link->wake, .events = POLLIN };
	uint64_t count;

	while (!atomic_load(&link->leave)) {
		const int64_t left = at - clock_mono();

		if (left <= 0)
			return;
		const int timeout = left < INT32_MAX ? (int)left : INT32_MAX;
		if (poll(&fd, 1, timeout) > 0 && read(link->wake, &count, sizeof(count)) < 0)
			return;
	}
}

static int run_connection(struct link *link, const struct config *config,
			  const struct envelope_rules *rules, struct err *err)
{
	const struct connection_options options = {
		.config = config,
		.traffic = &link->traffic,
		.rules = rules,
		.leave = &link->leave,
		.wake = link->wake,
	};
	struct buf rest = { 0 };
	struct connection *connection = NULL;
	struct wire *wire = dial(config, &link->leave, &rest, err);

	if (wire)
		connection = connection_new(&options, wire, &rest, err);
	buf_done(&rest);
	if (!connection)
		return -1;
	say(link, true, "");
	log_event(LOG_LEVEL_INFO, "tunnel up", "url", config->tunnel.url, "agent_id",
		  config->tunnel.agent_id, NULL);
	link->traffic.changed(link->traffic.ctx, true, "");
	connection_run(connection, err);
	say(link, false, err->text);
	link->traffic.changed(link->traffic.ctx, false, err->text);
	connection_free(connection);
	return 0;
}

/* One connection, or one that did not come about.  The wait before the next, ms. */
static int64_t try_once(struct link *link, const struct config *config, struct backoff *backoff)
{
	struct envelope_rules rules = { .agent_id = config->tunnel.agent_id, .seen = link->seen };
	const char *secret = config->tunnel.hmac_secret;
	const int64_t from = clock_mono();
	struct err err = { 0 };
	bool stood = false;

	if (secret)
		rules.hmac = hmac_new(secret, strlen(secret), &err);
	if (!secret || rules.hmac)
		stood = run_connection(link, config, &rules, &err) == 0;
	hmac_free(rules.hmac);
	if (atomic_load(&link->leave)) {
		if (stood)
			log_event(LOG_LEVEL_INFO, "tunnel down", "why", err.text, NULL);
		return 0;
	}
	/* One that is let in and thrown out at once waits longer and longer, too. */
	if (stood && clock_mono() - from >= config->tunnel.heartbeat)
		backoff_reset(backoff, config->tunnel.reconnect);
	const int64_t wait = backoff_take(backoff);
	char seconds[32];

	snprintf(seconds, sizeof(seconds), "%.1f", (double)wait / 1000);
	say(link, false, err.text);
	log_event(LOG_LEVEL_WARN, stood ? "tunnel down" : "tunnel: cannot connect", "why", err.text,
		  "again_in_seconds", seconds, NULL);
	return wait;
}

/* With one configuration, until another is in force. */
static void serve(struct link *link, const struct config *config)
{
	const char *why = unwanted(config);
	struct backoff backoff;

	say(link, false, why ? why : "connecting");
	backoff_reset(&backoff, config->tunnel.reconnect);
	while (!atomic_load(&link->leave)) {
		const int64_t wait = why ? INT32_MAX : try_once(link, config, &backoff);

		wait_until(link, clock_mono() + wait);
	}
}

static void *run(void *arg)
{
	struct link *link = arg;
	struct config *config;

	while ((config = take_config(link))) {
		serve(link, config);
		config_unref(config);
	}
	return NULL;
}

/* ---- from other threads ---- */

void link_wake(struct link *link)
{
	const uint64_t one = 1;

	/* Fails only when it is full, which wakes as well. */
	if (write(link->wake, &one, sizeof(one)) < 0)
		return;
}

static void leave(struct link *link)
{
	atomic_store(&link->leave, true);
	link_wake(link);
}

void link_reload(struct link *link, struct config *config)
{
	pthread_mutex_lock(&link->lock);
	struct config *old = link->config;
	const bool same = same_tunnel(old, config);

	link->config = config_ref(config);
	if (!same)
		leave(link);
	pthread_mutex_unlock(&link->lock);
	config_unref(old);
}

bool link_trouble(struct link *link, char why[LINK_WHY_SIZE])
{
	pthread_mutex_lock(&link->lock);
	const bool trouble = !link->up && !unwanted(link->config);

	snprintf(why, LINK_WHY_SIZE, "%s", link->why);
	pthread_mutex_unlock(&link->lock);
	return trouble;
}

/* ---- start and end ---- */

struct link *link_start(struct config *config, const struct link_traffic *traffic, struct err *err)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&link->lock, NULL);
	link->traffic = *traffic;
	link->config = config_ref(config);
	link->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	link->seen = seen_new(err);
	if (link->wake < 0)
		err_set(err, ERR_IO, "eventfd: %s", strerror(errno));
	if (link->wake < 0 || !link->seen)
		goto fail;
	if (pthread_create(&link->thread, NULL, run, link) != 0) {
		err_set(err, ERR_IO, "cannot start a thread for the tunnel");
		goto fail;
	}
	link->running = true;
	return link;
fail:
	link_free(link);
	return NULL;
}

void link_stop(struct link *link)
{
	if (!link->running)
		return;
	pthread_mutex_lock(&link->lock);
	link->stop = true;
	leave(link);
	pthread_mutex_unlock(&link->lock);
	pthread_join(link->thread, NULL);
	link->running = false;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	link_stop(link);
	if (link->wake >= 0)
		close(link->wake);
	seen_free(link->seen);
	config_unref(link->config);
	pthread_mutex_destroy(&link->lock);
	free(link);
}
