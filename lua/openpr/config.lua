-- The one description of config.lua: names, defaults, bounds, secrets, meanings.  core/config reads only what this has
-- checked; `print-config` and docs/config.md are made from it.

local rules = require "openpr.config_rules"
local s = require "openpr.schema"

local KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30
local MINUTE, HOUR, DAY = 60, 3600, 86400 -- seconds
local AS_SECONDS, AS_DAYS = 1000, 86400000 -- what a number without a unit is worth, in milliseconds

local SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin" -- where the daemon itself has no PATH

local function gate(doc) return s.boolean { default = false, doc = doc } end

local function secret(doc) return s.string { secret = true, rule = rules.signing_secret, doc = doc } end

local function token(doc) return s.string { secret = true, rule = rules.token, doc = doc } end

local webhook = s.record {
  doc = "What OpenPR sends to.",
  absent = { allow_unsigned = "is not an option: what is not signed with webhook.secret is never taken" },
  { "listen", s.string { default = "0.0.0.0:8091", rule = rules.listen, doc = [[
    Address and port of `POST /webhook`, `GET /health` and `GET /ready`; port 0 is any free one.]] } },
  { "secret", secret "The secret that OpenPR signs with; this or `secrets` is required." },
  { "secrets", s.list { item = secret(), doc = [[
    Several secrets instead of one, all of which are tried: the new one and the old one while you change it.]] } },
  { "tolerance", s.duration { default = 5 * MINUTE, min = 1, max = DAY, doc = [[
    How far the `timestamp` of an event may lie in the past or in the future.]] } },
  { "max_body", s.size { default = 4 * MiB, min = 1 * KiB, max = 64 * MiB, doc = [[
    The largest body; a larger one is answered 413.]] } },
  { "max_connections", s.integer { default = 512, min = 1, max = 65536, doc = [[
    Open connections, for which there must be descriptors; at the limit the one that has been incomplete longest is
    closed.]] } },
  { "head_timeout", s.duration { default = 10, min = 1, max = 5 * MINUTE, doc = [[
    How long a request may take to arrive, head and body.]] } },
  { "max_unverified", s.size { default = 64 * MiB, min = 1 * MiB, max = 4 * GiB, doc = [[
    Bytes of bodies whose signature is not checked yet, of all connections together; above it the connection that
    holds most is closed.]] } },
}

local features = s.record {
  doc = "The gates. What is off wins over any agent that needs it, and the answer to an event says which gate it was.",
  { "cli_executor", gate "Agents of type `cli` may be started." },
  { "wss_tunnel", gate "The tunnel is opened, and agents are started by what comes over it." },
  { "webhook_forward", gate "Agents of type `webhook` may be called: events are forwarded." },
  { "custom_agent", gate "Agents of type `custom` may do what their handlers say, programs and requests alike." },
}

local executor = s.record {
  doc = "How agents are run.",
  { "working_dir", s.path { doc = [[
    The checkout that agents work in which have none of their own; the daemon runs no git there.]] } },
  { "timeout_secs", s.duration { plain = AS_SECONDS, default = 900, min = 1, max = 7 * DAY, doc = [[
    Seconds after which a run is stopped, unless its agent or the route says otherwise.]] } },
  { "max_concurrent", s.integer { default = 2, min = 1, max = 256, doc = [[
    Runs at the same time, of all agents together.]] } },
  { "path", s.string { rule = rules.search_path, shown = "the daemon's `PATH`",
    default = function(ctx) return rules.whole_paths(ctx.search_path or "") or SEARCH_PATH end, doc = [[
    Where the programs of the agents are looked up: whole paths with colons between them.]] } },
  { "drain_secs", s.duration { plain = AS_SECONDS, default = 60, min = 0, max = DAY, doc = [[
    Seconds that runs may still take after SIGTERM; then they are interrupted.]] } },
  { "safe_mode", s.boolean { default = false, doc = [[
    Everything is received, decided and recorded, but nothing is started and nothing goes out; the environment's
    `OPENPR_WEBHOOK_SAFE_MODE` wins over this.]] } },
}

local bot = s.record {
  { "token", s.string { secret = true, rule = rules.token, required = true, doc = "That bot's token." } },
}

