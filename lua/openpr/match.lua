-- Conditions on events: the `when.*` half of a rule.
--
-- A condition is a value that can be called with an event and that prints itself the way it was written, so that an
-- operator reads rules back as they stand in the file.  & (and), | (or) and ~ (not) join them; a plain function may
-- stand wherever a condition may.

local lazy = require "openpr.lazy"
local nearest = require "openpr.nearest"

local find, format, gsub, lower, sub = string.find, string.format, string.gsub, string.lower, string.sub

local match = {}

local meta = { sealed = true }

-- How tightly a joint binds when it is printed, as in Lua; what has none binds most.
local OR, AND, NOT, ATOM = 1, 2, 3, 4

-- paths: the fields of the event that it looks at.
local function new(words, test, paths)
  return setmetatable({ words = words, test = test, paths = paths }, meta)
end

-- joint: "&", "|" or "~", which has no right side.
local function join(test, level, joint, left, right)
  return setmetatable({ test = test, level = level, joint = joint, left = left, right = right }, meta)
end

function match.is(value) return getmetatable(value) == meta or type(value) == "function" end

-- A condition of what match.is() accepts.
function match.lift(value)
  if getmetatable(value) == meta then return value end
  if type(value) == "function" then return new("function", value) end
  error(("& and | join conditions: when.* or a function, not a %s"):format(type(value)), 3)
end

local function quoted(value)
  return type(value) == "string" and gsub(format("%q", value), "\\\n", "\\n") or tostring(value)
end

-- Words are made when somebody reads them: most conditions are made for one event and never printed.
local function printed(condition, level)
  local words = tostring(condition)
  return (condition.level or ATOM) < level and "(" .. words .. ")" or words
end

function meta.__tostring(condition)
  if condition.words then return condition.words end
  local level, joint = condition.level, condition.joint
  if joint == "~" then return "~" .. printed(condition.left, level) end
  if joint then return ("%s %s %s"):format(printed(condition.left, level), joint, printed(condition.right, level)) end
  return ("%s %s"):format(condition.name, quoted(condition.wanted))
end

function meta.__call(self, event) return self.test(event) and true or false end

function meta.__band(a, b)
  a, b = match.lift(a), match.lift(b)
  return join(function(e) return a.test(e) and b.test(e) end, AND, "&", a, b)
end

function meta.__bor(a, b)
  a, b = match.lift(a), match.lift(b)
  return join(function(e) return a.test(e) or b.test(e) end, OR, "|", a, b)
end

function meta.__bnot(a)
  return join(function(e) return not a.test(e) end, NOT, "~", a)
end

-- What event.NAME.NAME holds, for the path "NAME.NAME".
function match.field(event, path)
  local value = event
  for name in path:gmatch "[^.]+" do
    if type(value) ~= "table" then return nil end
    value = value[name]
  end
  return value
end

local field = match.field

