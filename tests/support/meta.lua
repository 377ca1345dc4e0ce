-- Reads lua/meta/openpr.lua, and says where values differ from what it tells.

local meta = {}

-- classes: name -> { field -> { type, optional } }; globals: name -> the type that is told of it.
function meta.read(path)
  local classes, globals, told = {}, {}, nil
  local class -- the fields of the last one
  for line in io.lines(path or "lua/meta/openpr.lua") do
    local name, optional, kind = line:match "^%-%-%-@field ([%w_]+)(%??) (.*)$"
    if name then
      if not kind:find "^fun%(" then kind = kind:match "^%S+" end
      class[name] = { type = kind, optional = optional == "?" }
    elseif line:match "^%-%-%-@class " then
      class = {}
      told = line:match "^%-%-%-@class (openpr%.%w+)"
      classes[told:match "%w+$"] = class
    elseif line == "" then
      told = nil
    elseif line:match "^%-%-%-@type " then
      told = line:match "^%-%-%-@type (%S.*)$"
    else
      local global = line:match "^function ([%w_]+)%(" or line:match "^([%w_]+) = "
      if global then globals[global], told = line:match "^function" and "function" or told or "number", nil end
    end
  end
  return classes, globals
end

local function enumerated(value, kind)
  for word in kind:gmatch '"([^"]*)"' do
    if value == word then return true end
  end
  return false
end

-- nil, or why `value` is not what `kind` tells.
local function mismatch(value, kind, classes, seen)
  local actual = math.type(value) == "integer" and "integer" or type(value)
  if kind == actual or (kind == "number" and actual == "integer") then return nil end
  local class = kind:match "^openpr%.(%w+)$"
  if class and actual == "table" then return meta.differences(value, class, classes, seen) end
  if kind:find '^"' and enumerated(value, kind) then return nil end
  local item = kind:match "^(.*)%[%]$"
  if item and actual == "table" then
    for _, one in ipairs(value) do
      if mismatch(one, item, classes, seen) then return ("holds a %s, not a %s"):format(type(one), item) end
    end
    return nil
  end
  return ("is a %s (%s), not %s"):format(actual, tostring(value), kind)
end

-- Fields that `value`, a table, has and its class lacks, and the other way round; nil: none.  `seen` gets
-- "Class.field" for each that there was.
function meta.differences(value, name, classes, seen)
  local class = assert(classes[name], name)
  for field, item in pairs(value) do
    if not class[field] then return ("%s.%s is not told of"):format(name, tostring(field)) end
    seen[name .. "." .. field] = true
    local why = mismatch(item, class[field].type, classes, seen)
    if why then return why:find "^%u" and why or ("%s.%s %s"):format(name, field, why) end
  end
  for field, told in pairs(class) do
    if not told.optional and value[field] == nil then return ("%s.%s is missing"):format(name, field) end
  end
end

-- Fields of these classes that no value had.
function meta.unseen(seen, classes, ...)
  local list = {}
  for _, name in ipairs { ... } do
    for field in pairs(classes[name]) do
      if not seen[name .. "." .. field] then list[#list + 1] = name .. "." .. field end
    end
  end
  table.sort(list)
  return list
end

return meta