local openpr = s.record {
  doc = "Where results go.",
  { "api_url", s.string { rule = rules.api_url, doc = [[
    OpenPR's address, also needed with `callback = "mcp"` because AI tasks end over REST; without it nothing is
    reported.]] } },
  { "token", token "The token of the bot that writes back." },
  { "bots", s.map { key = "NAME", key_rule = rules.bot_name, item = bot, doc = [[
    Further bots by name: a report is written with the token of the bot that was asked.]] } },
  { "callback", s.choice { values = { "api", "mcp" }, default = "api", doc = [[
    How comments and states are written: `"api"` is REST, `"mcp"` is OpenPR's MCP server.]] } },
  { "mcp_url", s.string { rule = rules.mcp_url, doc = [[
    The MCP server's address, required with `callback = "mcp"`.]] } },
}

local PROMPTED = { "cli", "openclaw", "openprx", "custom" } -- the types that read a prompt
local PROGRAMS = { "cli", "custom" } -- those that run one
local GATEWAYS = { "openclaw", "openprx" }
local TYPES = { "cli", "openclaw", "openprx", "webhook", "custom" }

local function text(of, rule, doc, more)
  local node = s.string { of = of, rule = rule, doc = doc }
  for name, value in pairs(more or {}) do node[name] = value end
  return node
end

-- What only some types have; `of` names them.
local function fields_of_cli(executors)
  return {
    { "cli", s.choice { of = { "cli" }, values = executors, required = true, doc = [[
      The program, by a name that `openpr-webhook whitelist` prints.]] } },
    { "handler", s.string { of = { "custom" }, required = true, rule = rules.handler, doc = [[
      The file that says what is done with an event, as `policies/agents/triage.lua`: in `policies.dir`, as
      `agents/triage.lua`, or shipped.]] } },
    { "working_dir", s.path { of = PROGRAMS, shown = "`executor.working_dir`", doc = [[
      The checkout it works in; agents whose folders are the same, or lie in each other, run one at a time.]] } },
    { "permissions", s.choice { of = PROGRAMS, values = { "workspace", "full" }, default = "workspace", doc = [[
      `"workspace"` keeps the program's own protections on; `"full"` switches them off, and is logged at start.]] } },
    { "trust_repository", s.boolean { of = PROGRAMS, default = false, doc = [[
      Hooks, MCP servers and settings that the repository brings along are used.]] } },
    { "env", s.map { of = PROGRAMS, key = "NAME", key_rule = rules.variable_name,
      item = s.string { empty = true, lines = true, secret = rules.is_secret_variable }, doc = [[
      Added to the environment of its runs, which holds little else (keys of providers come only this way); values of
      variables called KEY, TOKEN, SECRET, PASSWORD or the like, and those from a `file`, are hidden in all that is
      written.]] } },
    { "reports", s.choice { of = { "cli" }, values = { "daemon", "agent" }, default = "daemon", doc = [[
      Who writes the result to OpenPR: with `"agent"` the program is given OpenPR's MCP server (`openpr.mcp_url`) and
      writes it itself; the daemon still says what failed, and what the agent did not say.]] } },
    { "mcp_token", s.string { of = { "cli" }, secret = true, rule = rules.token, doc = [[
      The token that the agent speaks to the MCP server with, one of its own; required with `reports = "agent"`, and
      the one secret of the daemon that the agent sees.]] } },
  }
end

local fields_of_gateways = {
  { "url", text(GATEWAYS, rules.gateway_url, [[
    The gateway's address, as `http://127.0.0.1:18789`; required, but with `mode = "signal"`.]]) },
  { "url", text({ "webhook" }, rules.target_url, [[
    Where the event goes, as it is written here; only its scheme, host and port are shown in logs and reports.]],
    { required = true }) },
  { "token", s.string { of = GATEWAYS, secret = true, rule = rules.token, doc = [[
    The gateway's token: for OpenClaw `hooks.token`, with `mode = "message"` the gateway's own.]] } },
  { "mode", s.choice { of = { "openclaw" }, values = { "agent", "message" }, default = "agent", doc = [[
    `"agent"` gives the work to its agent; `"message"` only sends a chat message, without any model.]] } },
  { "mode", s.choice { of = { "openprx" }, values = { "agent", "signal" }, default = "agent", doc = [[
    `"agent"` gives the work to PRX; `"signal"` only sends a Signal message.]] } },
  { "agent_id", text({ "openclaw" }, rules.word, "Which of OpenClaw's agents it is.",
                     { shown = "OpenClaw's default" }) },
  { "session", text({ "openclaw" }, rules.word, [[
    The session's key; OpenClaw must allow it (`hooks.allowRequestSessionKey`).]], { shown = "a new one each time" }) },
  { "thinking", text({ "openclaw" }, rules.word, "How much it thinks, in OpenClaw's words.",
                     { shown = "OpenClaw's default" }) },
  { "wait", s.boolean { of = { "openclaw" }, default = true, doc = [[
    The run lasts until OpenClaw's agent has ended; without it, success means that OpenClaw has taken the work.]] } },
  { "channel", text({ "openclaw" }, rules.word, [[
    The chat that its reply goes to, as `slack`, together with `to`; required with `mode = "message"`.]]) },
  { "to", text(GATEWAYS, nil, [[
    Who in that chat gets it; with `mode = "signal"` a number or a group.]]) },
  { "signal_url", text({ "openprx" }, rules.gateway_url, [[
    The address of signal-cli's REST API, required with `mode = "signal"`.]]) },
  { "account", text({ "openprx" }, rules.word, "The number that Signal messages are sent from.") },
  { "method", s.choice { of = { "webhook" }, values = { "POST", "PUT", "PATCH" }, default = "POST",
    doc = "How it is sent." } },
  { "headers", s.map { of = { "webhook" }, key = "NAME", key_rule = rules.header_name,
    item = s.string { rule = rules.header_value, secret = rules.is_secret_header }, doc = [[
    Further headers; values from `env` or `file`, and of headers called AUTHORIZATION, TOKEN, KEY or the like, are
    hidden in all that is written.]] } },
  { "secret", s.string { of = { "webhook" }, secret = true, rule = rules.signing_secret, doc = [[
    Signs the body in `X-Webhook-Signature` as OpenPR does; without it the forward is not signed.]] } },
  { "standard_webhooks", s.boolean { of = { "webhook" }, default = false, doc = [[
    Signs it by the Standard Webhooks specification, too (`webhook-id`, `webhook-timestamp`, `webhook-signature`); the
    secret is then `whsec_` and base64.]] } },
  { "allow_private", s.boolean { of = { "webhook", "custom" }, default = false, doc = [[
    The target may have a private, loopback or link-local address, and may be reached through a proxy.]] } },
}

local function agent(executors)
  local fields = {
    by = "type",
    { "type", s.choice { values = TYPES, required = true, doc = [[
      What kind of agent it is: a program here, an OpenClaw or PRX gateway, a webhook, or what a handler of your own
      does; what only some types have is marked below.]] } },
    { "prompt_template", s.string { of = PROMPTED, default = "default.txt", rule = rules.template, doc = [[
      The file in `templates.dir` that its prompts are made from.]] } },
    { "mention_template", s.string { of = PROMPTED, default = "mention.txt", rule = rules.template, doc = [[
      The same for mentions in comments.]] } },
    { "model", s.string { of = { "cli", "openclaw" }, shown = "its own", doc = [[
      The model, as the program or the gateway takes it.]] } },
    { "bots", s.list { item = s.string { rule = rules.bot_id }, doc = [[
      Ids of bots that mean this agent, beside the bot that has its name.]] } },
    { "timeout_secs", s.duration { plain = AS_SECONDS, min = 1, max = 7 * DAY,
      shown = "`executor.timeout_secs`; webhook: `30`", doc = "Seconds after which a run of this agent is stopped." } },
    { "max_concurrent", s.integer { min = 1, max = 256, shown = "no limit of its own", doc = [[
      Runs of this agent at the same time, within `executor.max_concurrent`.]] } },
  }
  for n, field in ipairs(fields_of_cli(executors)) do table.insert(fields, 1 + n, field) end
  for _, field in ipairs(fields_of_gateways) do table.insert(fields, field) end
  return s.record(fields)
end

local queue = s.record {
  doc = "What is kept.",
  { "path", s.path { default = "state/queue.db", doc = [[
    The database file; logs of runs and locks lie beside it.]] } },
  { "max_attempts", s.integer { default = 2, min = 1, max = 20, doc = [[
    How often a run is started when the daemon's own end cuts it off (what the agent itself fails at is final).]] } },
  { "keep_days", s.duration { plain = AS_DAYS, default = 30, min = 1, max = 3650, doc = [[
    Days that bodies, logs, ended tasks and delivered reports are kept.]] } },
  { "max_output", s.size { default = 64 * MiB, min = 64 * KiB, max = 16 * GiB, doc = [[
    The log of a run; of a longer one the head and the tail are kept.]] } },
}

local policies = s.record {
  doc = "The four policies: filter, route, render and callback.",
  { "dir", s.path { default = "policies", doc = [[
    Your own policies, file by file; where you have none, the shipped one is used.]] } },
  { "time_limit", s.duration { default = 0.05, min = 0.001, max = 10, doc = [[
    Processor time that a policy may take for one event.]] } },
  { "memory_limit", s.size { default = 16 * MiB, min = 2 * MiB, max = 1 * GiB, doc = [[
    Memory that a policy may take.]] } },
}

local templates = s.record {
  doc = "What prompts are made from.",
  { "dir", s.path { default = "templates", doc = [[
    Your own templates, file by file; where you have none, the shipped one is used.]] } },
}

local tunnel = s.record {
  optional = true,
  doc = "The way to a control plane that cannot reach this host: one outbound WebSocket connection (docs/tunnel.md).",
  { "url", s.string { rule = rules.tunnel_url, doc = [[
    The control plane's address, `wss://`; `ws://` is not encrypted, and only for this machine unless
    `allow_insecure`.]] } },
  { "agent_id", s.string { rule = rules.host_name, doc = [[
    The name under which this host is known there; an envelope for another is refused.]] } },
  { "token", s.string { secret = true, rule = rules.token, doc = [[
    What this host shows, as `Authorization: Bearer`; only a verified server gets it.]] } },
  { "hmac_secret", secret [[
    The secret that envelopes are signed with, both ways; with it, unsigned, wrongly signed, old and repeated ones are
    refused.]] },
  { "heartbeat_secs", s.duration { plain = AS_SECONDS, default = 20, min = 1, max = HOUR, doc = [[
    Seconds between two signs of life; a server that answers none is left within two of them.]] } },
  { "reconnect_secs", s.duration { plain = AS_SECONDS, default = 3, min = 0.1, max = HOUR, doc = [[
    Seconds before the first attempt to connect again; each further one waits twice as long, up to a minute.]] } },
  { "skip_filter", s.boolean { default = false, doc = [[
    Every dispatch is work, whatever `policies/filter.lua` would say of it.]] } },
  { "ca_file", s.path { shown = "the system's", doc = [[
    Certificates (PEM) that the server's is checked against, instead of the system's.]] } },
  { "client_cert", s.path { doc = "A certificate (PEM) to show to the server." } },
  { "client_key", s.path { shown = "in `client_cert`", doc = "The key (PEM) of `client_cert`." } },
  { "proxy", s.string { empty = true, secret = rules.holds_password, rule = rules.proxy,
    shown = "as the environment says", doc = [[
    An HTTP proxy on the way, as `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`; `""` is none. TLS goes through
    it to the server.]] } },
  { "allow_insecure", s.boolean { default = false, doc = [[
    `ws://` to other machines, too: whoever is in between reads the token and starts agents.]] } },
}

local admin = s.record {
  doc = "Where the verbs of the command line, `/metrics` and the API (docs/api.md) find the daemon.",
  { "listen", s.string { default = "unix:./admin.sock", rule = rules.admin_listen, doc = [[
    A socket that only the daemon's own user can open, as `unix:PATH`; or an address and port, which need
    `token`.]] } },
  { "token", s.string { secret = true, rule = rules.admin_token, doc = [[
    What every request over TCP must carry, as `Authorization: Bearer TOKEN`; 16 bytes at least.]] } },
  { "allow_remote", s.boolean { default = false, doc = [[
    `listen` may be an address that other machines reach. Nothing is encrypted there, not even the token.]] } },
}

local log = s.record {
  doc = "What the daemon writes to standard error: one line a fact.",
  { "format", s.choice { values = { "logfmt", "json" }, default = "logfmt", doc = [[
    How a line is written. To the journal, each line begins with its priority instead of holding time and level.]] } },
  { "level", s.choice { values = { "debug", "info", "warn", "error" }, default = "info", doc = [[
    What is less important is not written; `--verbose` means `"debug"`.]] } },
}

-- executors: the names that were compiled in.
return function(executors)
  return s.record {
    absent = { security = "is not an option: the secret that events are signed with is webhook.secret" },
    { "webhook", webhook },
    { "features", features },
    { "executor", executor },
    { "openpr", openpr },
    { "agents", s.map { key = "NAME", key_rule = rules.agent_name, item = agent(executors), doc = [[
      Who works: the agent that is called like the bot, or names it in `bots`, else `default`.]] } },
    { "labels", s.map { key = "ID", key_rule = rules.label_id, item = s.string {}, doc = [[
      Names for the ids of labels, so that policies can say `when.label "bug"`: events carry ids alone.]] } },
    { "queue", queue },
    { "policies", policies },
    { "templates", templates },
    { "tunnel", tunnel },
    { "admin", admin },
    { "log", log },
  }
end
