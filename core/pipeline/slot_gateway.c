/* A slot whose agent is behind HTTP. */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/outbox.h"
#include "pipeline/slot.h"

#define PUT_OFF_MOST ((int64_t)24 * 3600 * 1000) /* ms after which nobody hopes any more */
#define WAIT_MOST 3600000			 /* ms that the other side can ask for */

bool slot_converse(struct slot *slot, struct pipeline *pipeline)
{
	struct launch *launch = &slot->launch;
	struct err err;

	slot->log_path = launch_log_path(launch->config, launch->task->run_id, &err);
	if (slot->log_path)
		slot->gateway = launch_converse(launch, slot->log_path, pipeline->breakers, &err);
	if (!slot->gateway)
		return slot_give_back(slot, pipeline, clock_wall() + 1000, err.text);
	slot->state = SLOT_TALKING;
	return false;
}

static void ask_to_stop(struct slot *slot)
{
	if (slot->stopping || !(slot->cancelled || slot->interrupted))
		return;
	slot->stopping = true;
	gateway_stop(slot->gateway, slot->cancelled ? RUN_STOP_CANCEL : RUN_STOP_INTERRUPT);
}

/* True when nothing stands between the news so far and the next piece. */
static bool store_taken(struct slot *slot, struct pipeline *pipeline)
{
	const char *run_id = slot->launch.task->run_id;
	struct err err;

	if (!slot->taken || slot->begun || slot->cancelled)
		return true;
	if (slot->retry_at > clock_mono())
		return false;
	if (!slot_stored(slot,
			 store_started(pipeline->store, run_id, clock_wall(), slot->log_path, &err),
			 &err))
		return false;
	slot->retry_at = 0;
	slot->taken = false;
	slot_started(slot, pipeline);
	return true;
}

bool slot_listen(struct slot *slot, struct pipeline *pipeline)
{
	struct gateway_news *news = &slot->news;
	struct err err;

	ask_to_stop(slot);
	news->result = &slot->result;
	while (store_taken(slot, pipeline)) {
		switch (gateway_read(slot->gateway, news)) {
		case GATEWAY_NOTHING:
			return false;
		case GATEWAY_TAKEN:
			slot->taken = true;
			break;
		case GATEWAY_SESSION:
			store_session(pipeline->store, slot->launch.task->run_id, news->session,
				      &err);
			break;
		case GATEWAY_LATER:
			slot->state = SLOT_PUT_OFF;
			return false;
		case GATEWAY_ENDED:
			slot->state = slot->launch.plan ? SLOT_DID : SLOT_ENDED;
			return false;
		}
	}
	return false;
}

static int64_t next_try(const struct slot *slot)
{
	int64_t wait = outbox_back_off(slot->launch.task->put_off);
	const int64_t asked =
	    slot->news.retry_after < WAIT_MOST ? slot->news.retry_after : WAIT_MOST;

	return clock_wall() + (wait > asked ? wait : asked);
}

bool slot_put_off(struct slot *slot, struct pipeline *pipeline)
{
	const struct store_task *task = slot->launch.task;
	const char *why = slot->news.reason;
	char cause[600];
	struct err err;

	if (slot->retry_at > clock_mono())
		return false;
	if (slot->begun && !slot->interrupted)
		return slot_failed_later(slot);
	if (slot->begun) {
		slot_end(slot, OUTCOME_INTERRUPTED, why);
		return false;
	}
	if (slot->cancelled) {
		slot_end(slot, OUTCOME_CANCELLED, "cancelled before its work was taken");
		return false;
	}
	if (slot->interrupted)
		return slot_give_back(slot, pipeline, clock_wall(), why);
	if (task->put_off_at > 0 && clock_wall() - task->put_off_at > PUT_OFF_MOST) {
		snprintf(cause, sizeof(cause), "given up after 24 hours: %.500s", why);
		slot_end(slot, OUTCOME_FAILURE, cause);
		return false;
	}
	if (slot->retry_at == 0)
		log_event(LOG_LEVEL_WARN, "put off", "run", task->run_id, "agent", task->agent,
			  "why", why, NULL);
	return slot_stored(
	    slot, store_put_off(pipeline->store, task->run_id, next_try(slot), why, &err), &err);
}
