-- What the handler of a custom agent returns: a list of actions, checked to the last field before anything is done.
--
--   { http = URL, method, headers, body, bearer, timeout }       a request
--   { run = EXECUTOR, prompt, args, env, model, timeout }        a program of the whitelist, once at most
--   { comment = TEXT }, { state = STATE }                        the report of success; last, once each at most
--
-- Whether the whitelist lets a program have its arguments and variables is asked by who runs it (core/exec/permit.c).

local nearest = require "openpr.nearest"
local prompt = require "openpr.prompt"
local text = require "openpr.text"

local M = {}

M.MOST = 8

local MOST_ENTRIES = 32            -- arguments, variables, headers
local LONGEST_VALUE = 8 * 1024     -- bytes of one
local LARGEST_BODY = 256 * 1024
local LONGEST_URL = 2048
local LARGEST_COMMENT = 64 * 1024
local LONGEST_TIMEOUT = 7 * 24 * 3600 -- seconds

local METHODS = { GET = true, POST = true, PUT = true, PATCH = true, DELETE = true }

-- Headers that are the daemon's own affair.
local RESERVED = { host = true, ["content-length"] = true, ["transfer-encoding"] = true, connection = true, te = true,
                   expect = true, upgrade = true, trailer = true, ["idempotency-key"] = true, ["keep-alive"] = true,
                   ["proxy-authorization"] = true }

-- An error's text begins with its place; M.checked() adds the file and the action.
local function bad(why, ...) error({ why = why:format(...) }, 0) end

local function a(value) return value == nil and "nothing" or "a " .. type(value) end

local function checked_text(value, name, most, empty)
  if math.type(value) == "integer" then value = tostring(value) end
  if type(value) ~= "string" then bad("%s is %s, not a text", name, a(value)) end
  if not empty and not value:find "%S" then bad("%s is empty", name) end
  value = text.clean(value)
  if #value > most then bad("%s has %d bytes, more than %d", name, #value, most) end
  return value
end

local function optional(value, check, ...)
  if value == nil then return nil end
  return check(value, ...)
end

local function checked_timeout(value)
  if not math.type(value) or not (value > 0 and value <= LONGEST_TIMEOUT) then
    bad "timeout is a number of seconds, at most 7 days, such as 10 * minutes"
  end
  return math.max(1, math.floor(value * 1000 + 0.5))
end

local function checked_list(value, name)
  if type(value) ~= "table" then bad("%s is %s, not a list", name, a(value)) end
  if #value > MOST_ENTRIES then bad("%s has more than %d entries", name, MOST_ENTRIES) end
  local list = {}
  for key in pairs(value) do
    if math.type(key) ~= "integer" or key < 1 or key > #value then bad("%s is a list, as { \"a\", \"b\" }", name) end
  end
  for n, item in ipairs(value) do list[n] = checked_text(item, ("%s[%d]"):format(name, n), LONGEST_VALUE, true) end
  return list
end

