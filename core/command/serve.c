/* The daemon: starts the parts in order, waits for signals, stops them in reverse. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "command/check.h"
#include "command/command.h"
#include "command/reload.h"
#include "exec/run.h"
#include "pipeline/trouble.h"
#include "server/admin.h"

#define POLICY_WORKERS 4
#define PRUNE_EVERY (3600 * 1000) /* ms */
#define DRAIN_LOOK 100		  /* ms between two looks at the runs that still go on */

struct daemon {
	struct policy_host *host;
	struct store *store;
	struct admin *admin;
	struct reload reload; /* config, pool, pipeline, server, tunnel */
	struct notify notify;
	int64_t prune_at, alive_at; /* CLOCK_MONOTONIC */
};

static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* ---- start ---- */

static void log_policy(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	log_event(level, "policy", "says", text, NULL);
}

static int start_policies(struct daemon *daemon, struct err *err)
{
	struct buf mistakes = { 0 };

	daemon->reload.pool = policy_pool_new(daemon->host, POLICY_WORKERS, err);
	if (!daemon->reload.pool)
		return -1;
	policy_pool_on_log(daemon->reload.pool, log_policy, NULL);
	const int rc = check_policies(daemon->reload.pool, daemon->reload.config, &mistakes, err);
	if (rc < 0 && mistakes.bytes)
		fputs(mistakes.bytes, stderr);
	buf_done(&mistakes);
	return rc;
}

static json_t *count_server(void *ctx)
{
	const struct reload *reload = ctx;

	return json_pack("{s:o}", "server", server_counters(reload->server));
}

static void tunnel_is_down(void *ctx, json_t *list)
{
	char why[LINK_WHY_SIZE];

	if (tunnel_trouble(ctx, why))
		trouble_add(list, "tunnel_down", true, "the tunnel is not connected: %s", why);
}

static int start_parts(struct daemon *daemon, struct err *err)
{
	struct reload *reload = &daemon->reload;
	const struct admin_hooks hooks = {
		.reload = reload_now,
		.ctx = reload,
		.counters = count_server,
	};

	if (start_policies(daemon, err) < 0 ||
	    store_open(reload->config->queue.path, &daemon->store, err) < 0)
		return -1;
	reload->pipeline = pipeline_new(reload->config, daemon->store, reload->pool, err);
	if (!reload->pipeline || pipeline_start(reload->pipeline, err) < 0)
		return -1;
	reload->server = server_start(reload->config, reload->pipeline, 0, err);
	if (!reload->server)
		return -1;
	pipeline_on_trouble(reload->pipeline, server_trouble, reload->server);
	daemon->admin = admin_start(reload->config, daemon->store, reload->pipeline, &hooks, err);
	if (!daemon->admin || pipeline_run(reload->pipeline, err) < 0)
		return -1;
	pthread_mutex_lock(&reload->lock); /* the admin listener may reload from now on */
	reload->tunnel = tunnel_start(reload->config, reload->pipeline, daemon->store, err);
	pthread_mutex_unlock(&reload->lock);
	if (reload->tunnel)
		pipeline_on_trouble(reload->pipeline, tunnel_is_down, reload->tunnel);
	return reload->tunnel ? 0 : -1;
}

static void say_ready(struct daemon *daemon)
{
	struct config *config = reload_config(&daemon->reload);
	char address[300];
	const char *colon = strrchr(config->webhook.listen, ':');

	snprintf(address, sizeof(address), "%.*s:%u",
		 colon ? (int)(colon - config->webhook.listen) : 0, config->webhook.listen,
		 (unsigned)server_port(daemon->reload.server));
	for (size_t i = 0; i < config->agent_count; i++)
		if (config->agents[i].permissions == PERMISSIONS_FULL)
			log_event(LOG_LEVEL_WARN, "agent has full permissions", "agent",
				  config->agents[i].name, NULL);
	log_event(LOG_LEVEL_INFO, "containment", "active", run_containment(), NULL);
	log_event(LOG_LEVEL_INFO, "listening", "address", address, "version", OPW_VERSION, "config",
		  config->path, "admin", config->admin.listen, "cli_executor",
		  config->features.cli_executor ? "on" : "off", "wss_tunnel",
		  config->features.wss_tunnel ? "on" : "off", "safe_mode",
		  config->executor.safe_mode ? "on" : "off", NULL);
	config_unref(config);

	char status[sizeof(address) + 16];
	snprintf(status, sizeof(status), "listening on %s", address);
	notify_ready(&daemon->notify, status);
}

/* ---- while it runs ---- */

static void remove_logs(const json_t *logs)
{
	for (size_t i = 0; i < json_array_size(logs); i++) {
		const char *path = json_string_value(json_array_get(logs, i));
		if (path && unlink(path) < 0 && errno != ENOENT)
			log_event(LOG_LEVEL_WARN, "cannot remove a log", "path", path, "why",
				  strerror(errno), NULL);
	}
}

static void prune(struct daemon *daemon)
{
	struct config *config = reload_config(&daemon->reload);
	json_t *logs = NULL;
	struct err err;

	daemon->prune_at = clock_mono() + PRUNE_EVERY;
	if (store_prune(daemon->store, clock_wall(), config->queue.keep, config->webhook.tolerance,
			&logs, &err) < 0)
		log_event(LOG_LEVEL_ERROR, "cannot prune", "why", err.text, NULL);
	remove_logs(logs);
	json_decref(logs);
	config_unref(config);
}

/*
 * A zygote that is stuck makes no worker, and only a new process gets another: the service
 * manager's watchdog ends us.  Not while agents work, and not while the queue cannot be written: a
 * restart empties no disk, and would lose what waits in memory for it.
 */
