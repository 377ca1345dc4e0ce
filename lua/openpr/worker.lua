-- What a policy worker is asked (core/policy/): one function a question, JSON in, JSON out.
--
--   load      sources, templates, agents, labels   -> every mistake
--   decide    an event                             -> what filter and route say
--   explain   an event                             -> the same, and each rule that was tried
--   render    an event and an agent                -> the prompt, or that the issue is needed
--   handle    an event and a custom agent          -> what its handler wants done, or that the issue is needed
--   callback  an event, an agent and a run         -> what OpenPR is told
--   rules     nothing                              -> filter and route as the operator wrote them
--
-- A policy that fails raises; the caller decides what that means.

local event = require "openpr.event"
local loader = require "openpr.loader"
local prompt = require "openpr.prompt"
local rules = require "openpr.rules"
local text = require "openpr.text"
local verdict = require "openpr.verdict"

local M = {}

local LARGEST_COMMENT = 64 * 1024
local LONGEST_REASON = 250 -- bytes
local LONGEST_STATE = 63

local bundle -- what load() put in force

-- A policy may seed math.random; the next call must not see how.
local seed = 1
local function reseed()
  seed = seed * 6364136223846793005 + 1442695040888963407
  math.randomseed(seed)
end

-- Calls a policy's code: whatever it raises becomes a text.
local function call(policy, fn, ...)
  local ok, value = pcall(fn, ...)
  if ok then return value end
  error(type(value) == "string" and value or ("%s: raised a %s"):format(policy.file, type(value)), 0)
end

-- The daemon knows which policy each question begins with, and is told of the others.
local function open(hook, input, host, begins)
  if not bundle then error("no policies are loaded", 0) end
  if host.note and not begins then host.note(("policies/%s.lua"):format(hook)) end
  reseed()
  local policy = loader.policy(hook, bundle.sources[hook], host)
  policy.now = input.now
  local value = call(policy, loader.run, policy, bundle)
  if type(value) ~= "function" and not rules.is(value) then
    error(("%s: returned a %s this time, not a function or rules"):format(policy.file, type(value)), 0)
  end
  return policy, value
end

function M.load(input, host)
  local loaded, mistakes = loader.load(host.json_decode(input), host)
  if #mistakes == 0 then bundle = loaded end
  return host.json_encode { mistakes = host.json_array(mistakes) }
end

-- The verdict of a policy that returned a function.
local function judged(given, policy)
  local why
  if given == nil and policy.hook == "filter" then
    why = "its function returned nothing; it returns accept, ignore or cancel"
  elseif given ~= nil and not verdict.is(given) then
    why = ("its function returned a %s, not a verdict"):format(type(given))
  end
  why = why or given and verdict.refused(given, policy.hook)
  if why then error(("%s: %s"):format(policy.file, why), 0) end
  return given and verdict.by(given, given.rule or policy.hook .. ".lua")
end

-- The verdict of filter or route; nil when no rule matched.
local function ask(hook, input, host)
  local policy, value = open(hook, input, host, hook == "filter")
  policy.event = event.new(input, bundle.labels)
  if rules.is(value) then return call(policy, rules.decide, value, policy.event) end
  return judged(call(policy, value, policy.event), policy)
end

local function no_agent_for(input)
  local bot = event.new(input, {}).bot
  if not (bot.name or bot.id) then return "no agent: no bot is named, and there is no agents.default" end
  return ("no agent for bot %q"):format(bot.name or bot.id)
end

local function clipped(reason) return text.clip(text.line(reason), LONGEST_REASON) end

local function targets_of(given, host)
  local targets = {}
  for n, target in ipairs(given.targets) do
    targets[n] = { agent = target.agent,
                   timeout = target.timeout and math.max(1, math.floor(target.timeout * 1000 + 0.5)) }
  end
  return host.json_array(targets)
end

-- The control plane named the agent: route is not asked.
local function dispatched(agent, filter_rule, host)
  local rule = "agent of the dispatch"
  if bundle.agents[agent] then
    local targets = host.json_array { { agent = agent } }
    return { action = "accept", rule = rule, filter_rule = filter_rule, targets = targets }
  end
  return { action = "no_agent", rule = rule, filter_rule = filter_rule,
           reason = clipped(("no agent %q in config.lua"):format(agent)) }
end

local SKIPPED = { action = "accept", rule = "filter skipped" }

