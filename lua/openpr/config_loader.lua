-- Runs config.lua, checks what it returns, and hands it to core/config: one function, called from C with texts of JSON.
--
-- Functions of string are called by their full names: a config.lua must find none on its texts, for string.rep alone
-- can keep a processor busy where no deadline reaches.

local checks = require "openpr.config_checks"
local describe = require "openpr.config"
local nearest = require "openpr.nearest"
local print_config = require "openpr.config_print"
local s = require "openpr.schema"

local format, find, sub = string.format, string.find, string.sub

local M = {}

local WEBHOOK_TIMEOUT = 30000 -- ms; a forward is no work that one waits for

local units = { milliseconds = 0.001, seconds = 1, minutes = 60, hours = 3600,
                KiB = 1 << 10, MiB = 1 << 20, GiB = 1 << 30 }
local known_names = { "env", "file", "milliseconds", "seconds", "minutes", "hours", "KiB", "MiB", "GiB" }

-- Folders whose files may be readable by all: who runs the container or the service keeps others out of them.
local function kept_by_others(path, host)
  if find(path, "/../", 1, true) then return false end
  for _, folder in ipairs { "/run/secrets", host.getenv "CREDENTIALS_DIRECTORY" or "" } do
    if folder ~= "" and sub(path, 1, #folder + 1) == folder .. "/" then return true end
  end
  return false
end

-- Why a file with this mode may not hold a secret, or nil.
local function mode_fault(path, mode, host)
  if kept_by_others(path, host) then return nil end
  local function quoted() return "'" .. string.gsub(path, "'", "'\\''") .. "'" end
  if mode & 18 ~= 0 then return "may be written by group or others: chmod go-w " .. quoted() end -- 022
  if mode & 4 ~= 0 then return "may be read by others: chmod o-r " .. quoted() end
end

-- ---- what config.lua can call ----

-- Texts that came from outside, and where from; and stand-ins for those that did not come.
local function outside()
  local o = { texts = {}, missing = {} }

  function o.keep(text, from)
    if text ~= "" then o.texts[text] = o.texts[text] or from end
    return text
  end

  -- Joined to a text, a stand-in remains one.
  local meta = {}
  function meta.__concat(a, b)
    if o.missing[a] then return a end
    return b
  end

  function o.absent(why, soft)
    local stand_in = setmetatable({}, meta)
    o.missing[stand_in] = { why = why, soft = soft }
    return stand_in
  end

  function o.unresolved(value)
    local missing = type(value) == "table" and o.missing[value]
    if missing then return missing.why, missing.soft end
  end

  -- Also for a text that was put together from one.
  function o.source(text)
    if o.texts[text] then return o.texts[text] end
    for part, from in next, o.texts do
      if #part >= 4 and find(text, part, 1, true) then return from end
    end
  end

  return o
end

local function env_function(o, request, host)
  return function(name)
    if type(name) ~= "string" or not find(name, "^[%w_]+$") then
      error('env takes the name of a variable, as env "NAME"', 2)
    end
    local value = host.getenv(name)
    if value then return o.keep(value, format('env "%s"', name)) end
    return o.absent(format("environment variable %s is not set", name), request.client)
  end
end

local function file_function(o, request, host)
  return function(name)
    if type(name) ~= "string" or name == "" or find(name, "%c") then
      error('file takes the path of a file, as file "PATH"', 2)
    end
    local path = s.absolute(name, request.folder)
    local text, why, mode = host.readfile(path)
    local fault = not text and why or mode_fault(path, mode, host)
    if fault then return o.absent(format("file %s: %s", path, fault)) end
    return o.keep(string.gsub(text, "[\r\n]+$", ""), format('file "%s"', name))
  end
end

local function unknown_name(_, name)
  local near = type(name) == "string" and nearest(name, known_names)
  -- A name that is near none of ours is not repeated: it may be a secret that lacks its quotes.
  if near then error(format('"%s" is not known here; did you mean %s?', name, near), 2) end
  error("a name that is not known here: config.lua has env, file and units; texts stand in quotes", 2)
end

local function assigned(_, name)
  for _, section in ipairs(describe {}.names) do
    if name == section then error(format("%s is assigned: write return { %s = ... }", name, name), 2) end
  end
  error("a name is assigned: write local before it, and return one table", 2)
end

local function environment(o, request, host)
  local names = { env = env_function(o, request, host), file = file_function(o, request, host) }
  for name, value in next, units do names[name] = value end
  return setmetatable({}, { __index = function(t, name)
    if names[name] ~= nil then return names[name] end
    return unknown_name(t, name)
  end, __newindex = assigned })
end

-- ---- running it ----

local read_faults = {
  ["No such file or directory"] = "there is no such file: name one with --config, or start from the shipped config.lua",
  ["Is a directory"] = "is a folder: name the config.lua in it",
  ["Permission denied"] = "may not be read by this user",
}

-- Lua's messages quote what they stopped at, which may be a secret.
local function without_quotes(message)
  message = string.gsub(message, " near (.*)$", function(token)
    if token == "<eof>" then return " at the end of the file" end
    return find(token, "^'[%]%[(){}=,;:]+'$") and nil or ""
  end)
  return (string.gsub(string.gsub(message, " %(constant .*%)$", ""), "%c", " "))
end

local function located(path, message)
  message = without_quotes(message)
  return find(message, ":%d+: ") and message or path .. ": " .. message
end

-- The table that config.lua returns; or nil and why not.
local function run(request, text, env)
  local chunk, why = load(text, "@" .. request.path, "t", env)
  if not chunk then return nil, located(request.path, why) end
  local ok, value = pcall(chunk)
  if not ok then
    -- The machine words this one, with its limit.
    if type(value) == "string" and find(value, "not enough memory$") then error(value, 0) end
    return nil, located(request.path, type(value) == "string" and value or "an error was raised")
  end
  if type(value) ~= "table" or getmetatable(value) then
    local what = value == nil and "nothing" or type(value) == "table" and "no plain one" or "a " .. type(value)
    return nil, format("%s: must return a table, as return { webhook = { ... } }, but returned %s", request.path, what)
  end
  return value
end

-- ---- beside the file ----

local switch = { ["1"] = true, ["true"] = true, yes = true, on = true,
                 ["0"] = false, ["false"] = false, no = false, off = false }

local function apply_safe_mode(config, ctx, host)
  local word = string.match(host.getenv "OPENPR_WEBHOOK_SAFE_MODE" or "", "^%s*(.-)%s*$")
  if word == "" or not config.executor then return end
  config.executor.safe_mode = switch[string.lower(word)]
  if config.executor.safe_mode == nil then
    config.executor.safe_mode = true
    s.warn(ctx, "OPENPR_WEBHOOK_SAFE_MODE", "is neither on nor off: taken as on")
  end
end

local function check_mode(ctx, request, mode, host)
  if mode & 2 ~= 0 then s.warn(ctx, "config.lua", "may be written by everybody, who can then run code as this user") end
  local fault = #ctx.literals > 0 and mode_fault(request.path, mode, host)
  if fault then
    s.mistake(ctx, ctx.literals[1], 'stands in config.lua itself, which %s; or use env "NAME" or file "PATH"', fault)
  end
end

-- ---- what C gets ----

local function rows(map, make)
  local list = {}
  for n, key in ipairs(s.sorted_keys(map or {})) do list[n] = make(key, map[key]) end
  return list
end

local function pair(name, value) return { name = name, value = value } end

local function agents(config)
  return rows(config.agents, function(name, agent)
    local row = {}
    for key, value in next, agent do row[key] = value end
    row.name = name
    row.env, row.headers = rows(agent.env, pair), rows(agent.headers, pair)
    row.directory_key = s.join(s.join("agents", name), "working_dir")
    if (agent.type == "cli" or agent.type == "custom") and not row.working_dir then
      row.working_dir, row.directory_key = config.executor.working_dir, "executor.working_dir"
    end
    row.timeout_secs = row.timeout_secs or agent.type == "webhook" and WEBHOOK_TIMEOUT or config.executor.timeout_secs
    return row
  end)
end

local function for_program(config)
  local secrets = { config.webhook.secret }
  for _, secret in ipairs(config.webhook.secrets or {}) do secrets[#secrets + 1] = secret end
  config.webhook.secrets = secrets
  config.agents = agents(config)
  config.openpr.bots = rows(config.openpr.bots, function(name, bot) return { name = name, token = bot.token } end)
  local listen = config.admin.listen or ""
  config.admin.socket = string.match(listen, "^unix:(.*)$")
  config.admin.address = not config.admin.socket and config.admin.listen or nil
  config.labels = rows(config.labels, function(id, name) return pair(string.lower(id), name) end)
  return config
end

-- Folders that the file names, whose absence is worth a word.
local function folders(config, raw)
  local list = {}
  for _, name in ipairs { "policies", "templates" } do
    if type(raw[name]) == "table" and raw[name].dir ~= nil and config[name].dir then
      list[#list + 1] = pair(s.join(name, "dir"), config[name].dir)
    end
  end
  return list
end

local function check(request, host, value, mode, o)
  local schema = describe(request.executors or {})
  local ctx = s.context { folder = request.folder, source = o.source, unresolved = o.unresolved }
  ctx.whitelist = request
  ctx.client, ctx.search_path = request.client, host.getenv "PATH"
  local config = s.check(schema, value, "", ctx)
  for _, field in ipairs(schema.fields) do
    if field[2].kind == "record" and not field[2].optional then config[field[1]] = config[field[1]] or {} end
  end
  apply_safe_mode(config, ctx, host)
  checks(config, value, ctx)
  check_mode(ctx, request, mode, host)
  -- Said aloud, "api" asks for an address.
  if config.openpr.callback == "api" and not config.openpr.api_url then config.openpr.callback = nil end
  local printed = print_config(schema, config, ctx)
  return { mistakes = ctx.mistakes, dropped = ctx.dropped, warnings = ctx.warnings, secrets = ctx.secrets,
           folders = folders(config, value), printed = printed, config = for_program(config) }
end

-- { path, folder, client, executors, reporters, variables } -> { failure } or what check() returns, both as JSON.
function M.load(input, host)
  local request = host.json_decode(input)
  local text, why, mode = host.readfile(request.path)
  if not text then
    return host.json_encode { failure = request.path .. ": " .. (read_faults[why] or why) }
  end
  local o = outside()
  local value, failure = run(request, text, environment(o, request, host))
  if not value then return host.json_encode { failure = failure } end
  return host.json_encode(check(request, host, value, mode, o))
end

return M
