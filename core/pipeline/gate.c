#include "pipeline/gate.h"

#include <stdbool.h>
#include <string.h>

const char *gate_closed(const struct config *config, const struct config_agent *agent)
{
	const struct {
		const char *type, *gate;
		bool open;
	} gates[] = {
		{ "cli", "cli_executor", config->features.cli_executor },
		{ "webhook", "webhook_forward", config->features.webhook_forward },
		{ "custom", "custom_agent", config->features.custom_agent },
	}; /* openclaw and openprx have none: their configuration alone names whom they speak to */

	for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++)
		if (strcmp(agent->type, gates[i].type) == 0)
			return gates[i].open ? NULL : gates[i].gate;
	return NULL;
}
