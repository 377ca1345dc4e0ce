-- What several values of config.lua must be to each other.  Each check takes what the schema made of the file, what the
-- file said, and the schema's context.
--
-- Functions of string are called by their full names: where config.lua runs, texts have no methods.

local rules = require "openpr.config_rules"
local s = require "openpr.schema"

local find, lower = string.find, string.lower

local function section(raw, name)
  local value = rawget(raw, name)
  return type(value) == "table" and value or {}
end

local function webhook_secrets(_, raw, ctx)
  local single, several = section(raw, "webhook").secret, section(raw, "webhook").secrets
  if single ~= nil and several ~= nil then
    s.mistake(ctx, "webhook.secrets", "stands beside webhook.secret: give one of them")
  elseif single == nil and (several == nil or (type(several) == "table" and next(several) == nil)) then
    s.mistake(ctx, "webhook.secret", 'is required: the secret that OpenPR signs with, as env "OPENPR_WEBHOOK_SECRET"')
  end
end

local function unverified(config, _, ctx)
  local all, one = config.webhook.max_unverified, config.webhook.max_body
  if all and one and all < one then
    s.mistake(ctx, "webhook.max_unverified", "is less than webhook.max_body: no body of that size could ever arrive")
  end
end

local function tunnel(config, raw, ctx)
  local options, on = config.tunnel, config.features.wss_tunnel
  if not options then
    if on then s.mistake(ctx, "tunnel", "is required with features.wss_tunnel: url, agent_id and token") end
    return
  end
  if not on then s.warn(ctx, "tunnel", "is not used: features.wss_tunnel is off") end
  for _, name in ipairs { "url", "agent_id", "token" } do
    local path = s.join("tunnel", name)
    if on and section(raw, "tunnel")[name] == nil and not ctx.pending[path] then
      s.mistake(ctx, path, "is required with features.wss_tunnel")
    end
  end
  if options.url and find(options.url, "^ws:") and not rules.leads_here(options.url) then
    if options.allow_insecure then
      s.warn(ctx, "tunnel.allow_insecure", "lets whoever is in between read the token and start agents")
    else
      s.mistake(ctx, "tunnel.url", "ws:// is not encrypted: take wss://, or allow_insecure = true")
    end
  end
  if options.client_key and not options.client_cert then
    s.mistake(ctx, "tunnel.client_cert", "is required with client_key")
  end
  if not options.hmac_secret and on then
    s.warn(ctx, "tunnel.hmac_secret", "is not set: what comes over the tunnel is not checked for who made it")
  end
end

local function callback(config, raw, ctx)
  local openpr, said = config.openpr, section(raw, "openpr")
  if openpr.callback == "mcp" then
    if said.mcp_url == nil then s.mistake(ctx, "openpr.mcp_url", 'is required with callback = "mcp"') end
    if said.api_url == nil then
      s.mistake(ctx, "openpr.api_url", 'is required with callback = "mcp", too: AI tasks end over REST')
    end
  elseif said.api_url == nil and said.callback ~= nil then
    s.mistake(ctx, "openpr.api_url", 'is required with callback = "api"')
  elseif said.api_url == nil then
    s.warn(ctx, "openpr.api_url", "is not set: nothing is reported to OpenPR")
  end
  if said.api_url ~= nil and said.token == nil and (type(said.bots) ~= "table" or next(said.bots) == nil) then
    s.warn(ctx, "openpr.token", "is not set, and no bot has a token: nothing can be reported to OpenPR")
  end
end

local function working_dirs(config, raw, ctx)
  local shared = section(raw, "executor").working_dir
  for _, name in ipairs(s.sorted_keys(config.agents or {})) do
    local said = section(section(raw, "agents"), name)
    if config.agents[name].type == "cli" and said.working_dir == nil and shared == nil then
      s.mistake(ctx, s.join(s.join("agents", name), "working_dir"),
                "is required: the checkout it works in (or executor.working_dir for all)")
    end
  end
end

-- What an agent behind HTTP cannot do without.
local needs = {
  { type = "openclaw", keys = { url = "the gateway's address", token = "hooks.token of the gateway" } },
  { type = "openclaw", mode = "message", keys = { channel = "the chat", to = "who gets the message" } },
  { type = "openprx", mode = "agent", keys = { url = "the gateway's address" } },
  { type = "openprx", mode = "signal", keys = { signal_url = "the address of signal-cli's REST API",
    account = "the number that sends", to = "who gets the message" } },
}

local function needed_keys(agent, said, path, ctx)
  for _, need in ipairs(needs) do
    if agent.type == need.type and (not need.mode or agent.mode == need.mode) then
      for _, key in ipairs(s.sorted_keys(need.keys)) do
        if said[key] == nil then
          local with = need.mode and string.format(" with mode = %q", need.mode) or ""
          s.mistake(ctx, s.join(path, key), "is required%s: %s", with, need.keys[key])
        end
      end
    end
  end
end

local function is_standard_secret(text)
  local body = string.match(text, "^whsec_([%w+/]+=?=?)$")
  local bytes = body and #body % 4 == 0 and #body // 4 * 3 - #string.match(body, "=*$")
  return bytes and bytes >= 24 and bytes <= 64
end

