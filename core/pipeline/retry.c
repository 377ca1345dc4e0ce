#include "base/log.h"
#include "pipeline/gate.h"
#include "pipeline/parts.h"
#include "pipeline/pipeline.h"

static int check_gate(struct pipeline *pipeline, const char *run_id, struct err *err)
{
	json_t *run = store_show(pipeline->store, run_id, err);

	if (!run)
		return -1;

	struct config *config = pipeline_config(pipeline);
	const char *name = json_str(run, "agent");
	const struct config_agent *agent = name ? config_agent(config, name) : NULL;
	const char *gate = agent ? gate_closed(config, agent) : NULL;

	if (gate) {
		log_event(LOG_LEVEL_WARN, "not run again", "run", run_id, "gate", gate, NULL);
		err_set(err, ERR_CONFLICT, "the gate %s is off: agent %s is not run again", gate,
			name);
	}
	config_unref(config);
	json_decref(run);
	return gate ? -1 : 0;
}

int pipeline_retry(struct pipeline *pipeline, const char *run_id, char new_run_id[ID_SIZE],
		   struct err *err)
{
	if (check_gate(pipeline, run_id, err) < 0)
		return -1;
	return store_retry(pipeline->store, run_id, new_run_id, err);
}
