-- A checked configuration as the text of a config.lua: defaults filled in, secrets as "***".
--
-- Functions of string are called by their full names: where config.lua runs, texts have no methods.

local s = require "openpr.schema"

local format, rep = string.format, string.rep

local keywords = {}
for word in string.gmatch([[and break do else elseif end false for function goto if in local nil not or repeat return
                            then true until while]], "%a+") do
  keywords[word] = true
end

local function key_literal(key)
  if string.find(key, "^[%a_][%w_]*$") and not keywords[key] then return key end
  return "[" .. s.value_literal({}, key) .. "]"
end

local write -- (lines, key, node, value, path, depth, ctx)

local function is_hidden(node, value, path, ctx)
  if type(node.secret) == "function" then return ctx.source(value) or node.secret(value, path, ctx) end
  return node.secret
end

local function scalar(node, value, path, ctx)
  if is_hidden(node, value, path, ctx) then return s.value_literal({}, s.PLACEHOLDER) end
  return s.value_literal(node, value)
end

local function list(node, value, path, ctx)
  local items = {}
  for n, item in ipairs(value) do items[n] = scalar(node.item, item, s.join(path, n), ctx) end
  for _ = 1, ctx.pending[path] or 0 do items[#items + 1] = s.value_literal({}, s.PLACEHOLDER) end
  if #items == 0 then return "{}" end
  return "{ " .. table.concat(items, ", ") .. " }"
end

local function add(lines, depth, text) lines[#lines + 1] = rep("  ", depth) .. text end

-- entries: { { key, node }, ... }
local function block(lines, key, entries, value, path, depth, ctx)
  local start = key and key_literal(key) .. " = {" or "return {"
  if #entries == 0 then return add(lines, depth, start .. "},") end
  add(lines, depth, start)
  for _, entry in ipairs(entries) do
    write(lines, entry[1], entry[2], value[entry[1]], s.join(path, entry[1]), depth + 1, ctx)
  end
  add(lines, depth, key and "}," or "}")
end

local function entries_of_map(node, value)
  local entries = {}
  for n, key in ipairs(s.sorted_keys(value)) do entries[n] = { key, node.item } end
  return entries
end

function write(lines, key, node, value, path, depth, ctx)
  -- A secret that is not known here, because its variable is not set, is printed like the others.
  if value == nil and ctx.pending[path] and node.secret then value = s.PLACEHOLDER end
  if value == nil and node.kind == "map" then value = {} end
  if value == nil then return end
  if node.kind == "record" then return block(lines, key, s.fields_of(node, value), value, path, depth, ctx) end
  if node.kind == "map" then return block(lines, key, entries_of_map(node, value), value, path, depth, ctx) end
  local text = node.kind == "list" and list(node, value, path, ctx) or scalar(node, value, path, ctx)
  add(lines, depth, format("%s = %s,", key_literal(key), text))
end

return function(schema, config, ctx)
  local lines = {}
  block(lines, nil, schema.fields, config, "", 0, ctx)
  return table.concat(lines, "\n") .. "\n"
end