local function webhook_keys(agent, said, path, ctx)
  if agent.standard_webhooks and said.secret == nil then
    s.mistake(ctx, s.join(path, "secret"), "is required with standard_webhooks")
  elseif agent.standard_webhooks and agent.secret and agent.secret ~= s.PLACEHOLDER
    and not is_standard_secret(agent.secret) then
    s.mistake(ctx, s.join(path, "secret"), "is not whsec_ and the base64 of 24 to 64 bytes, as standard_webhooks needs")
  end
  if agent.url and string.find(agent.url, "^http:") and not agent.allow_private then
    s.warn(ctx, s.join(path, "url"), "is not https: whoever is on the way reads and changes what is forwarded")
  end
end

local function gateways(config, raw, ctx)
  for _, name in ipairs(s.sorted_keys(config.agents or {})) do
    local agent, path = config.agents[name], s.join("agents", name)
    local said = section(section(raw, "agents"), name)
    needed_keys(agent, said, path, ctx)
    if agent.type == "openclaw" and (agent.channel == nil) ~= (agent.to == nil) and agent.mode == "agent" then
      s.mistake(ctx, s.join(path, agent.to and "channel" or "to"), "is missing: OpenClaw wants channel and to together")
    end
    if agent.type == "webhook" then webhook_keys(agent, said, path, ctx) end
  end
end

-- Both ways to find an agent, by the bot's name without regard to case and by its id, must lead to one.
local function agent_names(config, _, ctx)
  local names, ids = {}, {}
  local agents = config.agents or {}
  if next(agents) == nil then s.warn(ctx, "agents", "there is none: nothing can be started") end
  for _, name in ipairs(s.sorted_keys(agents)) do
    local path = s.join("agents", name)
    local twin = names[lower(name)]
    if twin then s.mistake(ctx, path, "differs from agents.%s only in upper and lower case", twin) end
    names[lower(name)] = name
    for n, id in ipairs(agents[name].bots or {}) do
      if ids[id] then s.mistake(ctx, s.join(s.join(path, "bots"), n), "belongs to agents.%s already", ids[id]) end
      ids[id] = ids[id] or name
    end
  end
end

local function permissions(config, _, ctx)
  for _, name in ipairs(s.sorted_keys(config.agents or {})) do
    local agent, path = config.agents[name], s.join("agents", name)
    if agent.permissions == "full" then
      s.warn(ctx, s.join(path, "permissions"), '"full" lets the agent do whatever this user can do')
    end
    if agent.trust_repository then
      s.warn(ctx, s.join(path, "trust_repository"), "lets whoever writes to the repository run code as this user")
    end
  end
end

local function admin(config, raw, ctx)
  local listen, said = config.admin.listen, section(raw, "admin")
  if not listen or find(listen, "^unix:") then return end
  if said.token == nil then
    s.mistake(ctx, "admin.token", "is required with an address and port; `openssl rand -hex 32` makes one")
  end
  if not rules.is_loopback(listen) and said.allow_remote ~= true then
    s.mistake(ctx, "admin.listen", "is an address that other machines reach, and nothing is encrypted there: listen on "
              .. "127.0.0.1 behind a proxy with TLS, or set admin.allow_remote = true")
  end
end

-- The whitelist's variables are names, or their beginnings with a "*".
local function on_list(list, name)
  for _, entry in ipairs(list) do
    local start = string.match(entry, "^(.*)%*$")
    if entry == name or (start and string.sub(name, 1, #start) == start) then return true end
  end
end

local function variables(config, _, ctx)
  for _, name in ipairs(s.sorted_keys(config.agents or {})) do
    local agent = config.agents[name]
    for _, variable in ipairs(s.sorted_keys(agent.env or {})) do
      if agent.permissions ~= "full" and on_list(ctx.whitelist.variables or {}, variable) then
        s.mistake(ctx, s.join(s.join(s.join("agents", name), "env"), variable),
                  'puts foreign code into the program: it needs permissions = "full"')
      end
    end
  end
end

local function is_in(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then return true end
  end
end

-- Whose token this is in openpr, or nil.
local function owner(openpr, token)
  if token == openpr.token then return "openpr.token" end
  for name, bot in next, openpr.bots or {} do
    if token == bot.token then return s.join("openpr.bots", name) .. ".token" end
  end
end

local function reports(config, _, ctx)
  for _, name in ipairs(s.sorted_keys(config.agents or {})) do
    local agent, path = config.agents[name], s.join("agents", name)
    local function required(key) s.mistake(ctx, key, 'is required: agents.%s has reports = "agent"', name) end
    local token_path = s.join(path, "mcp_token")
    if agent.reports ~= "agent" then
      if agent.mcp_token then s.warn(ctx, token_path, 'is not used: reports is not "agent"') end
    else
      if not agent.mcp_token and not ctx.pending[token_path] then required(token_path) end
      if not config.openpr.mcp_url and not ctx.pending["openpr.mcp_url"] then required "openpr.mcp_url" end
      if not config.openpr.api_url and not ctx.pending["openpr.api_url"] then required "openpr.api_url" end
      if agent.cli and not is_in(ctx.whitelist.reporters or {}, agent.cli) then
        s.mistake(ctx, s.join(path, "reports"), "%s cannot be given an MCP server here", agent.cli)
      end
      local own = agent.mcp_token ~= s.PLACEHOLDER and agent.mcp_token
      local taken = own and owner(config.openpr, own)
      if taken then s.mistake(ctx, token_path, "is %s: the agent needs one of its own", taken) end
    end
  end
end

local checks = { webhook_secrets, unverified, tunnel, callback, working_dirs, gateways, agent_names,
                 permissions, variables, reports, admin }

return function(config, raw, ctx)
  for _, check in ipairs(checks) do check(config, raw, ctx) end
end
