-- The globals of a policy, and nothing else.
--
-- The daemon and the specs build a policy's environment here, so what a spec sees is what production sees.  It is made
-- anew for each call, of copies: whatever a policy does to a table it was given ends with the call.  Time and memory
-- are not this file's business (core/script/vm.c, core/policy/).

local event = require "openpr.event"
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

-- The functions that would read past event.issue's demand for the fields that only OpenPR knows.
local function add_raw_readers(env, policy)
  local function look(value)
    local one = policy.demanding
    if one and rawequal(value, one) then pairs(one) end
  end
  env.next = function(value, key) look(value) return next(value, key) end
  env.rawget = function(value, key) look(value) return rawget(value, key) end
  env.json = {
    decode = function(value) return checked(policy, "json.decode", policy.host.json_decode, value) end,
    encode = function(value)
      if policy.demanding and event.holds_demand(value, policy.demanding, 0) then look(policy.demanding) end
      return checked(policy, "json.encode", policy.host.json_encode, value)
    end,
  }
end

local function names_of(env)
  local names = {}
  for name in next, env do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function guard(env, policy)
  return setmetatable(env, {
    sealed = true,
    __index = function(_, name)
      if OUTSIDE[name] then
        policy.fail(("no such name %q in a policy: files, processes and the network are out of its reach"):format(name))
      end
      local near = nearest(name, names_of(env))
      policy.fail(("no such name %q in a policy (%s)"):format(tostring(name),
        near and ("did you mean %q?"):format(near) or "write `local` before a name of your own"))
    end,
    __newindex = function(_, name)
      policy.fail(("policies have no globals: write `local %s`"):format(tostring(name)))
    end,
  })
end

-- policy: what loader.policy() made; bundle: { agents, labels, templates }.
function M.new(policy, bundle)
  local env = copy(UNITS)
  for _, name in ipairs(M.BASE) do env[name] = _G[name] end
  for library, names in pairs(M.LIBRARIES) do
    env[library] = {}
    for _, name in ipairs(names) do env[library][name] = _G[library][name] end
  end
  env.getmetatable, env.setmetatable = guarded_getmetatable, guarded_setmetatable(policy)
  add_raw_readers(env, policy)

  for name, value in pairs(verdict.new(policy, bundle.agents)) do env[name] = value end
  env.when, env.rules, env.text = match.new(policy), rules.new(policy), copy(text)
  env.template = template.new(policy, bundle.templates)
  env.agents, env.labels = copy(bundle.agents), copy(bundle.labels)
  env.now = function() return policy.now or policy.host.now() end
  env.log = { debug = logger(policy, "debug"), info = logger(policy, "info"), warn = logger(policy, "warn") }
  return guard(env, policy)
end

return M
