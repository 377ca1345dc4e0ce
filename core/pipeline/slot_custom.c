/*
 * A slot whose agent is custom: the actions of its plan, one after the other.
 *
 * A request that comes first and is not taken puts the task off, as a webhook does: nothing has
 * happened then.  Any other action that fails ends the run, and what stands behind it is not done.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "pipeline/plan.h"
#include "pipeline/slot.h"

/* False: it is to be tried again at the next tick. */
static bool keep_plan(struct slot *slot, struct pipeline *pipeline)
{
	_cleanup_free_ char *text = json_text(slot->launch.plan);
	struct err err;

	if (!text)
		return slot_stored(slot, err_set(&err, ERR_NOMEM, "no memory for a plan"), &err);
	return slot_stored(slot, store_plan(pipeline->store, slot->launch.task->run_id, text, &err),
			   &err);
}

bool slot_act(struct slot *slot, struct pipeline *pipeline)
{
	const struct store_task *task = slot->launch.task;
	struct err err;

	if (slot->retry_at > clock_mono())
		return false;
	if (!slot->log_path)
		slot->log_path = launch_log_path(slot->launch.config, task->run_id, &err);
	if (!slot->log_path)
		return slot_give_back(slot, pipeline, clock_wall() + 1000, err.text);
	if (!task->plan && !keep_plan(slot, pipeline))
		return false;
	slot->retry_at = 0;
	slot->begun_at = clock_mono();
	slot->state = SLOT_ACTING;
	return false;
}

/* True once the store knows that the run has started. */
static bool begin(struct slot *slot, struct pipeline *pipeline)
{
	struct err err;

	if (slot->begun)
		return true;
	if (slot->retry_at > clock_mono() ||
	    !slot_stored(slot,
			 store_started(pipeline->store, slot->launch.task->run_id, clock_wall(),
				       slot->log_path, &err),
			 &err))
		return false;
	slot->retry_at = 0;
	slot_started(slot, pipeline);
	return true;
}

static int64_t time_left(const struct slot *slot)
{
	const struct launch *launch = &slot->launch;
	const int64_t all =
	    launch->task->timeout > 0 ? launch->task->timeout : launch->agent->timeout;

	return slot->begun_at + all - clock_mono();
}

/* Words for people: "action 2 of 3 (codex): ...". */
static void name_action(const struct slot *slot, const char *why, char *words, size_t size)
{
	const json_t *plan = slot->launch.plan;
	const json_t *action = plan_next(plan);
	const char *executor = json_str(action, "executor");
	const char *method = json_str(action, "method");

	snprintf(words, size, "action %zu of %zu (%s): %s", plan_number(plan), plan_count(plan),
		 executor ? executor
		 : method ? method
			  : "?",
		 why ? why : "it failed");
}

static bool end_action(struct slot *slot, enum outcome outcome, const char *why)
{
	char cause[2200];

	name_action(slot, why, cause, sizeof(cause));
	slot_end(slot, outcome, cause);
	return false;
}

static bool finish_all(struct slot *slot, struct pipeline *pipeline)
{
	if (!begin(slot, pipeline))
		return false;
	run_result_done(&slot->result);
	plan_result(slot->launch.plan, &slot->result);
	slot->result.duration = clock_mono() - slot->begun_at;
	slot->state = SLOT_ENDED;
	return false;
}

static bool start_program(struct slot *slot, struct pipeline *pipeline, const json_t *action,
			  int64_t timeout)
{
	struct err err;

	if (!begin(slot, pipeline))
		return false;
	slot->run = act_run(&slot->launch, action, timeout, slot->log_path, &err);
	if (!slot->run)
		return end_action(slot, OUTCOME_FAILURE, err.text);
	slot->state = SLOT_RUNNING;
	return false;
}

static bool start_request(struct slot *slot, struct pipeline *pipeline, const json_t *action,
			  int64_t timeout)
{
	/* A program begins the log anew. */
	const char *log_path = plan_has_run(slot->launch.plan) ? NULL : slot->log_path;
	struct err err;

	slot->gateway =
	    act_request(&slot->act, &slot->launch, action, plan_number(slot->launch.plan), timeout,
			log_path, pipeline->breakers, &err);
	if (!slot->gateway)
		return end_action(slot, OUTCOME_FAILURE, err.text);
	slot->state = SLOT_TALKING;
	return false;
}

bool slot_next(struct slot *slot, struct pipeline *pipeline)
{
	const json_t *action = plan_next(slot->launch.plan);
	const int64_t left = time_left(slot);
	const int64_t own = json_int(action, "timeout", INT64_MAX);

	if (slot->retry_at > clock_mono())
		return false;
	if (!action)
		return finish_all(slot, pipeline);
	if (slot->cancelled)
		return end_action(slot, OUTCOME_CANCELLED, "cancelled before it began");
	if (slot->interrupted && !slot->begun)
		return slot_give_back(slot, pipeline, clock_wall(),
				      "the daemon stopped before it started");
	if (slot->interrupted)
		return end_action(slot, OUTCOME_INTERRUPTED, "interrupted before it began");
	if (left <= 0)
		return end_action(slot, OUTCOME_TIMEOUT, "there was no time left for it");
	slot->stopping = false;
	return (json_str(action, "executor") ? start_program : start_request)(
	    slot, pipeline, action, own < left ? own : left);
}

bool slot_did(struct slot *slot, struct pipeline *pipeline)
{
	struct run_result *result = &slot->result;
	char cause[2200];

	if (slot->retry_at > clock_mono())
		return false;
	gateway_free(slot->gateway);
	slot->gateway = NULL;
	act_done(&slot->act);
	if (result->outcome != OUTCOME_SUCCESS) {
		name_action(slot, result->cause, cause, sizeof(cause));
		free(result->cause);
		result->cause = strdup(cause);
		slot->state = SLOT_ENDED;
		return false;
	}
	/* Once: what could not be stored is tried again without counting it twice. */
	if (!slot->counted && plan_did(slot->launch.plan, result) < 0) {
		slot->retry_at = clock_mono() + 1000;
		return false;
	}
	slot->counted = true;
	if (!keep_plan(slot, pipeline))
		return false;
	slot->retry_at = 0;
	slot->counted = false;
	run_result_done(result);
	slot->state = SLOT_ACTING;
	return false;
}

bool slot_failed_later(struct slot *slot)
{
	return end_action(slot, OUTCOME_FAILURE, slot->news.reason);
}