local function decide(input, host, asking)
  local dispatch = event.new(input, {}).dispatch
  local filter = dispatch.run_id and input.skip_filter and SKIPPED or asking("filter", input, host)
  if not filter then
    return { action = "ignore", rule = "no rule", filter_rule = "no rule", reason = "no rule of filter.lua matched" }
  end
  if filter.action ~= "accept" then
    return { action = filter.action, rule = filter.rule, filter_rule = filter.rule,
             reason = clipped(filter.reason or filter.rule) }
  end
  if dispatch.agent then return dispatched(dispatch.agent, filter.rule, host) end
  local route = asking("route", input, host)
  if not route or (route.action == "to" and #route.targets == 0) then
    return { action = "no_agent", rule = route and route.rule or "no rule", filter_rule = filter.rule,
             reason = clipped(no_agent_for(input)) }
  end
  if route.action ~= "to" then
    return { action = route.action, rule = route.rule, filter_rule = filter.rule,
             reason = clipped(route.reason or route.rule) }
  end
  return { action = "accept", rule = route.rule, filter_rule = filter.rule, targets = targets_of(route, host) }
end

function M.decide(input, host) return host.json_encode(decide(host.json_decode(input), host, ask)) end

-- ask() that tells in `told` what was tried.
local function ask_telling(told)
  return function(hook, input, host)
    local one = { hook = hook }
    told[#told + 1] = one
    local policy, value = open(hook, input, host)
    policy.event = event.new(input, bundle.labels)
    one.kind = rules.is(value) and "rules" or "function"
    local given
    if rules.is(value) then
      given = call(policy, rules.trace, value, policy.event, one, host)
    else
      given = judged(call(policy, value, policy.event), policy)
    end
    one.rule = given and given.rule or nil
    one.verdict = given and text.clean(text.clip(tostring(given), rules.LONGEST_WORDS)) or nil
    one.line = given and policy.line_of_rule(given.rule) or nil
    policy, value = nil, nil -- luacheck: ignore 311 (else the stack keeps them while the next policy is loaded)
    return given
  end
end

local function short(value) return value and text.clean(text.clip(value, LONGEST_REASON)) end

-- What a person wants to know about an event, as the policies see it.
local function facts_of(input)
  local one = event.new(input, bundle.labels)
  local issue = one.issue
  return {
    name = short(one.name), kind = one.kind, reason = short(one.reason), timestamp = short(one.timestamp),
    issue = { id = short(issue.id), key = short(issue.key), title = short(issue.title), state = short(issue.state),
              known = issue.known, gone = issue.gone },
    project = short(one.project.key or one.project.name or one.project.id),
    actor = { name = short(one.actor.name), id = short(one.actor.id), kind = short(one.actor.kind) },
    bot = { name = short(one.bot.name), id = short(one.bot.id), type = short(one.bot.type), asked = one.bot.asked },
    task = short(one.task.id), comment = short(one.comment.body),
  }
end

function M.explain(input, host)
  input = host.json_decode(input)
  if not bundle then error("no policies are loaded", 0) end
  local told = {}
  local ok, answer = pcall(decide, input, host, ask_telling(told))
  return host.json_encode { event = facts_of(input), policies = host.json_array(told),
                            decision = ok and answer or nil, failure = not ok and tostring(answer) or nil }
end

local function agent_of(name, hook)
  if not bundle then error("no policies are loaded", 0) end
  local agent = bundle.agents[name]
  if agent then
    local own = {}
    for key, value in pairs(agent) do own[key] = value end
    own.bots = { table.unpack(agent.bots) }
    return own
  end
  if hook == "callback" then return { name = name, bots = {} } end -- gone from config.lua since the run
  error(("no agent %q in config.lua"):format(tostring(name)), 0)
end

-- What a webhook gets: nil is the event as it came, a table is sent as JSON, a text as it is.
local function checked_body(body, host)
  if body == nil then return { forward = "event" } end
  local kind = type(body) == "table" and "json" or "prompt"
  if kind == "json" then
    local ok, encoded = pcall(host.json_encode, body)
    if not ok then error("policies/render.lua: its table cannot be written as JSON: " .. tostring(encoded), 0) end
    body = encoded
  end
  if type(body) ~= "string" or not body:find "%S" then
    error(("policies/render.lua: returned %s; for a webhook it returns a text, a table, or nil for the event itself")
      :format(type(body) == "string" and "an empty text" or "a " .. type(body)), 0)
  end
  if #body > prompt.LARGEST then
    error(("policies/render.lua: the body has %d bytes, more than %d"):format(#body, prompt.LARGEST), 0)
  end
  return { [kind] = kind == "prompt" and text.clean(body) or body }
end

-- Calls a policy's function with an event whose issue may have to be asked of OpenPR first.  What it returned; or nil,
-- when the issue is needed: `needed` decides, whatever became of the error, for a policy may have caught it and gone on
-- without the field.
local function call_demanding(hook, input, host)
  local needed = false
  local policy, value = open(hook, input, host, hook == "render")
  policy.agent = agent_of(input.agent, hook)
  policy.event = event.new(input, bundle.labels, function()
    needed = true
    error(("policies/%s.lua: this field must be asked of OpenPR first"):format(hook), 0)
  end)
  policy.demanding = getmetatable(policy.event.issue) and policy.event.issue or nil

  local ok, returned = pcall(call, policy, value, policy.event, policy.agent)
  if needed then return nil, true end
  if not ok then error(returned, 0) end
  return returned
end

function M.render(input, host)
  input = host.json_decode(input)
  local agent = agent_of(input.agent, "render")
  local returned, needed = call_demanding("render", input, host)
  if needed then return host.json_encode { needs = "issue" } end
  if agent.type == "webhook" then return host.json_encode(checked_body(returned, host)) end
  local checked, why = prompt.checked(returned)
  if not checked then error(("policies/render.lua: returned %s"):format(why), 0) end
  return host.json_encode { prompt = checked }
end

-- The handler of a custom agent.
function M.handle(input, host)
  input = host.json_decode(input)
  local agent = agent_of(input.agent, "handle")
  local hook = loader.handler_of(agent)
  if not hook then error(("agent %q has no handler"):format(agent.name), 0) end
  local returned, needed = call_demanding(hook, input, host)
  if needed then return host.json_encode { needs = "issue" } end
  local actions = require "openpr.actions" -- only here: it takes memory that policies may need
  local list = actions.checked(returned, ("policies/%s.lua"):format(hook), host)
  return host.json_encode { actions = host.json_array(list) }
end

local function run_of(told)
  local run = {}
  for key, value in pairs(told or {}) do run[key] = value end
  run.id, run.run_id = run.run_id, nil
  run.duration = run.duration and run.duration / 1000
  return run
end

local function checked_report(report)
  local function bad(why, ...) error("policies/callback.lua: " .. why:format(...), 0) end
  if report == nil then return {} end
  if type(report) ~= "table" then bad("returned a %s; it returns { comment, state } or nil", type(report)) end
  for key, value in pairs(report) do
    if key ~= "comment" and key ~= "state" then bad("returned %q; a report has comment and state", tostring(key)) end
    if type(value) ~= "string" then bad("its %s is a %s, not a text", key, type(value)) end
  end
  if report.state and (#report.state > LONGEST_STATE or not report.state:find "^[%w_-]+$") then
    bad("%q is no state of an issue", text.clip(report.state, LONGEST_STATE))
  end
  local comment = report.comment and text.clean(report.comment)
  if comment and #comment > LARGEST_COMMENT then
    comment = text.balance(text.clip(comment, LARGEST_COMMENT - 1024, "\n")) .. "\n\n(cut: the comment was longer)"
  end
  return { comment = comment and comment:find "%S" and comment or nil, state = report.state }
end

function M.callback(input, host)
  input = host.json_decode(input)
  local policy, value = open("callback", input, host, true)
  policy.agent = agent_of(input.agent, "callback")
  policy.event = event.new(input, bundle.labels)
  local report = call(policy, value, run_of(input.run), policy.event, policy.agent)
  return host.json_encode(checked_report(report))
end

function M.rules(_, host)
  local parts, lists = {}, {}
  for n, hook in ipairs { "filter", "route" } do
    local _, value = open(hook, {}, host)
    local kind = rules.is(value) and "rules" or "function"
    parts[n] = ("policies/%s.lua\n%s\n"):format(hook, rules.is(value) and rules.describe(value) or "  a function")
    lists[n] = { hook = hook, kind = kind, rules = rules.is(value) and rules.list(value) or nil }
  end
  return host.json_encode { text = table.concat(parts, "\n"), policies = lists }
end

return M
