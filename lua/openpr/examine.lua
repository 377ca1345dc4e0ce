-- What a condition makes of an event, part by part: for `openpr-webhook explain`.

local match = require "openpr.match"
local text = require "openpr.text"

local LONGEST_WORDS, LONGEST_VALUE, LONGEST_LIST = 1000, 200, 8 -- bytes, bytes, items
local DEEPEST = 16 -- parts within parts that are told

local function clipped(words, most) return text.clean(text.clip(words, most)) end

-- A value of an event, small enough to be shown; nil where there is none.
local function shown(value, list)
  local kind = type(value)
  if kind == "string" then return clipped(value, LONGEST_VALUE) end
  if kind == "boolean" or math.type(value) == "integer" or value == nil then return value end
  if kind ~= "table" then return kind == "number" and tostring(value) or ("(a %s)"):format(kind) end
  if not list or (rawget(value, 1) == nil and next(value) ~= nil) then return "(a table)" end
  local few, count = {}, rawlen(value)
  for n = 1, math.min(count, LONGEST_LIST) do few[n] = shown(rawget(value, n)) end
  if count > LONGEST_LIST then few[#few + 1] = ("(%d more)"):format(count - LONGEST_LIST) end
  return list(few)
end

local function values_of(condition, event, list)
  local paths, values = condition.paths, {}
  for n, path in ipairs(type(paths) == "table" and paths or { paths }) do
    values[n] = { path = clipped(path, LONGEST_VALUE), value = shown(match.field(event, path), list) }
  end
  return #values > 0 and values or nil
end

-- What a condition makes of an event, part by part, as far as its test looks at them: { words, holds }, and for a part
-- `values` of the event's fields, for a whole `joint` and `parts`.  room.nodes parts are told at most; list() marks a
-- table as a list.
local function examine(condition, event, room, list, depth)
  depth = depth or 1
  local told = { words = clipped(tostring(condition), LONGEST_WORDS) }
  room.nodes = room.nodes - 1
  if not condition.joint or depth >= DEEPEST or room.nodes <= 0 then
    told.holds = condition.test(event) and true or false
    told.values = room.nodes > 0 and values_of(condition, event, list) or nil
    return told
  end
  told.joint = condition.joint
  local left = examine(condition.left, event, room, list, depth + 1)
  told.parts = { left }
  if condition.joint == "~" then
    told.holds = not left.holds
  elseif left.holds == (condition.joint == "|") then
    told.holds = left.holds
  else
    told.parts[2] = examine(condition.right, event, room, list, depth + 1)
    told.holds = told.parts[2].holds
  end
  return told
end

return examine