static bool wants_restart(struct daemon *daemon)
{
	struct reload *reload = &daemon->reload;

	return policy_pool_failing(reload->pool) && store_healthy(daemon->store) &&
	       pipeline_running(reload->pipeline) == 0;
}

/* Milliseconds until the next sign of life is due, after giving one that is. */
static int64_t keep_alive(struct daemon *daemon)
{
	const int64_t now = clock_mono();

	if (daemon->notify.watchdog == 0)
		return INT64_MAX;
	if (now >= daemon->alive_at) {
		daemon->alive_at = now + daemon->notify.watchdog;
		if (!wants_restart(daemon))
			notify_alive(&daemon->notify);
	}
	return daemon->alive_at - now;
}

static int wait_signal(const sigset_t *signals, int64_t timeout)
{
	const struct timespec ts = { .tv_sec = timeout / 1000,
				     .tv_nsec = (long)(timeout % 1000) * 1000000L };

	return sigtimedwait(signals, NULL, &ts);
}

/* Left for policy_host_free() to reap. */
static bool zygote_ended(const struct daemon *daemon)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)policy_host_pid(daemon->host), &info,
		      WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid != 0;
}

/* The exit code.  Without its zygote the daemon can only keep events; a new one decides them. */
static int run(struct daemon *daemon, const sigset_t *signals)
{
	for (;;) {
		const int64_t left = daemon->prune_at - clock_mono();
		if (left <= 0) {
			prune(daemon);
			continue;
		}
		const int64_t alive = keep_alive(daemon);
		const int signal = wait_signal(signals, left < alive ? left : alive);
		if (signal == SIGTERM || signal == SIGINT) {
			log_event(LOG_LEVEL_INFO, "stopping", "signal", strsignal(signal), NULL);
			return EXIT_OK;
		}
		if (signal == SIGCHLD && zygote_ended(daemon)) {
			log_event(LOG_LEVEL_ERROR, "stopping", "why",
				  "the policy zygote was killed; start the daemon again", NULL);
			return EXIT_FAILED;
		}
		if (signal == SIGHUP) {
			struct buf mistakes = { 0 };
			struct err err;
			reload_now(&daemon->reload, &mistakes, &err);
			buf_done(&mistakes);
		}
	}
}

/* ---- stop ---- */

/* Runs may finish, events are received and stored; a second signal or executor.drain_secs ends the
 * wait. */
static void drain(struct daemon *daemon, const sigset_t *signals)
{
	struct pipeline *pipeline = daemon->reload.pipeline;
	struct config *config = reload_config(&daemon->reload);
	const int64_t until = clock_mono() + config->executor.drain;
	char running[32], status[64];

	config_unref(config);
	pipeline_drain(pipeline);
	snprintf(running, sizeof(running), "%zu", pipeline_running(pipeline));
	log_event(LOG_LEVEL_INFO, "draining", "running", running, NULL);
	snprintf(status, sizeof(status), "draining, runs that go on: %s", running);
	notify_stopping(&daemon->notify, status);
	while (pipeline_running(pipeline) > 0 && clock_mono() < until) {
		keep_alive(daemon);
		const int signal = wait_signal(signals, DRAIN_LOOK);
		if (signal == SIGTERM || signal == SIGINT)
			break;
	}
	pipeline_interrupt(pipeline);
}

static void stop_parts(struct daemon *daemon)
{
	struct reload *reload = &daemon->reload;

	if (reload->server)
		server_stop(reload->server);
	admin_stop(daemon->admin);
	if (reload->tunnel)
		tunnel_stop(reload->tunnel);
	if (reload->pipeline)
		pipeline_stop(reload->pipeline);
	tunnel_free(reload->tunnel);
	server_free(reload->server);
	pipeline_free(reload->pipeline);
	policy_pool_free(reload->pool);
	store_close(daemon->store);
	config_unref(reload->config);
	pthread_mutex_destroy(&reload->lock);
	policy_host_free(daemon->host);
	notify_close(&daemon->notify);
}

int command_serve(const struct command_line *line)
{
	struct daemon daemon = { .reload = { .line = line } };
	sigset_t signals;
	struct err err;

	log_find_journal();
	/* first, so that nobody else inherits what names the socket */
	if (notify_open(&daemon.notify, &err) < 0)
		log_event(LOG_LEVEL_WARN, "cannot tell the service manager", "why", err.text, NULL);
	daemon.reload.notify = &daemon.notify;
	pthread_mutex_init(&daemon.reload.lock, NULL);
	daemon.host = policy_host_start(&err); /* before any secret is read and any thread made */
	if (!daemon.host || run_setup(&err) < 0 ||
	    run_know_pid(policy_host_pid(daemon.host), &err) < 0)
		return command_fail(EXIT_FAILED, "%s", err.text);
	block_signals(&signals);

	daemon.reload.config = check_config_for_serving(line);
	if (!daemon.reload.config) {
		stop_parts(&daemon);
		return EXIT_USAGE;
	}
	if (start_parts(&daemon, &err) < 0) {
		stop_parts(&daemon);
		return command_fail(err.code == ERR_CONFIG || err.code == ERR_POLICY ? EXIT_USAGE
										     : EXIT_FAILED,
				    "%s", err.text);
	}
	say_ready(&daemon);
	const int code = run(&daemon, &signals);
	drain(&daemon, &signals);
	stop_parts(&daemon);
	log_event(LOG_LEVEL_INFO, "stopped", NULL);
	return code;
}
