#include "config/config_read.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

enum kind { TEXT, BOOL, INT, INT64, SIZE };

struct field {
	const char *path; /* in the loader's object */
	enum kind kind;
	size_t offset;
};

#define FIELD(path_, kind_, member)                                                                \
	{                                                                                          \
		.path = (path_), .kind = (kind_), .offset = offsetof(struct config, member)        \
	}

static const struct field config_fields[] = {
	FIELD("webhook.listen", TEXT, webhook.listen),
	FIELD("webhook.tolerance", INT64, webhook.tolerance),
	FIELD("webhook.max_body", SIZE, webhook.max_body),
	FIELD("webhook.max_unverified", SIZE, webhook.max_unverified),
	FIELD("webhook.max_connections", INT, webhook.max_connections),
	FIELD("webhook.head_timeout", INT64, webhook.head_timeout),
	FIELD("features.cli_executor", BOOL, features.cli_executor),
	FIELD("features.wss_tunnel", BOOL, features.wss_tunnel),
	FIELD("features.webhook_forward", BOOL, features.webhook_forward),
	FIELD("features.custom_agent", BOOL, features.custom_agent),
	FIELD("executor.working_dir", TEXT, executor.working_dir),
	FIELD("executor.path", TEXT, executor.path),
	FIELD("executor.timeout_secs", INT64, executor.timeout),
	FIELD("executor.drain_secs", INT64, executor.drain),
	FIELD("executor.max_concurrent", INT, executor.max_concurrent),
	FIELD("executor.safe_mode", BOOL, executor.safe_mode),
	FIELD("openpr.api_url", TEXT, openpr.api_url),
	FIELD("openpr.token", TEXT, openpr.token),
	FIELD("openpr.mcp_url", TEXT, openpr.mcp_url),
	FIELD("tunnel.skip_filter", BOOL, tunnel.skip_filter),
	FIELD("queue.path", TEXT, queue.path),
	FIELD("queue.max_attempts", INT, queue.max_attempts),
	FIELD("queue.keep_days", INT64, queue.keep),
	FIELD("queue.max_output", SIZE, queue.max_output),
	FIELD("policies.dir", TEXT, policies.dir),
	FIELD("policies.time_limit", INT64, policies.time_limit),
	FIELD("policies.memory_limit", SIZE, policies.memory_limit),
	FIELD("templates.dir", TEXT, templates_dir),
	FIELD("tunnel.url", TEXT, tunnel.url),
	FIELD("tunnel.agent_id", TEXT, tunnel.agent_id),
	FIELD("tunnel.token", TEXT, tunnel.token),
	FIELD("tunnel.hmac_secret", TEXT, tunnel.hmac_secret),
	FIELD("tunnel.heartbeat_secs", INT64, tunnel.heartbeat),
	FIELD("tunnel.reconnect_secs", INT64, tunnel.reconnect),
	FIELD("tunnel.ca_file", TEXT, tunnel.ca_file),
	FIELD("tunnel.client_cert", TEXT, tunnel.client_cert),
	FIELD("tunnel.client_key", TEXT, tunnel.client_key),
	FIELD("tunnel.proxy", TEXT, tunnel.proxy),
	FIELD("tunnel.allow_insecure", BOOL, tunnel.allow_insecure),
	FIELD("admin.listen", TEXT, admin.listen),
	FIELD("admin.socket", TEXT, admin.socket),
	FIELD("admin.address", TEXT, admin.address),
	FIELD("admin.token", TEXT, admin.token),
	FIELD("admin.allow_remote", BOOL, admin.allow_remote),
};

#undef FIELD
#define FIELD(name, kind_, member)                                                                 \
	{                                                                                          \
		.path = (name), .kind = (kind_), .offset = offsetof(struct config_agent, member)   \
	}

