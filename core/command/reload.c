#include "command/reload.h"

#include <string.h>

#include "base/log.h"
#include "command/check.h"

struct config *reload_config(struct reload *reload)
{
	pthread_mutex_lock(&reload->lock);
	struct config *config = config_ref(reload->config);
	pthread_mutex_unlock(&reload->lock);
	return config;
}

/* What is fixed while the daemon runs; a change is said, not made. */
static void say_fixed(const struct config *old, const struct config *new)
{
	const struct {
		const char *name;
		bool changed;
	} fixed[] = {
		{ "webhook.listen", strcmp(old->webhook.listen, new->webhook.listen) != 0 },
		{ "webhook.max_connections",
		  old->webhook.max_connections != new->webhook.max_connections },
		{ "webhook.max_body", old->webhook.max_body != new->webhook.max_body },
		{ "webhook.max_unverified",
		  old->webhook.max_unverified != new->webhook.max_unverified },
		{ "webhook.head_timeout", old->webhook.head_timeout != new->webhook.head_timeout },
		{ "queue.path", strcmp(old->queue.path, new->queue.path) != 0 },
		{ "admin.listen", strcmp(old->admin.listen, new->admin.listen) != 0 },
		{ "admin.token", strcmp(old->admin.token ? old->admin.token : "",
					new->admin.token ? new->admin.token : "") != 0 },
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (fixed[i].changed)
			log_event(LOG_LEVEL_WARN, "not reloaded", "option", fixed[i].name, "why",
				  "it changes only with a restart", NULL);
}

static int apply(struct reload *reload, struct config *config, struct buf *mistakes,
		 struct err *err)
{
	if (check_policies(reload->pool, config, mistakes, err) < 0)
		return -1;
	if (server_reload(reload->server, config, err) < 0)
		return -1;
	say_fixed(reload->config, config);
	pipeline_reload(reload->pipeline, config);
	if (reload->tunnel)
		tunnel_reload(reload->tunnel, config);
	config_unref(reload->config);
	reload->config = config_ref(config);
	check_log(config, reload->line);
	return 0;
}

int reload_now(void *ctx, struct buf *mistakes, struct err *err)
{
	struct reload *reload = ctx;
	const struct config_options options = {
		.path = reload->line->config,
		.whitelist = command_names(),
	};
	struct buf warnings = { 0 };
	struct config *config = NULL;

	pthread_mutex_lock(&reload->lock);
	notify_reloading(reload->notify);
	int rc = config_load(&options, &config, mistakes, &warnings, err);
	if (rc == 0)
		rc = apply(reload, config, mistakes, err);
	notify_ready(reload->notify, rc == 0 ? "reloaded" : "not reloaded, see the log");
	pthread_mutex_unlock(&reload->lock);

	if (rc == 0)
		log_event(LOG_LEVEL_INFO, "reloaded", "config", config->path, NULL);
	else
		log_event(LOG_LEVEL_ERROR, "not reloaded, the old configuration stays", "why",
			  err->text, "mistakes", mistakes->bytes, NULL);
	config_unref(config);
	buf_done(&warnings);
	return rc;
}