-- { NAME = value } to a list of { name, value }, in a fixed order.
local function checked_map(value, name, check_name)
  if type(value) ~= "table" then bad("%s is %s, not a table", name, a(value)) end
  local list = {}
  for key, item in pairs(value) do
    if type(key) ~= "string" then bad("%s has names, as { NAME = \"value\" }", name) end
    check_name(key)
    list[#list + 1] = { name = key, value = checked_text(item, name .. "." .. key, LONGEST_VALUE, true) }
  end
  if #list > MOST_ENTRIES then bad("%s has more than %d entries", name, MOST_ENTRIES) end
  table.sort(list, function(x, y) return x.name < y.name end)
  return list
end

local function check_variable(name)
  if #name > 128 or not name:find "^[%a_][%w_]*$" then bad("env: %q is no name of a variable", text.clip(name, 64)) end
end

local function check_header(name)
  if #name > 128 or not name:find "^[%w!#$&'*+.^_`|~-]+$" then
    bad("headers: %q is no name of a header", text.clip(name, 64))
  end
  if RESERVED[name:lower()] then bad("headers: %s is set by the daemon", name) end
end

local function checked_headers(value)
  local list = checked_map(value, "headers", check_header)
  for _, header in ipairs(list) do
    if header.value:find "[%c\x80-\xff]" then bad("headers.%s: a header is one line of ASCII", header.name) end
  end
  return list
end

local function checked_url(value)
  local url = checked_text(value, "http", LONGEST_URL)
  local authority = url:match "^https?://([^/?#]+)"
  if not authority or authority:find("@", 1, true) or url:find "[%c%s\\\x80-\xff]" then
    bad("http: %q is not a URL such as https://ci.example.com/hook", text.clip(url, 64))
  end
  return url
end

local function checked_method(value)
  if not METHODS[value] then bad("method is GET, POST, PUT, PATCH or DELETE, not %s", tostring(value)) end
  return value
end

local function checked_body(value, host)
  if type(value) ~= "table" then return checked_text(value, "body", LARGEST_BODY, true) end
  local ok, body = pcall(host.json_encode, value)
  if not ok then bad("body: %s", tostring(body)) end
  return checked_text(body, "body", LARGEST_BODY)
end

local function checked_prompt(value)
  local checked, why = prompt.checked(value)
  return checked or bad("prompt is %s", why)
end

-- Each makes of a handler's table what the program gets.
local kinds = {}

function kinds.http(action, host)
  return {
    url = checked_url(action.http), method = checked_method(action.method or (action.body and "POST" or "GET")),
    headers = host.json_array(checked_headers(action.headers or {})), body = optional(action.body, checked_body, host),
    bearer = optional(action.bearer, function(name)
      name = checked_text(name, "bearer", 128)
      check_variable(name)
      return name
    end),
    timeout = optional(action.timeout, checked_timeout),
  }
end

function kinds.run(action, host)
  return {
    executor = checked_text(action.run, "run", 64), prompt = checked_prompt(action.prompt),
    arguments = host.json_array(checked_list(action.args or {}, "args")),
    environment = host.json_array(checked_map(action.env or {}, "env", check_variable)),
    model = optional(action.model, checked_text, "model", 128), timeout = optional(action.timeout, checked_timeout),
  }
end

function kinds.comment(action) return { text = checked_text(action.comment, "comment", LARGEST_COMMENT) } end

function kinds.state(action)
  local state = checked_text(action.state, "state", 63)
  if not state:find "^[%w_-]+$" then bad("%q is no state of an issue", state) end
  return { text = state }
end

local FIELDS = {
  http = { "http", "method", "headers", "body", "bearer", "timeout" },
  run = { "run", "prompt", "args", "env", "model", "timeout" },
  comment = { "comment" },
  state = { "state" },
}

local function kind_of(action)
  if type(action) ~= "table" then bad("it is %s; an action is a table such as { comment = \"...\" }", a(action)) end
  local found
  for kind in pairs(FIELDS) do
    if action[kind] ~= nil then
      if found then bad "one action is one of http, run, comment and state" end
      found = kind
    end
  end
  if not found then bad "it has none of http, run, comment and state" end
  for key in pairs(action) do
    local known = false
    for _, name in ipairs(FIELDS[found]) do known = known or name == key end
    local near = type(key) == "string" and nearest(key, FIELDS[found])
    if not known then
      bad("%s has no %q%s", found, text.clip(tostring(key), 64), near and (" (did you mean %q?)"):format(near) or "")
    end
  end
  return found
end

-- At most one run, comment and state, and the words behind the work.
local function check_order(kind, seen)
  if seen[kind] and kind ~= "http" then bad("a second %s: there is one at most", kind) end
  if (kind == "http" or kind == "run") and (seen.comment or seen.state) then
    bad("%s stands behind comment or state, which come last", kind)
  end
  seen[kind] = true
end

local function checked_action(action, seen, host)
  local kind = kind_of(action)
  check_order(kind, seen)
  local made = kinds[kind](action, host)
  made.kind = kind
  return made
end

-- What the handler returned as the program gets it; raises with the file and the number of the action.
function M.checked(list, file, host)
  if type(list) ~= "table" or #list == 0 then
    error(("%s: returned %s; it returns a list of actions, as { { run = \"codex\", prompt = \"...\" } }"):format(file,
      type(list) == "table" and "no action" or a(list)), 0)
  end
  if #list > M.MOST then error(("%s: returned %d actions, more than %d"):format(file, #list, M.MOST), 0) end
  local made, seen = {}, {}
  for n = 1, #list do
    local ok, value = pcall(checked_action, list[n], seen, host)
    if not ok then
      error(("%s: action %d: %s"):format(file, n, type(value) == "table" and value.why or tostring(value)), 0)
    end
    made[n] = value
  end
  return made
end

return M