static const struct field agent_fields[] = {
	FIELD("name", TEXT, name),
	FIELD("type", TEXT, type),
	FIELD("cli", TEXT, cli),
	FIELD("handler", TEXT, handler),
	FIELD("working_dir", TEXT, working_dir),
	FIELD("prompt_template", TEXT, prompt_template),
	FIELD("mention_template", TEXT, mention_template),
	FIELD("model", TEXT, model),
	FIELD("mcp_token", TEXT, mcp_token),
	FIELD("trust_repository", BOOL, trust_repository),
	FIELD("timeout_secs", INT64, timeout),
	FIELD("max_concurrent", INT, max_concurrent),
	FIELD("url", TEXT, url),
	FIELD("token", TEXT, token),
	FIELD("mode", TEXT, mode),
	FIELD("agent_id", TEXT, agent_id),
	FIELD("session", TEXT, session),
	FIELD("thinking", TEXT, thinking),
	FIELD("channel", TEXT, channel),
	FIELD("to", TEXT, to),
	FIELD("wait", BOOL, wait),
	FIELD("signal_url", TEXT, signal_url),
	FIELD("account", TEXT, account),
	FIELD("method", TEXT, method),
	FIELD("secret", TEXT, secret),
	FIELD("standard_webhooks", BOOL, standard_webhooks),
	FIELD("allow_private", BOOL, allow_private),
};

static const struct field bot_fields[] = {
	{ "name", TEXT, offsetof(struct config_bot, name) },
	{ "token", TEXT, offsetof(struct config_bot, token) },
};

