-- Describe a table once: check it, fill its defaults, print it, document it.
--
--   s.record { { "port", s.integer { min = 1, max = 65535, default = 9090, doc = "Where it listens." } } }
--
-- check() goes on after a mistake and notes each one with its path, so that an operator mends a file in one go.  What
-- it returns holds durations in milliseconds, sizes in bytes and absolute paths.
--
-- Functions of string are called by their full names: where config.lua runs, texts have no methods.

local nearest = require "openpr.nearest"

local s = {}

local format, find, sub = string.format, string.find, string.sub

s.PLACEHOLDER = "***" -- stands for a secret that is not printed

local MOST_MISTAKES = 100 -- further ones are counted only
local MOST_ENTRIES = 1000 -- of a list or a map
local LONGEST_TEXT = 65536
local LONGEST_SHOWN = 60

-- ---- what a check knows and notes ----

-- options: folder (relative paths start there); source(text) says where a text came from ('env "NAME"'), or nil when it
-- stands in the file; unresolved(value) says why there is no value, and whether that is only worth a warning.
function s.context(options)
  return {
    folder = options.folder, source = options.source, unresolved = options.unresolved,
    mistakes = {}, warnings = {}, dropped = 0,
    pending = {},  -- by path, how many values cannot be known here
    secrets = {},  -- every secret text
    literals = {}, -- paths of secrets that stand in the file itself
  }
end

