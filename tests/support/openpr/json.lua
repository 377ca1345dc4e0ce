-- JSON with what lua-cjson lacks: empty arrays, integers, sorted keys, and the indented form that OpenPR's MCP
-- server uses.

local cjson = require "cjson"

local json = { null = cjson.null }

local array = {}

-- Marks a list, so that an empty one is [] and not {}.
function json.array(list)
  return setmetatable(list or {}, array)
end

local function is_array(value)
  return getmetatable(value) == array or #value > 0
end

local function sorted_keys(object)
  local names = {}
  for name in pairs(object) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local escapes = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\b"] = "\\b", ["\f"] = "\\f",
}

local function string_text(value)
  return '"' .. value:gsub('[%c"\\]', function(c)
    return escapes[c] or (c == "\127" and c) or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function number_text(value)
  local whole = math.tointeger(value)
  return whole and ("%d"):format(whole) or ("%.17g"):format(value)
end

local write

local function write_list(out, open, close, count, indent, item)
  local inner = indent and indent .. "  "
  out[#out + 1] = open
  for i = 1, count do
    out[#out + 1] = (i > 1 and "," or "") .. (inner and "\n" .. inner or "")
    item(i, inner)
  end
  out[#out + 1] = (inner and count > 0 and "\n" .. indent or "") .. close
end

local function write_table(out, value, indent)
  if is_array(value) then
    write_list(out, "[", "]", #value, indent, function(i, inner)
      write(out, value[i], inner)
    end)
    return
  end
  local names = sorted_keys(value)
  write_list(out, "{", "}", #names, indent, function(i, inner)
    out[#out + 1] = string_text(names[i]) .. (indent and ": " or ":")
    write(out, value[names[i]], inner)
  end)
end

function write(out, value, indent)
  local kind = type(value)
  if value == json.null or kind == "nil" then
    out[#out + 1] = "null"
  elseif kind == "table" then
    write_table(out, value, indent)
  elseif kind == "string" then
    out[#out + 1] = string_text(value)
  elseif kind == "number" then
    out[#out + 1] = number_text(value)
  else
    out[#out + 1] = tostring(value)
  end
end

function json.encode(value)
  local out = {}
  write(out, value, nil)
  return table.concat(out)
end

function json.pretty(value)
  local out = {}
  write(out, value, "")
  return table.concat(out)
end

-- lua-cjson makes every number a float.
local function with_integers(value)
  if type(value) == "number" then
    return math.tointeger(value) or value
  elseif type(value) == "table" then
    for key, item in pairs(value) do
      value[key] = with_integers(item)
    end
  end
  return value
end

-- The value, or nil and why.
function json.decode(text)
  if not utf8.len(text) then
    return nil, "invalid unicode code point"
  end
  local ok, value = pcall(cjson.decode, text)
  if not ok then
    return nil, value
  end
  return with_integers(value)
end

return json