static const struct field pair_fields[] = {
	{ "name", TEXT, offsetof(struct config_pair, name) },
	{ "value", TEXT, offsetof(struct config_pair, value) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- reading ---- */

static int read_text(const json_t *from, const char *path, char **text)
{
	const char *value = json_str(from, path);

	if (!value)
		return 0;
	*text = strdup(value);
	return *text ? 0 : -1;
}

static int read_field(const json_t *from, const struct field *field, char *base)
{
	void *at = base + field->offset;
	const int64_t number = json_int(from, field->path, 0);

	switch (field->kind) {
	case TEXT:
		return read_text(from, field->path, at);
	case BOOL:
		*(bool *)at = json_is_true(json_at(from, field->path));
		break;
	case INT:
		*(int *)at = (int)number;
		break;
	case INT64:
		*(int64_t *)at = number;
		break;
	case SIZE:
		*(size_t *)at = (size_t)number;
		break;
	}
	return 0;
}

static int read_fields(const json_t *from, const struct field *fields, size_t count, void *base)
{
	for (size_t i = 0; i < count; i++)
		if (read_field(from, &fields[i], base) < 0)
			return -1;
	return 0;
}

/* An array of objects into an array of structs that `size` bytes apart have these fields. */
static int read_rows(const json_t *from, const struct field *fields, size_t field_count,
		     size_t size, void *rows_out, size_t *count_out)
{
	const size_t count = json_array_size(from);
	char *rows = calloc(count + 1, size);

	if (!rows)
		return -1;
	/* Handed over before they are filled, so that whoever frees sees them all. */
	*(void **)rows_out = rows;
	*count_out = count;
	for (size_t i = 0; i < count; i++)
		if (read_fields(json_array_get(from, i), fields, field_count, rows + i * size) < 0)
			return -1;
	return 0;
}

static int read_texts(const json_t *from, char ***texts, size_t *count)
{
	const size_t size = json_array_size(from);

	*texts = calloc(size + 1, sizeof(**texts));
	if (!*texts)
		return -1;
	for (size_t i = 0; i < size; i++) {
		(*texts)[i] = strdup(json_string_value(json_array_get(from, i)));
		if (!(*texts)[i])
			return -1;
		(*count)++;
	}
	return 0;
}

static int read_agent(const json_t *from, struct config_agent *agent)
{
	const char *permissions = json_str(from, "permissions");
	const char *reports = json_str(from, "reports");

	if (permissions && strcmp(permissions, "full") == 0)
		agent->permissions = PERMISSIONS_FULL;
	agent->reports = reports && strcmp(reports, "agent") == 0;
	if (read_texts(json_at(from, "bots"), &agent->bots, &agent->bot_count) < 0 ||
	    read_rows(json_at(from, "headers"), pair_fields, COUNT(pair_fields),
		      sizeof(*agent->headers), &agent->headers, &agent->header_count) < 0)
		return -1;
	return read_rows(json_at(from, "env"), pair_fields, COUNT(pair_fields), sizeof(*agent->env),
			 &agent->env, &agent->env_count);
}

static int read_agents(const json_t *from, struct config *config)
{
	if (read_rows(from, agent_fields, COUNT(agent_fields), sizeof(*config->agents),
		      &config->agents, &config->agent_count) < 0)
		return -1;
	for (size_t i = 0; i < config->agent_count; i++)
		if (read_agent(json_array_get(from, i), &config->agents[i]) < 0)
			return -1;
	return 0;
}

static int read_state_dir(struct config *config)
{
	_cleanup_free_ char *path = config->queue.path ? strdup(config->queue.path) : NULL;

	if (path)
		config->queue.state_dir = strdup(dirname(path));
	return config->queue.path && !config->queue.state_dir ? -1 : 0;
}

static void read_log(const json_t *from, struct config *config)
{
	const char *format = json_str(from, "format"), *level = json_str(from, "level");

	config->log.json = format && strcmp(format, "json") == 0;
	config->log.level = LOG_LEVEL_INFO;
	if (level)
		log_parse_level(level, &config->log.level);
}

static int read_all(const json_t *from, struct config *config)
{
	const char *callback = json_str(from, "openpr.callback");

	if (callback && strcmp(callback, "mcp") == 0)
		config->openpr.callback = CALLBACK_MCP;
	read_log(json_at(from, "log"), config);
	if (read_fields(from, config_fields, COUNT(config_fields), config) < 0 ||
	    read_texts(json_at(from, "webhook.secrets"), &config->webhook.secrets,
		       &config->webhook.secret_count) < 0 ||
	    read_rows(json_at(from, "openpr.bots"), bot_fields, COUNT(bot_fields),
		      sizeof(*config->openpr.bots), &config->openpr.bots,
		      &config->openpr.bot_count) < 0 ||
	    read_rows(json_at(from, "labels"), pair_fields, COUNT(pair_fields),
		      sizeof(*config->labels), &config->labels, &config->label_count) < 0 ||
	    read_agents(json_at(from, "agents"), config) < 0)
		return -1;
	return read_state_dir(config);
}

struct config *config_read(const json_t *from, struct err *err)
{
	struct config *config = calloc(1, sizeof(*config));

	if (config && read_all(from, config) == 0)
		return config;
	if (config)
		config_read_free(config);
	err_set(err, ERR_NOMEM, "out of memory");
	return NULL;
}

/* ---- freeing ---- */

/* Any of them may be a secret. */
static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void free_fields(const struct field *fields, size_t count, void *base)
{
	for (size_t i = 0; i < count; i++)
		if (fields[i].kind == TEXT)
			wipe(*(char **)((char *)base + fields[i].offset));
}

static void free_rows(const struct field *fields, size_t field_count, size_t size, void *rows,
		      size_t count)
{
	for (size_t i = 0; i < count; i++)
		free_fields(fields, field_count, (char *)rows + i * size);
	free(rows);
}

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		wipe(texts[i]);
	free(texts);
}

static void free_agents(struct config *config)
{
	for (size_t i = 0; i < config->agent_count; i++) {
		struct config_agent *agent = &config->agents[i];

		free_texts(agent->bots, agent->bot_count);
		free_rows(pair_fields, COUNT(pair_fields), sizeof(*agent->env), agent->env,
			  agent->env_count);
		free_rows(pair_fields, COUNT(pair_fields), sizeof(*agent->headers), agent->headers,
			  agent->header_count);
	}
	free_rows(agent_fields, COUNT(agent_fields), sizeof(*config->agents), config->agents,
		  config->agent_count);
}

void config_read_free(struct config *config)
{
	free_fields(config_fields, COUNT(config_fields), config);
	free_texts(config->webhook.secrets, config->webhook.secret_count);
	free_rows(bot_fields, COUNT(bot_fields), sizeof(*config->openpr.bots), config->openpr.bots,
		  config->openpr.bot_count);
	free_rows(pair_fields, COUNT(pair_fields), sizeof(*config->labels), config->labels,
		  config->label_count);
	free_agents(config);
	free(config->queue.state_dir);
	free(config->path);
	free(config->folder);
	free(config->share_dir);
	free(config->printed);
	free(config);
}
