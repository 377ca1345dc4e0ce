#include "pipeline/slot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "pipeline/gate.h"

#define STORE_PAUSE 1000 /* ms before an outcome that could not be stored is tried again */

struct slot *slot_new(struct store_task *task, struct config *config)
{
	struct slot *slot = calloc(1, sizeof(*slot));
	const struct config_agent *agent = config_agent(config, task->agent);

	if (!slot ||
	    (agent && agent->working_dir && !(slot->directory = launch_directory(agent)))) {
		free(slot);
		return NULL;
	}
	slot->launch.task = task;
	slot->launch.config = config_ref(config);
	return slot;
}

void slot_free(struct slot *slot)
{
	if (!slot)
		return;
	run_free(slot->run);
	gateway_free(slot->gateway);
	act_done(&slot->act);
	free(slot->log_path);
	run_result_done(&slot->result);
	launch_done(&slot->launch);
	free(slot->directory);
	free(slot);
}

static bool wait_for_launch(struct slot *slot, struct pipeline *pipeline)
{
	(void)slot;
	(void)pipeline;
	return false;
}

void slot_end(struct slot *slot, enum outcome outcome, const char *cause)
{
	run_result_done(&slot->result);
	slot->result = (struct run_result){
		.outcome = outcome,
		.exit_code = -1,
		.cause = cause ? strdup(cause) : NULL,
		.input_tokens = -1,
		.output_tokens = -1,
		.cost_usd = -1,
	};
	slot->state = SLOT_ENDED;
}

bool slot_stored(struct slot *slot, int rc, const struct err *err)
{
	if (rc == 0)
		return true;
	if (slot->retry_at == 0)
		log_event(LOG_LEVEL_ERROR, "not stored", "run", slot->launch.task->run_id, "why",
			  err->text, NULL);
	slot->retry_at = clock_mono() + STORE_PAUSE;
	return false;
}

bool slot_give_back(struct slot *slot, struct pipeline *pipeline, int64_t until, const char *reason)
{
	struct err err;

	return slot_stored(
	    slot, store_defer(pipeline->store, slot->launch.task->run_id, until, reason, &err),
	    &err);
}

void slot_started(struct slot *slot, struct pipeline *pipeline)
{
	const struct store_task *task = slot->launch.task;
	const struct config_agent *agent = slot->launch.agent;
	char attempt[16];

	slot->begun = true;
	counters_add(&pipeline->counters, COUNT_STARTED);
	meters_took(&pipeline->meters, METER_WAIT, (clock_wall() - id_time(task->run_id)) * 1000);
	pipeline_tell_run(pipeline, task->run_id);
	snprintf(attempt, sizeof(attempt), "%d", task->attempt);
	log_event(LOG_LEVEL_INFO, "started", "run", task->run_id, "agent", task->agent,
		  agent->cli ? "cli" : "type", agent->cli ? agent->cli : agent->type, "issue",
		  task->issue_id, "key", task->issue_key, "attempt", attempt, "directory",
		  slot->directory, NULL);
}

static bool start(struct slot *slot, struct pipeline *pipeline)
{
	const struct store_task *task = slot->launch.task;
	struct err err;
	_cleanup_free_ char *log_path = launch_log_path(slot->launch.config, task->run_id, &err);

	if (!log_path)
		return slot_give_back(slot, pipeline, clock_wall() + STORE_PAUSE, err.text);
	if (!slot_stored(slot,
			 store_started(pipeline->store, task->run_id, clock_wall(), log_path, &err),
			 &err))
		return false;
	slot->retry_at = 0;
	slot->run = launch_start(&slot->launch, log_path, &err);
	buf_done(&slot->launch.prompt);
	if (!slot->run) {
		slot_end(slot, OUTCOME_FAILURE, err.text);
		return false;
	}
	slot->state = SLOT_RUNNING;
	slot_started(slot, pipeline);
	return false;
}

static bool begin(struct slot *slot, struct pipeline *pipeline)
{
	if (slot->launch.plan)
		return slot_act(slot, pipeline);
	return gateway_speaks(slot->launch.agent) ? slot_converse(slot, pipeline)
						  : start(slot, pipeline);
}

/*
 * While it was prepared, a reload may have shut the gate or switched safe mode on: then it does not
 * start.  True when `*over` says what became of it.
 */
static bool refused_by_now(struct slot *slot, struct pipeline *pipeline, bool *over)
{
	struct launch *launch = &slot->launch;
	const char *run_id = launch->task->run_id;
	struct config *config = pipeline_config(pipeline);
	const struct config_agent *agent = config_agent(config, launch->task->agent);
	const char *gate = agent ? gate_closed(config, agent) : NULL;
	const bool safe_mode = config->executor.safe_mode;
	struct err err;

	config_unref(config);
	if (gate) {
		snprintf(launch->reason, sizeof(launch->reason), "the gate %s is off", gate);
		log_event(LOG_LEVEL_ERROR, "held", "run", run_id, "why", launch->reason, NULL);
		*over = slot_stored(
		    slot, store_hold_task(pipeline->store, run_id, launch->reason, &err), &err);
	} else if (safe_mode) {
		*over = slot_give_back(slot, pipeline, clock_wall(), "safe mode is on");
	}
	return gate || safe_mode;
}