-- "issue.*" matches "issue.created"; every other character stands for itself.  Linear, whatever it is tried on.
local function glob(pattern)
  local parts, from = {}, 1
  for at in pattern:gmatch "()%*" do
    parts[#parts + 1], from = sub(pattern, from, at - 1), at + 1
  end
  local last = sub(pattern, from)
  local first = table.remove(parts, 1)
  if not first then return function(s) return s == pattern end end

  return function(s)
    if type(s) ~= "string" or #s < #first + #last then return false end
    if sub(s, 1, #first) ~= first or sub(s, #s - #last + 1) ~= last then return false end
    local start, stop = #first + 1, #s - #last
    for _, part in ipairs(parts) do
      local at, ended = find(s, part, start, true)
      if not at or ended > stop then return false end
      start = ended + 1
    end
    return true
  end
end

-- Of the patterns that policies have used; made once, for every call makes its conditions anew.
local globs, glob_count = {}, 0
local GLOBS_MOST = 256

local function known_glob(pattern)
  local test = globs[pattern]
  if test then return test end
  if glob_count == GLOBS_MOST then globs, glob_count = {}, 0 end
  test = glob(pattern)
  globs[pattern], glob_count = test, glob_count + 1
  return test
end

-- Ids are UUIDs, whose letters may be written either way.
local function lists(list, id)
  if type(list) ~= "table" or type(id) ~= "string" then return false end
  for _, item in ipairs(list) do
    if type(item) == "string" and lower(item) == lower(id) then return true end
  end
  return false
end

local function assignees(event, what)
  local change = event.changes.assignee_ids
  return type(change) == "table" and change[what]
end

-- when.NAME, by itself.
local PLAIN = {
  always = function() return true end,
  for_bot = function(e) return e.bot.asked end,
  ai_task = function(e) return e.task.id ~= nil end,
  dispatched = function(e) return e.dispatch.run_id ~= nil end,
  human = function(e) return e.actor.kind == "human" end,
  own_echo = function(e) return lists({ e.bot.id }, e.actor.id) end,
  ours = function(e) return e.actor.ours end,
  added = function(e) return lists(assignees(e, "added"), e.bot.id) end,
  removed = function(e) return type(assignees(e, "removed")) == "table" and #assignees(e, "removed") > 0 end,
  assigned = function(e) return lists(e.issue.assignees, e.bot.id) end,
  unassigned = function(e) return e.issue.known and not lists(e.issue.assignees, e.bot.id) end,
  mentioned = function(e) return lists(e.mentions, e.bot.id) end,
  gone = function(e) return e.issue.gone end,
}

-- What they look at.
local LOOKED_AT = {
  for_bot = { "bot.asked" }, ai_task = { "task.id" }, human = { "actor.kind" }, own_echo = { "actor.id", "bot.id" },
  ours = { "actor.ours", "actor.id" }, added = { "changes.assignee_ids.added", "bot.id" },
  removed = { "changes.assignee_ids.removed" }, assigned = { "issue.assignees", "bot.id" },
  unassigned = { "issue.known", "issue.assignees", "bot.id" }, mentioned = { "mentions", "bot.id" },
  gone = { "issue.gone" },
}
local LABELS = { "issue.labels", "issue.label_ids" }

-- when.NAME "pattern": true when one of these fields matches.
local GLOBS = {
  event = { "name" },
  kind = { "kind" },
  reason = { "reason" },
  state = { "issue.state" },
  priority = { "issue.priority" },
  project = { "project.key", "project.name", "project.id" },
  actor = { "actor.name", "actor.id" },
  bot = { "bot.name", "bot.id" },
}

-- match.field() for a path of one or two names, split beforehand.
local function reader(path)
  local first, second = path:match "^([^.]+)%.?([^.]*)$"
  return function(event)
    if type(event) ~= "table" then return nil end
    local value = event[first]
    if second == "" then return value end
    return type(value) == "table" and value[second] or nil
  end
end

local READERS = {}
for name, paths in pairs(GLOBS) do
  READERS[name] = {}
  for n, path in ipairs(paths) do READERS[name][n] = reader(path) end
end

local function globbed(name, paths, policy)
  local readers = READERS[name]
  return function(pattern)
    if type(pattern) ~= "string" then
      policy.complain(("when.%s takes a text such as \"abc*\", not a %s"):format(name, type(pattern)))
      pattern = ""
    end
    local test = known_glob(pattern)
    local function any(event)
      for n = 1, #readers do
        if test(readers[n](event)) then return true end
      end
      return false
    end
    return setmetatable({ name = name, wanted = pattern, test = any, paths = paths }, meta)
  end
end

-- A label is known by its name or by its id.
local function label(policy)
  return function(wanted)
    if type(wanted) ~= "string" then policy.complain("when.label takes the name of a label, not a " .. type(wanted)) end
    return new("label " .. quoted(wanted), function(event)
      for _, list in ipairs { event.issue.labels, event.issue.label_ids } do
        for _, one in ipairs(list) do
          if one == wanted then return true end
        end
      end
      return false
    end, LABELS)
  end
end

-- when.field("payload.data.issue.sprint_id", "x"), or without a value: the field is there.
local function any_field(policy)
  return function(path, ...)
    if type(path) ~= "string" then
      policy.complain("when.field takes a path such as \"issue.priority\", not a " .. type(path))
      path = ""
    end
    if select("#", ...) == 0 then
      return new(("field %s"):format(quoted(path)), function(event) return field(event, path) ~= nil end, path)
    end
    local wanted = ...
    return new(("field(%s, %s)"):format(quoted(path), quoted(wanted)),
      function(event) return field(event, path) == wanted end, path)
  end
end

-- name -> how `when` of a policy makes it.
local MAKERS = { label = label, field = any_field }
for name, test in pairs(PLAIN) do
  MAKERS[name] = function() return new(name, test, LOOKED_AT[name]) end
end
for name, paths in pairs(GLOBS) do
  MAKERS[name] = function(policy) return globbed(name, paths, policy) end
end

-- The `when` of one policy.  Every policy gets its own, so that nothing done to it outlives the call; what is in it is
-- made when it is asked for.
function match.new(policy)
  local function missing(_, name)
    local near = nearest(name, lazy.names(MAKERS))
    policy.fail(("there is no when.%s (%s)"):format(tostring(name),
      near and ("did you mean when.%s?"):format(near) or "have: " .. table.concat(lazy.names(MAKERS), ", ")))
  end
  return lazy.new(MAKERS, policy, missing, function(_, name)
    policy.fail(("when.%s cannot be set; write `local %s = ...`"):format(tostring(name), tostring(name)))
  end)
end

return match
