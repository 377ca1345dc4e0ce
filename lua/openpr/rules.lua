-- An ordered list of named rules: `rules { { name, condition, action }, ... }`.
--
-- The list is itself a policy: called with an event it gives the verdict of the first rule that holds, or nil.
-- Whatever can be wrong with a rule is found when the file is loaded, not when the rule first holds.

local examine = require "openpr.examine"
local match = require "openpr.match"
local text = require "openpr.text"
local verdict = require "openpr.verdict"

local M = {}

local meta = { sealed = true }

local LONGEST_NAME = 100 -- bytes; names go into answers, logs and counters
M.LONGEST_TRACE = 500    -- rules that a trace tells of
M.LONGEST_WORDS = 1000   -- bytes of a condition or an action that are shown

function M.is(value) return getmetatable(value) == meta end

-- Names that were looked at before: each call makes its rules anew, of the same names.
local fine, fine_count = {}, 0
local FINE_MOST = 1000

local function is_fine(name)
  if fine[name] then return true end
  if #name > LONGEST_NAME or name:find "%c" then return false end
  if fine_count == FINE_MOST then fine, fine_count = {}, 0 end
  fine[name], fine_count = true, fine_count + 1
  return true
end

local function count(map)
  local n = 0
  for _ in next, map do n = n + 1 end
  return n
end

local function is_ours(value) return M.is(value) or match.is(value) or verdict.is(value) end

-- nil, or what is wrong with an entry.
local function mistake(entry, policy, seen)
  if type(entry) ~= "table" or (getmetatable(entry) ~= nil and is_ours(entry)) then
    return "a rule is { name, condition, action }"
  end
  local name, test, act = entry[1], entry[2], entry[3]
  if type(name) ~= "string" or name == "" then return "the first item is its name" end
  if not is_fine(name) then
    return ("its name is one line of at most %d bytes"):format(LONGEST_NAME)
  end
  if seen[name] then return "another rule has this name" end
  seen[name] = true
  if not match.is(test) then return "the second item is its condition: when.* or a function" end
  if not verdict.is(act) and type(act) ~= "function" then
    return "the third item is its action: accept, ignore, cancel, to(...) or a function"
  end
  if count(entry) > 3 then
    for key in next, entry do
      if key ~= 1 and key ~= 2 and key ~= 3 then return ("it has a further item, %s"):format(tostring(key)) end
    end
  end
  return verdict.is(act) and verdict.refused(act, policy.hook) or nil
end

local function check(n, entry, policy, seen)
  local why = mistake(entry, policy, seen)
  local name = type(entry) == "table" and type(entry[1]) == "string" and entry[1] or nil
  if not why then return { name = name, test = match.lift(entry[2]), act = entry[3] } end
  policy.complain(("rule %d%s: %s"):format(n, name and (" %q"):format(name) or "", why), policy.line_of_rule(name))
end

-- The action's verdict; a function may pass by returning nil.
local function answer(rule, event, hook)
  if verdict.is(rule.act) then return rule.act end
  local given = rule.act(event)
  if given == nil then return nil end
  local why = not verdict.is(given) and ("its function returned a %s, not a verdict or nil"):format(type(given))
    or verdict.refused(given, hook)
  if why then error(("policies/%s.lua: rule %q: %s"):format(hook, rule.name, why), 0) end
  return given
end

-- The verdict of the first rule that holds and does not pass, or nil.
function M.decide(list, event)
  for _, rule in ipairs(list.entries) do
    if rule.test(event) then
      local given = answer(rule, event, list.hook)
      if given then return verdict.by(given, rule.name) end
    end
  end
  return nil
end

local function act_of(rule) return verdict.is(rule.act) and tostring(rule.act) or "function" end

local function clipped(words) return text.clean(text.clip(words, M.LONGEST_WORDS)) end

-- The first rules and the last one; how many between them are left out is counted.
local function add(trace, one)
  local tried = trace.tried
  if #tried < M.LONGEST_TRACE then
    tried[#tried + 1] = one
  else
    tried[#tried], trace.left_out = one, trace.left_out + 1
  end
end

-- As decide(), and tells of it in `trace`: tried = a list of { n, rule, action, holds, condition, verdict }, left_out,
-- untried, both counts.  A rule stands there before it is tried, so that the last one is where a policy failed.
function M.trace(list, event, trace, host)
  local room = { nodes = M.LONGEST_TRACE * 8 }
  trace.tried, trace.left_out, trace.untried = host.json_array {}, 0, #list.entries
  for n, rule in ipairs(list.entries) do
    local one = { n = n, rule = rule.name, action = clipped(act_of(rule)) }
    add(trace, one)
    trace.untried = #list.entries - n
    if host.note then host.note(("policies/%s.lua, rule %q"):format(list.hook, rule.name)) end
    one.condition = examine(rule.test, event, room, host.json_array)
    one.holds = one.condition.holds
    local given = one.holds and answer(rule, event, list.hook) or nil
    if given then
      one.verdict = clipped(tostring(given))
      return verdict.by(given, rule.name)
    end
  end
  return nil
end

function meta.__call(self, event) return M.decide(self, event) end

-- A list of { n, name, when, action }, as the operator wrote them.
function M.list(list)
  local out = {}
  for n, rule in ipairs(list.entries) do
    out[n] = { n = n, name = rule.name, when = clipped(tostring(rule.test)), action = clipped(act_of(rule)) }
  end
  return out
end

-- One line a rule: its number, name, condition and action, as the operator wrote them.
function M.describe(list)
  local names, tests = 0, 0
  for _, rule in ipairs(list.entries) do
    names = math.max(names, utf8.len(rule.name) or #rule.name)
    tests = math.max(tests, #tostring(rule.test))
  end
  tests = math.min(tests, 60)
  local lines = {}
  for n, rule in ipairs(list.entries) do
    local test = tostring(rule.test)
    lines[n] = ("%3d  %s%s  when %s%s  %s"):format(n, rule.name, (" "):rep(names - (utf8.len(rule.name) or #rule.name)),
      test, (" "):rep(tests - #test), act_of(rule))
  end
  return table.concat(lines, "\n")
end

-- The `rules` of one policy.
function M.new(policy)
  return function(entries)
    if policy.hook ~= "filter" and policy.hook ~= "route" then
      policy.fail(("rules are for filter.lua and route.lua; %s.lua returns a function"):format(policy.hook))
    end
    if type(entries) ~= "table" or #entries == 0 then policy.fail "rules { } has no rules" end
    local list, seen, last = { entries = {}, hook = policy.hook }, {}, 0
    for n, entry in ipairs(entries) do
      list.entries[#list.entries + 1] = check(n, entry, policy, seen)
      last = n
    end
    if count(entries) ~= last then -- a rule behind a nil is one of them
      for key in next, entries do
        if math.type(key) ~= "integer" or key < 1 or key > last then
          policy.complain(("rules has an item %q that is no rule"):format(tostring(key)))
        end
      end
    end
    return setmetatable(list, meta)
  end
end

return M
