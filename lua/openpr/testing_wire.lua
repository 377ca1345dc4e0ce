-- The way from a spec to `openpr-webhook test`, which runs the policies in real workers: a line of JSON each way over
-- two inherited pipes.  Where there is no such program, as under plain busted, `is_there` is false.

local text = require "openpr.text"

local M = {}

local replies, questions = (os.getenv "OPENPR_WEBHOOK_TEST" or ""):match "^(%d+),(%d+)$"
M.is_there = replies ~= nil

-- As core/script/decode.c: whole numbers are integers, null is nothing.
local function tidied(value, null)
  if value == null then return nil end
  if math.type(value) == "float" then return math.tointeger(value) or value end
  if type(value) ~= "table" then return value end
  local out = {}
  for key, item in pairs(value) do out[key] = tidied(item, null) end
  return out
end

local found, cjson = pcall(require, "cjson")
if not found then error("openpr.testing needs lua-cjson for Lua 5.4; on Debian: apt install lua-cjson", 0) end
cjson = cjson.new()
cjson.decode_invalid_numbers(false)

M.encode = cjson.encode
function M.decode(source) return tidied(cjson.decode(source), cjson.null) end

local ended = "openpr-webhook test has ended"

-- Says a line and wants no answer.
function M.tell(verb, value)
  M.out = M.out or assert(io.open("/dev/fd/" .. questions, "w"))
  if not (M.out:write(verb, " ", M.encode(value), "\n") and M.out:flush()) then error(ended, 0) end
end

-- What the program says to it: a table, with a member `error` where a policy failed or its worker was ended.
function M.ask(verb, value)
  M.tell(verb, value)
  M.back = M.back or assert(io.open("/dev/fd/" .. replies, "r"))
  local line = M.back:read "L"
  return line and M.decode(line) or error(ended, 0)
end

-- A text of a test for the line: bounded, and UTF-8.
function M.words(value)
  if type(value) ~= "string" then value = require "pl.pretty".write(value) end
  return text.clip(text.clean(value), 16 * 1024)
end

return M
