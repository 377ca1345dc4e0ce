-- Loads the four policies and the templates; the only caller of load() for them.

local rules = require "openpr.rules"
local sandbox = require "openpr.sandbox"
local template = require "openpr.template"

local M = {}

M.HOOKS = { "filter", "route", "render", "callback" }

local NEVER = {} -- the environment of a chunk before it is given one

local function file_of(hook) return ("policies/%s.lua"):format(hook) end

-- The handler of a custom agent is run as the policies are, under the name "agents/NAME"; nil: it has none.
function M.handler_of(agent) return agent.handler and agent.handler:match "^policies/(agents/.+)%.lua$" end

-- "policies/route.lua:10: " for the innermost line of the policy that is being run, or "policies/route.lua: " when
-- there is none: Lua forgets the line of a `return f()`.
local function position(file)
  for level = 3, 12 do
    local _, at = pcall(error, "", level)
    if type(at) == "string" and at:sub(1, #file + 1) == file .. ":" then return at end
  end
  return file .. ": "
end

local function line_at(source, at)
  local line = 1
  for _ in source:sub(1, at - 1):gmatch "\n" do line = line + 1 end
  return line
end

local function escaped(plain) return (plain:gsub("%W", "%%%0")) end

-- Where a rule of this name is written, for mistakes in it: the last place, for a repeated name is found there.
local function line_of_rule(source, name)
  local found, from = source:find "%f[%w_]rules%s*[({]", nil
  while name do
    local at, to = source:find("{%s*[\"']" .. escaped(name) .. "[\"']", from or 1)
    if not at then break end
    found, from = to, to + 1
  end
  return found and line_at(source, found)
end

-- One policy during one call: what its constructors need to know, and how they speak of mistakes.
function M.policy(hook, source, host, mistakes)
  local policy = { hook = hook, file = file_of(hook), host = host }

  -- Ends the policy.
  function policy.fail(why) error(position(policy.file) .. why, 0) end

  -- While the file is loaded mistakes are collected, so that an operator sees all of them; later they end the policy.
  function policy.complain(why, line)
    if not mistakes then policy.fail(why) end
    local at = line and ("%s:%d: "):format(policy.file, line) or position(policy.file)
    mistakes[#mistakes + 1] = at .. why
  end

  function policy.line_of_rule(name) return line_of_rule(source, name) end

  return policy
end

-- A chunk that takes its environment when it is run, so that it is compiled once and nothing outlives a call.
local function compile(hook, source)
  return load("local _ENV = ...; " .. source, "@" .. file_of(hook), "t", NEVER)
end

local function text_of(why, file)
  if why == "not enough memory" then return file .. ": needs more memory than policies.memory_limit" end
  return type(why) == "string" and why or ("%s: raised a %s"):format(file, type(why))
end

-- Runs the file anew, in a new environment.  The policy's function or rules, or what else it returned.
function M.run(policy, bundle)
  return bundle.chunks[policy.hook](sandbox.new(policy, bundle))
end

local function check_result(policy, value)
  local wanted = "return function(event) ... end"
  if policy.hook == "render" or policy.hook:find "^agents/" then wanted = "return function(event, agent) ... end" end
  if policy.hook == "callback" then wanted = "return function(run, event, agent) ... end" end
  if type(value) == "function" or rules.is(value) then return end
  if policy.hook == "filter" or policy.hook == "route" then wanted = "return rules { ... } or " .. wanted end
  policy.complain(("returns %s; its end is: %s"):format(value == nil and "nothing" or "a " .. type(value), wanted))
end

local function load_policy(hook, bundle, host, mistakes)
  local file = file_of(hook)
  local source = bundle.sources[hook]
  if type(source) ~= "string" then
    mistakes[#mistakes + 1] = file .. ": is missing"
    return
  end
  local chunk, why = compile(hook, source)
  if not chunk then
    mistakes[#mistakes + 1] = why
    return
  end
  bundle.chunks[hook] = chunk
  local policy = M.policy(hook, source, host, mistakes)
  local ok, value = pcall(M.run, policy, bundle)
  if ok then
    check_result(policy, value)
  else
    mistakes[#mistakes + 1] = text_of(value, file)
  end
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function load_templates(sources, bundle, mistakes)
  for _, name in ipairs(sorted_keys(sources)) do
    local file = "templates/" .. name
    if #sources[name] > template.LARGEST_TEMPLATE then
      mistakes[#mistakes + 1] = ("%s: is larger than %d KiB"):format(file, template.LARGEST_TEMPLATE // 1024)
    end
    bundle.templates[name] = template.parse(sources[name], function(line, why)
      mistakes[#mistakes + 1] = ("%s:%d: %s"):format(file, line, why)
    end)
  end
end

local function check_agents(bundle, mistakes)
  for _, name in ipairs(sorted_keys(bundle.agents)) do
    local agent = bundle.agents[name]
    for _, key in ipairs { "mention_template", "prompt_template" } do
      if agent[key] and not bundle.templates[agent[key]] then
        mistakes[#mistakes + 1] = ("config.lua: agents.%s.%s: there is no templates/%s"):format(name, key, agent[key])
      end
    end
  end
end

-- By line within each file, as far as a line is told.
local function sort_mistakes(mistakes)
  local rank, line, place = {}, {}, {}
  for n, mistake in ipairs(mistakes) do
    local file, number = mistake:match "^([^:]+):(%d+):"
    file = file or mistake:match "^[^:]+" or ""
    rank[file] = rank[file] or n
    place[mistake], line[mistake] = rank[file], tonumber(number) or 0
  end
  table.sort(mistakes, function(a, b)
    if place[a] ~= place[b] then return place[a] < place[b] end
    if line[a] ~= line[b] then return line[a] < line[b] end
    return a < b
  end)
end

-- The four policies and, once each, the handlers of custom agents.
local function hooks_of(agents)
  local hooks, seen = { table.unpack(M.HOOKS) }, {}
  for _, name in ipairs(sorted_keys(agents)) do
    local hook = M.handler_of(agents[name])
    if hook and not seen[hook] then hooks[#hooks + 1] = hook end
    seen[hook or ""] = true
  end
  return hooks
end

-- input: { files, templates, agents, labels } as in the worker's contract.  A bundle to run policies from, and every
-- mistake, by file and line.
function M.load(input, host)
  local bundle = { sources = {}, chunks = {}, templates = {}, agents = {}, labels = input.labels or {} }
  local mistakes = {}
  for name, agent in pairs(input.agents or {}) do
    bundle.agents[name] = agent
    agent.name, agent.bots = name, agent.bots or {}
  end
  local hooks = hooks_of(bundle.agents)
  for _, hook in ipairs(hooks) do bundle.sources[hook] = (input.files or {})[file_of(hook)] end

  load_templates(input.templates or {}, bundle, mistakes)
  for _, hook in ipairs(hooks) do
    if host.note then host.note(file_of(hook)) end
    load_policy(hook, bundle, host, mistakes)
  end
  check_agents(bundle, mistakes)
  sort_mistakes(mistakes)
  return bundle, mistakes
end

return M
