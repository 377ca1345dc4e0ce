#pragma once

/*
 * config.lua, checked: plain data, constant after load, shared by reference count (a reload makes a
 * new one). All paths are absolute.  lua/openpr/config.lua is the only schema; this only reads what
 * it has checked.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

enum config_permissions { PERMISSIONS_WORKSPACE, PERMISSIONS_FULL };
enum config_callback { CALLBACK_API, CALLBACK_MCP };

struct config_pair {
	char *name, *value;
};

struct config_agent {
	char *name;
	char *type;		/* "cli", "openclaw", "openprx", "webhook", "custom" */
	char *cli;		/* a name of the whitelist; NULL for other types */
	char *handler;		/* custom: "policies/agents/NAME.lua"; NULL for other types */
	char *working_dir;	/* cli, custom: its own, else executor.working_dir; NULL: none */
	char *prompt_template;	/* file name in templates, default "default.txt"; NULL: webhook */
	char *mention_template; /* default "mention.txt"; NULL: webhook */
	char *model;		/* NULL: the other side's own default */
	char **bots;		/* ids of bots that mean this agent */
	size_t bot_count;
	enum config_permissions permissions;
	bool trust_repository;
	bool reports;	 /* itself, over OpenPR's MCP server (reports = "agent") */
	char *mcp_token; /* its own; set exactly when it reports itself */
	struct config_pair *env;
	size_t env_count;
	int64_t timeout;    /* ms; the agent's own, else executor.timeout_secs; webhook: 30 s */
	int max_concurrent; /* 0: no cap of its own */

	/* Of agents behind HTTP; NULL and false where their type has none or nothing is said. */
	char *url, *token; /* url without a trailing slash, but a webhook's, which is as written */
	char *mode;	   /* openclaw: "agent", "message"; openprx: "agent", "signal" */
	char *agent_id, *session, *thinking, *channel; /* openclaw */
	char *to;				       /* openclaw, openprx */
	bool wait;				       /* openclaw */
	char *signal_url, *account;		       /* openprx */
	char *method, *secret;			       /* webhook */
	struct config_pair *headers;		       /* webhook */
	size_t header_count;
	bool standard_webhooks; /* webhook */
	bool allow_private;	/* webhook, custom */
};

struct config_bot { /* openpr.bots[NAME] */
	char *name, *token;
};

struct config {
	char *path, *folder; /* config.lua, and where it lies */

	struct {
		char *listen; /* "host:port" */
		char **secrets;
		size_t secret_count;
		int64_t tolerance; /* ms */
		size_t max_body, max_unverified;
		int max_connections;
		int64_t head_timeout; /* ms */
	} webhook;

	struct {
		bool cli_executor, wss_tunnel, webhook_forward, custom_agent;
	} features;

	struct {
		char *working_dir; /* NULL when every cli agent has its own */
		char *path;	   /* where the CLIs are looked up */
		int64_t timeout;   /* ms */
		int64_t drain;	   /* ms */
		int max_concurrent;
		bool safe_mode; /* the environment's OPENPR_WEBHOOK_SAFE_MODE already applied */
	} executor;

	struct {
		char *api_url; /* without a trailing slash; NULL: nothing is reported */
		char *token;
		enum config_callback callback;
		char *mcp_url;
		struct config_bot *bots;
		size_t bot_count;
	} openpr;

	struct config_agent *agents; /* sorted by name */
	size_t agent_count;

	struct config_pair *labels; /* id -> name */
	size_t label_count;

	struct {
		char *path;	 /* the database file */
		char *state_dir; /* its folder: runs/, locks/ beside it */
		int max_attempts;
		int64_t keep; /* ms */
		size_t max_output;
	} queue;

	struct {
		char *dir;	    /* searched first */
		int64_t time_limit; /* ms */
		size_t memory_limit;
	} policies;
	char *templates_dir;

	struct {
		char *url; /* wss:// or ws://; NULL: there is no tunnel in the file */
		char *agent_id, *token;
		char *hmac_secret;			  /* NULL: envelopes are not signed */
		int64_t heartbeat, reconnect;		  /* ms */
		char *ca_file, *client_cert, *client_key; /* NULL: the system's; none */
		char *proxy; /* NULL: as the environment says; "": none */
		bool allow_insecure;
		bool skip_filter; /* every dispatch is work, whatever the filter says */
	} tunnel;

	char *share_dir; /* share/openpr-webhook of this installation, or the source tree's root */

	struct {
		char *listen;  /* as config.lua says it, for people */
		char *socket;  /* path of the unix socket, or NULL: */
		char *address; /* "host:port" */
		char *token;   /* of the address; NULL with a socket */
		bool allow_remote;
	} admin;

	struct {
		bool json;
		enum log_level level;
	} log;

	char *printed;	 /* what config_print() gives */
	atomic_int refs; /* config_ref() and config_unref() alone touch it */
};

/* What the whitelist says, which lies above this layer.  Lists end with NULL. */
struct config_whitelist {
	const char *const *executors; /* names that agents.X.cli may have */
	const char *const *reporters; /* those that can speak to OpenPR's MCP server themselves */
	const char *const *variables; /* that need permissions = "full" in agents.X.env; a `*` at
					 the end stands for anything */
};

struct config_options {
	const char *path;	   /* NULL: ./config.lua, then /etc/openpr-webhook/config.lua */
	bool unset_env_is_warning; /* check, rules, explain, test: an unset env is a warning, not a
				      mistake, and so is a working_dir that is not there */
	const struct config_whitelist *whitelist; /* NULL: nothing is on it */
	/* The verbs of a daemon that runs: a file with mistakes still says where its socket is.
	 * config_load() is then 0 although there are `mistakes`, unless the file cannot be run. */
	bool tolerant;
};

/*
 * Reads and checks.  -1: with mistakes in what the file says, `mistakes` holds every one, one a
 * line by path ("agents.x.cli: ..."), sorted, and err says how many (ERR_CONFIG); when the file
 * cannot be read or run at all, `mistakes` is empty and err says why and what helps (ERR_NOTFOUND,
 * ERR_CONFIG, ERR_NOMEM).  Warnings come on success too, in `warnings`, one a line.  Neither holds
 * a secret.  All secrets found are given to redact_add(), on failure too.  With
 * unset_env_is_warning, secrets that are not set are missing from the config.  Free with
 * config_unref().
 */
int config_load(const struct config_options *options, struct config **config, struct buf *mistakes,
		struct buf *warnings, struct err *err);

struct config *config_ref(struct config *config); /* threads may call both */
void config_unref(struct config *config);	  /* accepts NULL */

/*
 * True when this agent's success only says that the work was handed on, so that nobody knows
 * whether it is done: a webhook, a chat message, an agent that is not waited for.
 */
bool config_hands_over(const struct config_agent *agent);

/* NULL when there is none of that name. */
const struct config_agent *config_agent(const struct config *config, const char *name);

/*
 * The whole table with defaults filled and secrets as "***", as Lua that config_load() reads again
 * with unset_env_is_warning (a daemon refuses "***" as a secret).
 */
int config_print(const struct config *config, struct buf *out, struct err *err);

/* The reference of every option (docs/config.md), from the schema. */
int config_reference(struct buf *out, struct err *err);

/*
 * Finds `name` in `own` (may be NULL), else in share_dir/`kind`.  The path, which the caller frees,
 * or NULL with ERR_NOTFOUND naming both places.
 */
char *config_find(const struct config *config, const char *own, const char *kind, const char *name,
		  struct err *err);
