-- The globals of a policy, and nothing else.
--
-- The daemon and the specs build a policy's environment here, so what a spec sees is what production sees.  It is made
-- anew for each call, of copies, each when it is first asked for: whatever a policy does to a table it was given ends
-- with the call.  Time and memory are not this file's business (core/script/vm.c, core/policy/).

local event = require "openpr.event"
local lazy = require "openpr.lazy"
local match = require "openpr.match"
local nearest = require "openpr.nearest"
local rules = require "openpr.rules"
local template = require "openpr.template"
local text = require "openpr.text"
local verdict = require "openpr.verdict"

local M = {}

-- Function by function.  No coroutine: a deadline of one thread does not reach into another.  No xpcall: its handler
-- runs while no deadline can be looked at.  No rawset: it would write past the guards below.  No string.dump, no load:
-- crafted bytecode breaks out of the machine.
M.BASE = { "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawlen", "select", "tonumber",
           "tostring", "type" }
M.LIBRARIES = {
  string = { "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack", "packsize", "rep",
             "reverse", "sub", "unpack", "upper" },
  table = { "concat", "insert", "move", "pack", "remove", "sort", "unpack" },
  math = { "abs", "acos", "asin", "atan", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge", "log", "max",
           "maxinteger", "min", "mininteger", "modf", "pi", "rad", "random", "randomseed", "sin", "sqrt", "tan",
           "tointeger", "type", "ult" },
  utf8 = { "char", "charpattern", "codepoint", "codes", "len", "offset" },
}

local UNITS = { milliseconds = 0.001, seconds = 1, minutes = 60, hours = 3600, KiB = 1024, MiB = 1024 * 1024 }

local OUTSIDE = { io = true, os = true, debug = true, package = true, require = true, load = true, loadstring = true,
                  loadfile = true, dofile = true, coroutine = true, collectgarbage = true, print = true, rawset = true,
                  xpcall = true, warn = true, _G = true }

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for key, item in pairs(value) do out[key] = copy(item) end
  return out
end

local function is_sealed(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and rawget(meta, "sealed") == true
end

-- A metatable of ours stays out of sight, and so does that of strings, which all policies share.
local function guarded_getmetatable(value)
  if type(value) ~= "table" or is_sealed(value) then return nil end
  return getmetatable(value)
end

-- A finalizer would run when no deadline is looked at.
local function guarded_setmetatable(policy)
  return function(value, meta)
    if type(value) == "table" and is_sealed(value) then policy.fail "the metatable of this value cannot be set" end
    if type(meta) == "table" and rawget(meta, "__gc") ~= nil then policy.fail "policies have no finalizers (__gc)" end
    return setmetatable(value, meta)
  end
end

-- Calls what raises without naming the policy's line.
local function checked(policy, name, fn, ...)
  local ok, value = pcall(fn, ...)
  if not ok then policy.fail(("%s: %s"):format(name, tostring(value))) end
  return value
end

local function logger(policy, level)
  return function(format, ...)
    local line = select("#", ...) == 0 and tostring(format)
      or checked(policy, "log." .. level, string.format, format, ...)
    policy.host.log(level, ("%s: %s"):format(policy.file, text.line(line)))
  end
end

-- The functions that would read past event.issue's demand for the fields that only OpenPR knows, and past members that
-- are not made yet.
local function look(policy, value)
  local one = policy.demanding
  if one and rawequal(value, one) then pairs(one) end
  lazy.fill(value)
end

local function raw_reader(read)
  return function(own)
    local policy = own.policy
    return function(value, key)
      look(policy, value)
      return read(value, key)
    end
  end
end

local function json_of(own)
  local policy = own.policy
  return {
    decode = function(value) return checked(policy, "json.decode", policy.host.json_decode, value) end,
    encode = function(value)
      if policy.demanding and event.holds_demand(value, policy.demanding, 0) then look(policy, policy.demanding) end
      return checked(policy, "json.encode", policy.host.json_encode, value)
    end,
  }
end

-- name -> how it is made for `own`, { policy, bundle }.
local MAKERS = {
  getmetatable = function() return guarded_getmetatable end,
  setmetatable = function(own) return guarded_setmetatable(own.policy) end,
  next = raw_reader(next),
  rawget = raw_reader(rawget),
  json = json_of,
  when = function(own) return match.new(own.policy) end,
  rules = function(own) return rules.new(own.policy) end,
  text = function() return copy(text) end,
  template = function(own) return template.new(own.policy, own.bundle.templates) end,
  agents = function(own) return copy(own.bundle.agents) end,
  labels = function(own) return copy(own.bundle.labels) end,
  now = function(own)
    local policy = own.policy
    return function() return policy.now or policy.host.now() end
  end,
  log = function(own)
    local policy = own.policy
    return { debug = logger(policy, "debug"), info = logger(policy, "info"), warn = logger(policy, "warn") }
  end,
}
for name, value in pairs(UNITS) do MAKERS[name] = function() return value end end
for _, name in ipairs(M.BASE) do MAKERS[name] = MAKERS[name] or function() return _G[name] end end
for library, names in pairs(M.LIBRARIES) do
  MAKERS[library] = function()
    local own = {}
    for n = 1, #names do own[names[n]] = _G[library][names[n]] end
    return own
  end
end
for name, make in pairs(verdict.MAKERS) do
  MAKERS[name] = function(own) return make(own.policy, own.bundle.agents) end
end

-- policy: what loader.policy() made; bundle: { agents, labels, templates }.
function M.new(policy, bundle)
  local function missing(_, name)
    if OUTSIDE[name] then
      policy.fail(("no such name %q in a policy: files, processes and the network are out of its reach"):format(name))
    end
    local near = nearest(name, lazy.names(MAKERS))
    policy.fail(("no such name %q in a policy (%s)"):format(tostring(name),
      near and ("did you mean %q?"):format(near) or "write `local` before a name of your own"))
  end
  return lazy.new(MAKERS, { policy = policy, bundle = bundle }, missing, function(_, name)
    policy.fail(("policies have no globals: write `local %s`"):format(tostring(name)))
  end)
end

return M
