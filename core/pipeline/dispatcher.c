#include "pipeline/dispatcher.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "pipeline/launch.h"
#include "pipeline/slot.h"

#define LAUNCHERS 2
#define TICK 1000 /* ms; also how often an outcome that could not be stored is tried again */
#define STORE_PATIENCE 5000 /* ms that a stop waits for a queue that cannot be written */

struct dispatcher {
	struct pipeline *pipeline;
	int wake; /* eventfd */
	atomic_bool draining, interrupting, stop;
	bool old_runs; /* of an earlier daemon that still hold a lock; the dispatcher's thread alone
			*/
	int64_t give_up_at; /* monotonic ms; 0: not interrupting yet */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct slot *slots;
	size_t slot_count;
	pthread_t threads[LAUNCHERS + 1];
	int started;
};

void dispatcher_wake(struct dispatcher *dispatcher)
{
	const uint64_t one = 1;
	const ssize_t n = write(dispatcher->wake, &one, sizeof(one));

	(void)n; /* full means that it is awake already */
}

/* ---- launch threads ---- */

static struct slot *next_to_prepare(struct dispatcher *dispatcher)
{
	struct slot *slot = NULL;

	pthread_mutex_lock(&dispatcher->lock);
	while (!atomic_load(&dispatcher->stop)) {
		for (slot = dispatcher->slots; slot; slot = slot->next)
			if (slot->state == SLOT_CLAIMED)
				break;
		if (slot)
			break;
		pthread_cond_wait(&dispatcher->changed, &dispatcher->lock);
	}
	if (slot)
		slot->state = SLOT_PREPARING;
	pthread_mutex_unlock(&dispatcher->lock);
	return slot;
}

static void *run_launcher(void *arg)
{
	struct dispatcher *dispatcher = arg;
	struct pipeline *pipeline = dispatcher->pipeline;
	struct err err;
	struct openpr *openpr = openpr_new(&pipeline->stop, &err);
	struct slot *slot;

	while ((slot = next_to_prepare(dispatcher))) {
		launch_prepare(pipeline, openpr, &slot->launch);
		pthread_mutex_lock(&dispatcher->lock);
		slot->state = SLOT_PREPARED;
		pthread_mutex_unlock(&dispatcher->lock);
		dispatcher_wake(dispatcher);
	}
	openpr_free(openpr);
	return NULL;
}

/* ---- claiming ---- */

struct busy {
	const char **agents;
	size_t count;
};

/* The caller holds the lock. */
static size_t count_agent(const struct dispatcher *dispatcher, const char *agent)
{
	size_t n = 0;

	for (const struct slot *slot = dispatcher->slots; slot; slot = slot->next)
		n += strcmp(slot->launch.task->agent, agent) == 0;
	return n;
}

static bool directory_taken(const struct dispatcher *dispatcher, const struct config_agent *agent)
{
	_cleanup_free_ char *directory = agent->working_dir ? launch_directory(agent) : NULL;

	for (const struct slot *slot = dispatcher->slots; slot && directory; slot = slot->next)
		if (slot->directory && launch_overlap(slot->directory, directory))
			return true;
	return agent->working_dir && !directory;
}

/* Agents that may not start one more run now: at their own cap, or their directory is in use. */
static int list_busy(struct dispatcher *dispatcher, const struct config *config, struct busy *busy)
{
	busy->count = 0;
	busy->agents = calloc(config->agent_count + 1, sizeof(*busy->agents));
	if (!busy->agents)
		return -1;

	pthread_mutex_lock(&dispatcher->lock);
	for (size_t i = 0; i < config->agent_count; i++) {
		const struct config_agent *agent = &config->agents[i];
		const size_t cap = (size_t)agent->max_concurrent;
		if ((cap > 0 && count_agent(dispatcher, agent->name) >= cap) ||
		    directory_taken(dispatcher, agent) ||
		    (dispatcher->old_runs && launch_locked(config, agent)))
			busy->agents[busy->count++] = agent->name;
	}
	pthread_mutex_unlock(&dispatcher->lock);
	return 0;
}

static void add_slot(struct dispatcher *dispatcher, struct slot *slot)
{
	pthread_mutex_lock(&dispatcher->lock);
	slot->next = dispatcher->slots;
	dispatcher->slots = slot;
	dispatcher->slot_count++;
	pthread_cond_broadcast(&dispatcher->changed);
	pthread_mutex_unlock(&dispatcher->lock);
}

