-- What filter and route may answer: accept, ignore, cancel, to "agent".

local nearest = require "openpr.nearest"

local M = {}

local meta = { sealed = true }

local AGENTS = 8                    -- as many runs as one event may start
local LONGEST = 30 * 24 * 3600      -- seconds a route may give a run

local function new(fields) return setmetatable(fields, meta) end

-- Which verdicts a hook may give.
local ALLOWED = {
  filter = { accept = true, ignore = true, cancel = true },
  route = { to = true, ignore = true, cancel = true },
}

function M.is(value) return getmetatable(value) == meta end

-- nil, or why `hook` may not answer with this verdict.
function M.refused(verdict, hook)
  if ALLOWED[hook][verdict.action] then return nil end
  if hook == "filter" then return "to(...) is for route.lua; a filter accepts" end
  return "accept is for filter.lua; a route says to \"agent\""
end

-- accept, ignore and cancel are verdicts; called with a text they are the same with a reason.
function meta.__call(self, reason)
  if self.action == "to" then error("to(...) cannot be called again", 2) end
  if reason ~= nil and type(reason) ~= "string" then
    error(("the reason to %s is a text, not a %s"):format(self.action, type(reason)), 2)
  end
  return new { action = self.action, reason = reason }
end

function meta.__tostring(self)
  if self.action ~= "to" then return self.reason and ("%s %q"):format(self.action, self.reason) or self.action end
  local names = {}
  for n, target in ipairs(self.targets) do names[n] = ("%q"):format(target.agent) end
  local words = #names == 1 and names[1] or "{ " .. table.concat(names, ", ") .. " }"
  local timeout = self.targets[1] and self.targets[1].timeout
  if not timeout then return "to " .. words end
  return ("to(%s, { timeout = %s * seconds })"):format(words, tostring(timeout))
end

local function known(agents)
  local names = {}
  for name in pairs(agents) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function check_agent(policy, agents, name)
  if type(name) ~= "string" then
    policy.complain(("to takes the name of an agent or a list of names, not a %s"):format(type(name)))
    return false
  end
  if agents[name] then return true end
  local names = known(agents)
  local near = nearest(name, names)
  policy.complain(("no agent %q in config.lua (%shave: %s)"):format(name,
    near and ("did you mean %q? "):format(near) or "", #names > 0 and table.concat(names, ", ") or "none"))
  return false
end

local function check_timeout(policy, options)
  if options == nil then return nil end
  if type(options) ~= "table" then
    policy.complain("the options of to are a table: to(\"x\", { timeout = 1 * hours })")
    return nil
  end
  for key in pairs(options) do
    if key ~= "timeout" then policy.complain(("to has no option %q; it has timeout"):format(tostring(key))) end
  end
  local timeout = options.timeout
  if timeout == nil then return nil end
  if math.type(timeout) and timeout > 0 and timeout <= LONGEST then return timeout end
  policy.complain("timeout is a number of seconds between 0 and 30 days, such as 1 * hours")
  return nil
end

-- Refuses, when the file is loaded, an agent that config.lua does not have.
local function router(policy, agents)
  return function(names, options)
    local timeout, targets, seen = check_timeout(policy, options), {}, {}
    local list = type(names) == "table" and names or { names }
    if #list == 0 then policy.complain "to needs the name of an agent" end
    if #list > AGENTS then policy.complain(("to takes at most %d agents"):format(AGENTS)) end
    for _, name in ipairs(list) do
      if check_agent(policy, agents, name) then
        if seen[name] then policy.complain(("to names agent %q twice"):format(name)) end
        seen[name] = true
        targets[#targets + 1] = { agent = name, timeout = timeout }
      end
    end
    return new { action = "to", targets = targets }
  end
end

-- How the verdicts of one policy are made.  Every policy gets its own, so that nothing done to them outlives the call.
M.MAKERS = {
  accept = function() return new { action = "accept" } end,
  ignore = function() return new { action = "ignore" } end,
  drop = function() return new { action = "ignore" } end,
  cancel = function() return new { action = "cancel" } end,
  to = router,
}

-- The same verdict with the name of the rule that gave it.
function M.by(verdict, rule)
  return new { action = verdict.action, reason = verdict.reason, targets = verdict.targets, rule = rule }
end

return M