static bool act_on_launch(struct slot *slot, struct pipeline *pipeline)
{
	const struct launch *launch = &slot->launch;
	const char *run_id = launch->task->run_id;
	struct err err;

	if (slot->cancelled) {
		slot_end(slot, OUTCOME_CANCELLED, "cancelled before it started");
		return false;
	}
	if (slot->interrupted)
		return slot_give_back(slot, pipeline, clock_wall(),
				      "the daemon stopped before it started");

	bool over = false;

	switch (launch->verdict) {
	case LAUNCH_READY:
		return refused_by_now(slot, pipeline, &over) ? over : begin(slot, pipeline);
	case LAUNCH_DEFER:
		log_event(LOG_LEVEL_WARN, "deferred", "run", run_id, "why", launch->reason, NULL);
		return slot_give_back(slot, pipeline, launch->until, launch->reason);
	case LAUNCH_HOLD:
		log_event(LOG_LEVEL_ERROR, "held", "run", run_id, "why", launch->reason, NULL);
		return slot_stored(
		    slot, store_hold_task(pipeline->store, run_id, launch->reason, &err), &err);
	case LAUNCH_GONE:
		slot_end(slot, OUTCOME_CANCELLED, launch->reason);
		return false;
	}
	return false;
}

static void ask_to_stop(struct slot *slot)
{
	if (slot->stopping || !(slot->cancelled || slot->interrupted))
		return;
	slot->stopping = true;
	run_stop(slot->run, slot->cancelled ? RUN_STOP_CANCEL : RUN_STOP_INTERRUPT);
}

static bool follow(struct slot *slot, struct pipeline *pipeline)
{
	const char *session = NULL;
	struct err err;

	ask_to_stop(slot);
	for (;;) {
		switch (run_read(slot->run, &session, &slot->result)) {
		case RUN_NOTHING:
			return false;
		case RUN_SESSION:
			store_session(pipeline->store, slot->launch.task->run_id, session, &err);
			break;
		case RUN_ENDED:
			run_free(slot->run);
			slot->run = NULL;
			slot->state = slot->launch.plan ? SLOT_DID : SLOT_ENDED;
			return false;
		}
	}
}

static bool finish(struct slot *slot, struct pipeline *pipeline)
{
	const struct run_result *result = &slot->result;
	const struct store_end end = {
		.run_id = slot->launch.task->run_id,
		.outcome = result->outcome,
		.exit_code = result->exit_code,
		.signal = result->signal,
		.ended_at = clock_wall(),
		.duration = result->duration,
		.cause = result->cause,
		.final_text = result->final_text,
		.tail = result->tail,
		.session_id = result->session_id,
		.input_tokens = result->input_tokens,
		.output_tokens = result->output_tokens,
		.cost_usd = result->cost_usd,
		.truncated = result->truncated,
	};
	struct err err;

	if (slot->retry_at > clock_mono())
		return false;
	if (!slot_stored(slot,
			 store_end(pipeline->store, &end, /* counted= */ false,
				   slot->launch.config->queue.max_attempts, &err),
			 &err))
		return false;

	char duration[32];
	snprintf(duration, sizeof(duration), "%.1fs", (double)result->duration / 1000);
	counters_outcome(&pipeline->counters, result->outcome);
	pipeline_tell_run(pipeline, end.run_id);
	if (result->duration > 0)
		meters_took(&pipeline->meters, METER_RUN, result->duration * 1000);
	log_event(result->outcome == OUTCOME_SUCCESS ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "ended",
		  "run", end.run_id, "outcome", outcome_name(result->outcome), "duration", duration,
		  "cause", result->cause, "session", result->session_id, NULL);
	return true;
}

int slot_fd(const struct slot *slot)
{
	if (slot->run)
		return run_fd(slot->run);
	return slot->gateway && slot->state == SLOT_TALKING ? gateway_fd(slot->gateway) : -1;
}

bool slot_step(struct slot *slot, struct pipeline *pipeline)
{
	static bool (*const steps[SLOT_STATES])(struct slot *, struct pipeline *) = {
		[SLOT_CLAIMED] = wait_for_launch,
		[SLOT_PREPARING] = wait_for_launch,
		[SLOT_PREPARED] = act_on_launch,
		[SLOT_RUNNING] = follow,
		[SLOT_TALKING] = slot_listen,
		[SLOT_PUT_OFF] = slot_put_off,
		[SLOT_ACTING] = slot_next,
		[SLOT_DID] = slot_did,
		[SLOT_ENDED] = finish,
	};
	const struct store_task *task = slot->launch.task;
	const struct log_ids ids = { task->event_id, task->run_id, task->issue_id, NULL };
	enum slot_state before;
	bool over;

	log_about(&ids);
	do {
		before = slot->state;
		over = steps[before](slot, pipeline);
	} while (!over && slot->state != before);
	log_about(NULL);
	return over;
}