/* Claims one task; false when there is none or no room. */
static bool claim_one(struct dispatcher *dispatcher, struct config *config)
{
	struct pipeline *pipeline = dispatcher->pipeline;
	struct store_task *task = NULL;
	struct busy busy;
	struct err err;

	if (dispatcher_running(dispatcher) >= (size_t)config->executor.max_concurrent ||
	    list_busy(dispatcher, config, &busy) < 0)
		return false;

	const int rc =
	    store_claim(pipeline->store, clock_wall(), busy.agents, busy.count, &task, &err);
	free(busy.agents);
	if (rc < 0)
		log_event(LOG_LEVEL_ERROR, "cannot claim", "why", err.text, NULL);
	if (rc < 0 || !task)
		return false;

	struct slot *slot = slot_new(task, config);
	if (!slot) {
		store_defer(pipeline->store, task->run_id, clock_wall() + TICK, "out of memory",
			    &err);
		store_task_free(task);
		return false;
	}
	add_slot(dispatcher, slot);
	return true;
}

static void claim_all(struct dispatcher *dispatcher)
{
	struct config *config = pipeline_config(dispatcher->pipeline);

	while (!atomic_load(&dispatcher->draining) && !config->executor.safe_mode &&
	       claim_one(dispatcher, config))
		;
	config_unref(config);
}

/* ---- the loop ---- */

static void mark_cancelled(struct dispatcher *dispatcher)
{
	json_t *ids = NULL;
	struct err err;

	if (store_cancel_requests(dispatcher->pipeline->store, &ids, &err) < 0)
		return;
	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *id = json_string_value(json_array_get(ids, i));
		for (struct slot *slot = dispatcher->slots; slot && id; slot = slot->next)
			if (strcmp(slot->launch.task->run_id, id) == 0)
				slot->cancelled = true;
	}
	json_decref(ids);
}

static void remove_slot(struct dispatcher *dispatcher, struct slot *slot)
{
	pthread_mutex_lock(&dispatcher->lock);
	struct slot **at = &dispatcher->slots;
	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
	dispatcher->slot_count--;
	pthread_cond_broadcast(&dispatcher->changed);
	pthread_mutex_unlock(&dispatcher->lock);
	slot_free(slot);
}

/* A full disk must not keep the daemon from ending: the next one finds the run as it is on disk. */
static bool give_up(const struct dispatcher *dispatcher, const struct slot *slot)
{
	if (slot->run || slot->state == SLOT_TALKING || slot->retry_at == 0 ||
	    clock_mono() < dispatcher->give_up_at)
		return false;
	log_event(LOG_LEVEL_ERROR, "the queue cannot be written, this run is done again", "run",
		  slot->launch.task->run_id, NULL);
	return true;
}

static void step_all(struct dispatcher *dispatcher)
{
	const bool interrupting = atomic_load(&dispatcher->interrupting);
	const bool draining = atomic_load(&dispatcher->draining);
	struct slot *next;

	if (interrupting && dispatcher->give_up_at == 0)
		dispatcher->give_up_at = clock_mono() + STORE_PATIENCE;

	for (struct slot *slot = dispatcher->slots; slot; slot = next) {
		next = slot->next;
		const enum slot_state state = slot->state;
		if (state == SLOT_CLAIMED || state == SLOT_PREPARING)
			continue;
		if (interrupting || (draining && state == SLOT_PREPARED))
			slot->interrupted = true;
		if (slot_step(slot, dispatcher->pipeline) ||
		    (interrupting && give_up(dispatcher, slot)))
			remove_slot(dispatcher, slot);
	}
}

static int pause_for(struct dispatcher *dispatcher)
{
	if (dispatcher->slot_count > 0 || dispatcher->old_runs)
		return TICK;

	const int64_t due = store_next_due(dispatcher->pipeline->store);
	const int64_t now = clock_wall();
	if (due <= now)
		return TICK; /* due, but not claimable: its agent is busy or we are draining */
	return due - now > 60 * TICK ? 60 * TICK : (int)(due - now);
}