function s.mistake(ctx, path, ...)
  if #ctx.mistakes >= MOST_MISTAKES then
    ctx.dropped = ctx.dropped + 1
  else
    ctx.mistakes[#ctx.mistakes + 1] = path .. ": " .. format(...)
  end
end

function s.warn(ctx, path, ...)
  if #ctx.warnings < MOST_MISTAKES then ctx.warnings[#ctx.warnings + 1] = path .. ": " .. format(...) end
end

-- A text between quotes, on one line.
local function quoted(text)
  if #text > LONGEST_SHOWN then text = sub(text, 1, LONGEST_SHOWN) .. "..." end
  return '"' .. string.gsub(text, '[%c"\\]', function(c) return format("\\%d", string.byte(c)) end) .. '"'
end

-- A value in a mistake's text.  What came from outside is named and not shown: it may be a secret in the wrong place.
function s.shown(value, ctx)
  local from = type(value) == "string" and ctx.source(value)
  if from then return "the value of " .. from end
  if type(value) == "string" then return quoted(value) end
  return tostring(value)
end

local articles = { boolean = "true or false", string = "a text", number = "a number", table = "a table",
                   ["function"] = "a function", ["nil"] = "nothing" }

local function expected(ctx, path, what, value)
  s.mistake(ctx, path, "expected %s, got %s", what, articles[type(value)] or type(value))
end

local function plain_table(value) return type(value) == "table" and not getmetatable(value) end

-- "agents.x", "agents["a b"]", "bots[2]"
function s.join(path, key)
  if math.type(key) == "integer" then return format("%s[%d]", path, key) end
  if type(key) ~= "string" then return format("%s[%s]", path, articles[type(key)] or type(key)) end
  if not find(key, "^[%w_-]+$") or #key > LONGEST_SHOWN then return format("%s[%s]", path, quoted(key)) end
  return path == "" and key or path .. "." .. key
end

-- ---- nodes ----

local function node(kind)
  return function(options)
    options.kind = kind
    return options
  end
end

-- All take doc, default (a value, or a function of the context), required, and shown (the default, in the reference).
s.boolean = node "boolean"
-- secret (true, or a function), empty, lines (line breaks are allowed), rule(text, ctx, path) -> text | nil, why, hide
s.string = node "string"
s.path = node "path"
s.integer = node "integer" -- min, max
s.size = node "size" -- min, max, default: bytes
s.duration = node "duration" -- min, max, default: seconds; or plain: how many ms one of a number without unit is
s.choice = node "choice" -- values, absent = { value = why it cannot be had }

-- item, and doc
function s.list(options)
  options.kind = "list"
  return options
end

-- item, key (what a key is called in the reference), key_rule(key) -> nil | why
function s.map(options)
  options.kind = "map"
  return options
end

-- Fields in the order in which they are printed and documented: { { "name", node }, ... }; and absent = { name = why }
-- for names that people may expect here.  With `by`, the value of the
-- field of that name says which others there are: those whose node has it in `of`, or has no `of`.  Then a name may
-- stand for several fields, of which one applies.
function s.record(fields)
  local by_name, names = {}, {}
  for _, field in ipairs(fields) do
    if not by_name[field[1]] then names[#names + 1] = field[1] end
    by_name[field[1]] = by_name[field[1]] or {}
    table.insert(by_name[field[1]], field[2])
  end
  return { kind = "record", fields = fields, by_name = by_name, names = names, doc = fields.doc,
           optional = fields.optional, by = fields.by, absent = fields.absent or {} }
end

local function one_of(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then return true end
  end
  return false
end

-- The fields that apply to this value of a record.
function s.fields_of(record, value)
  local fields = {}
  for _, field in ipairs(record.fields) do
    if not field[2].of or one_of(field[2].of, value[record.by]) then fields[#fields + 1] = field end
  end
  return fields
end

-- ---- checks by kind: (node, value, path, ctx) -> what the program gets, or nil after a mistake ----

local kinds = {}

function kinds.boolean(_, value, path, ctx)
  if type(value) == "boolean" then return value end
  expected(ctx, path, "true or false", value)
end

local function text_fault(value, options)
  if value == "" and not options.empty then return "must not be empty" end
  if #value > LONGEST_TEXT then return format("is longer than %d bytes", LONGEST_TEXT) end
  if find(value, "\0", 1, true) or (not options.lines and find(value, "%c")) then
    return "must not hold control characters"
  end
  if not utf8.len(value) then return "is not UTF-8 text" end
end

local function keep_secret(value, path, ctx)
  if value == s.PLACEHOLDER then return end
  ctx.secrets[#ctx.secrets + 1] = value
  if not ctx.source(value) then ctx.literals[#ctx.literals + 1] = path end
end

local function is_secret(options, value, path, ctx)
  if type(options.secret) == "function" then return options.secret(value, path, ctx) end
  return options.secret
end

function kinds.string(options, value, path, ctx)
  if type(value) ~= "string" then return expected(ctx, path, "a text", value) end
  if is_secret(options, value, path, ctx) then keep_secret(value, path, ctx) end
  local fault = text_fault(value, options)
  if fault then return s.mistake(ctx, path, "%s", fault) end
  if not options.rule then return value end
  local kept, why, hide = options.rule(value, ctx, path)
  if kept then return kept end
  if hide or options.secret then s.mistake(ctx, path, "%s", why)
  else s.mistake(ctx, path, "%s %s", s.shown(value, ctx), why) end
end

-- Absolute, without "." and empty parts; ".." stays, for it may follow a link.
function s.absolute(path, folder)
  if sub(path, 1, 1) ~= "/" then path = folder .. "/" .. path end
  local parts = {}
  for part in string.gmatch(path, "[^/]+") do
    if part ~= "." then parts[#parts + 1] = part end
  end
  return "/" .. table.concat(parts, "/")
end

function kinds.path(options, value, path, ctx)
  local text = kinds.string(options, value, path, ctx)
  if not text then return nil end
  if find(text, "^~") then return s.mistake(ctx, path, 'no "~" is expanded here: write the whole path') end
  return s.absolute(text, ctx.folder)
end

local function in_bounds(options, value, path, ctx)
  if options.min and value < options.min then
    s.mistake(ctx, path, "must be at least %s", s.literal(options, options.min))
  elseif options.max and value > options.max then
    s.mistake(ctx, path, "must be at most %s", s.literal(options, options.max))
  else
    return true
  end
end

local function number(options, value, path, ctx, what)
  if type(value) ~= "number" then return expected(ctx, path, what, value) end
  if value ~= value or value == math.huge or value == -math.huge then
    return s.mistake(ctx, path, "must be a finite number")
  end
  return in_bounds(options, value, path, ctx) and value or nil
end

local function whole(what)
  return function(options, value, path, ctx)
    value = number(options, value, path, ctx, what)
    if not value then return nil end
    return math.tointeger(value) or s.mistake(ctx, path, "must be a whole number")
  end
end

kinds.integer = whole "a number"
kinds.size = whole "a number of bytes, as 64 * KiB"

function kinds.duration(options, value, path, ctx)
  value = number(options, value, path, ctx, options.plain and "a number" or "a duration, as 30 * seconds")
  return value and math.floor(value * (options.plain or 1000) + 0.5)
end

function kinds.choice(options, value, path, ctx)
  for _, allowed in ipairs(options.values) do
    if value == allowed then return value end
  end
  local why = type(value) == "string" and options.absent and options.absent[value]
  if why then return s.mistake(ctx, path, "%s", why) end
  if type(value) ~= "string" then return expected(ctx, path, "a text", value) end
  local names = #options.values > 0 and table.concat(options.values, ", ") or "an empty list"
  s.mistake(ctx, path, "%s is not one of %s", s.shown(value, ctx), names)
end

-- The keys of a table, in a fixed order.
local function sorted_keys(value)
  local keys = {}
  for key in next, value do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and (type(a) == "string" or type(a) == "number") then return a < b end
    return type(a) < type(b)
  end)
  return keys
end

-- How many entries a list has; nil when it is none.
local function list_length(value)
  local count = 0
  for key in next, value do
    if math.type(key) ~= "integer" or key < 1 then return nil end
    count = count + 1
  end
  return count == #value and count or nil
end

function kinds.list(options, value, path, ctx)
  local count = plain_table(value) and list_length(value)
  if not count then return expected(ctx, path, "a list, as { a, b }", value) end
  if count > MOST_ENTRIES then return s.mistake(ctx, path, "has more than %d entries", MOST_ENTRIES) end
  local out = {}
  for n = 1, count do
    local place = s.join(path, n)
    out[#out + 1] = s.check(options.item, value[n], place, ctx)
    if ctx.pending[place] then ctx.pending[path] = (ctx.pending[path] or 0) + 1 end
  end
  return out
end

function kinds.map(options, value, path, ctx)
  if not plain_table(value) then return expected(ctx, path, "a table", value) end
  local keys, out = sorted_keys(value), {}
  if #keys > MOST_ENTRIES then return s.mistake(ctx, path, "has more than %d entries", MOST_ENTRIES) end
  for _, key in ipairs(keys) do
    local fault
    if type(key) ~= "string" then fault = "needs a name: write NAME = ..."
    elseif not utf8.len(key) then fault = "has a name that is not UTF-8 text"
    else fault = options.key_rule and options.key_rule(key) end
    if fault then s.mistake(ctx, s.join(path, key), "%s", fault)
    else out[key] = s.check(options.item, value[key], s.join(path, key), ctx) end
  end
  return out
end

-- Also "timeout" for "timeout_secs": a part left out is no misspelling, but as common.
local function meant(key, names)
  local near = nearest(key, names)
  if near or #key < 3 then return near end
  for _, name in ipairs(names) do
    if find(name, key, 1, true) or find(key, name, 1, true) then return name end
  end
end

local function unknown_key(options, key, value, path, ctx)
  if options.absent[key] then return s.mistake(ctx, s.join(path, key), "%s", options.absent[key]) end
  local noted = #ctx.mistakes < MOST_MISTAKES -- else it is only counted, and looking for names would be for nothing
  local names = {}
  for n, field in ipairs(noted and s.fields_of(options, value) or {}) do names[n] = field[1] end
  local near = noted and type(key) == "string" and meant(key, names)
  if near then
    s.mistake(ctx, s.join(path, key), 'is not an option; did you mean "%s"?', near)
  else
    s.mistake(ctx, s.join(path, key), "is not an option; there are %s", table.concat(names, ", "))
  end
end

-- A key that only records of another sort have.  Where the sort itself is a mistake, nothing is said of it.
local function foreign_key(options, key, sort, path, ctx)
  local sorts, known = {}, false
  for _, options_of_key in ipairs(options.by_name[key]) do
    for _, name in ipairs(options_of_key.of or { sort }) do
      known = known or name == sort
      sorts[#sorts + 1] = name
    end
  end
  if known or not one_of(options.by_name[options.by][1].values, sort) then return end
  s.mistake(ctx, s.join(path, key), "is an option of %s %s, and this is %s", options.by, table.concat(sorts, ", "),
            s.shown(sort, ctx))
end

function kinds.record(options, value, path, ctx)
  if not plain_table(value) then return expected(ctx, path == "" and "config.lua" or path, "a table", value) end
  local keys, out = sorted_keys(value), {}
  for _, key in ipairs(keys) do
    if not options.by_name[key] then unknown_key(options, key, value, path, ctx)
    elseif options.by then foreign_key(options, key, value[options.by], path, ctx) end
  end
  for _, field in ipairs(s.fields_of(options, value)) do
    out[field[1]] = s.check(field[2], value[field[1]], s.join(path, field[1]), ctx)
  end
  return out
end

local function default(options, ctx)
  if type(options.default) == "function" then return options.default(ctx) end
  return options.default
end

function s.check(options, value, path, ctx)
  local why, soft = ctx.unresolved(value)
  if why then
    ctx.pending[path] = 1
    if soft then s.warn(ctx, path, "%s", why) else s.mistake(ctx, path, "%s", why) end
    value = nil
  elseif value == nil and options.required then
    s.mistake(ctx, path, "is required")
  end
  if value == nil then value = default(options, ctx) end
  if value == nil and options.kind == "record" and not options.optional then value = {} end
  if value == nil then return nil end
  return kinds[options.kind](options, value, path, ctx)
end

-- ---- values as Lua text ----

local function with_unit(value, units)
  for _, unit in ipairs(units) do
    if value ~= 0 and value % unit[2] == 0 then return format("%d * %s", value // unit[2], unit[1]) end
  end
end

local size_units = { { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 } }
local time_units = { { "hours", 3600000 }, { "minutes", 60000 }, { "seconds", 1000 }, { "milliseconds", 1 } }

local function text_literal(text)
  return (string.gsub(format("%q", text), "\\\n", "\\n"))
end

-- What kinds.* returned, as it would be written in config.lua.
function s.value_literal(options, value)
  if options.kind == "size" then return with_unit(value, size_units) or format("%d", value) end
  if options.kind == "duration" and options.plain then return format("%.14g", value / options.plain) end
  if options.kind == "duration" then return with_unit(value, time_units) or "0" end
  if type(value) == "string" then return text_literal(value) end
  return tostring(value)
end

-- What stands in a schema (seconds, bytes), as it would be written in config.lua.
function s.literal(options, value)
  if options.kind == "duration" then value = math.floor(value * (options.plain or 1000) + 0.5) end
  return s.value_literal(options, value)
end

s.sorted_keys = sorted_keys

return s