static void wait_for_news(struct dispatcher *dispatcher)
{
	struct pollfd *fds = calloc(dispatcher->slot_count + 1, sizeof(*fds));
	nfds_t count = 1;
	uint64_t seen;

	if (!fds) {
		poll(NULL, 0, TICK);
		return;
	}
	fds[0] = (struct pollfd){ .fd = dispatcher->wake, .events = POLLIN };
	for (const struct slot *slot = dispatcher->slots; slot; slot = slot->next)
		if (slot_fd(slot) >= 0)
			fds[count++] = (struct pollfd){ .fd = slot_fd(slot), .events = POLLIN };
	if (poll(fds, count, pause_for(dispatcher)) > 0 && fds[0].revents &&
	    read(dispatcher->wake, &seen, sizeof(seen)) < 0 && errno != EAGAIN)
		log_event(LOG_LEVEL_ERROR, "cannot read the wake descriptor", "why",
			  strerror(errno), NULL);
	free(fds);
}

static void *run_dispatcher(void *arg)
{
	struct dispatcher *dispatcher = arg;
	struct config *config = pipeline_config(dispatcher->pipeline);

	dispatcher->old_runs = !launch_wait_for_locks(config, &dispatcher->draining);
	while (!atomic_load(&dispatcher->stop)) {
		dispatcher->old_runs = dispatcher->old_runs && launch_locked(config, NULL);
		mark_cancelled(dispatcher);
		step_all(dispatcher);
		claim_all(dispatcher);
		wait_for_news(dispatcher);
	}
	config_unref(config);
	return NULL;
}

/* ---- the whole ---- */

struct dispatcher *dispatcher_new(struct pipeline *pipeline, struct err *err)
{
	struct dispatcher *dispatcher = calloc(1, sizeof(*dispatcher));

	if (!dispatcher) {
		err_set(err, ERR_NOMEM, "no memory for the dispatcher");
		return NULL;
	}
	dispatcher->pipeline = pipeline;
	dispatcher->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dispatcher->wake < 0) {
		err_set(err, ERR_IO, "eventfd: %s", strerror(errno));
		free(dispatcher);
		return NULL;
	}
	pthread_mutex_init(&dispatcher->lock, NULL);
	pthread_cond_init(&dispatcher->changed, NULL);
	return dispatcher;
}

int dispatcher_start(struct dispatcher *dispatcher, struct err *err)
{
	for (; dispatcher->started < LAUNCHERS + 1; dispatcher->started++)
		if (pthread_create(&dispatcher->threads[dispatcher->started], NULL,
				   dispatcher->started == 0 ? run_dispatcher : run_launcher,
				   dispatcher) != 0)
			return err_set(err, ERR_IO, "cannot start the dispatcher");
	return 0;
}

void dispatcher_drain(struct dispatcher *dispatcher)
{
	atomic_store(&dispatcher->draining, true);
	dispatcher_wake(dispatcher);
}

bool dispatcher_draining(const struct dispatcher *dispatcher)
{
	return atomic_load(&dispatcher->draining);
}

size_t dispatcher_running(struct dispatcher *dispatcher)
{
	pthread_mutex_lock(&dispatcher->lock);
	const size_t count = dispatcher->slot_count;
	pthread_mutex_unlock(&dispatcher->lock);
	return count;
}

void dispatcher_interrupt(struct dispatcher *dispatcher)
{
	atomic_store(&dispatcher->draining, true);
	atomic_store(&dispatcher->interrupting, true);
	dispatcher_wake(dispatcher);
	pthread_mutex_lock(&dispatcher->lock);
	while (dispatcher->slot_count > 0 && dispatcher->started > 0)
		pthread_cond_wait(&dispatcher->changed, &dispatcher->lock);
	pthread_mutex_unlock(&dispatcher->lock);
}

void dispatcher_stop(struct dispatcher *dispatcher)
{
	pthread_mutex_lock(&dispatcher->lock);
	atomic_store(&dispatcher->stop, true);
	pthread_cond_broadcast(&dispatcher->changed);
	pthread_mutex_unlock(&dispatcher->lock);
	dispatcher_wake(dispatcher);
	for (; dispatcher->started > 0; dispatcher->started--)
		pthread_join(dispatcher->threads[dispatcher->started - 1], NULL);
}

void dispatcher_free(struct dispatcher *dispatcher)
{
	if (!dispatcher)
		return;
	for (struct slot *slot = dispatcher->slots, *next; slot; slot = next) {
		next = slot->next;
		slot_free(slot);
	}
	close(dispatcher->wake);
	pthread_mutex_destroy(&dispatcher->lock);
	pthread_cond_destroy(&dispatcher->changed);
	free(dispatcher);
}
