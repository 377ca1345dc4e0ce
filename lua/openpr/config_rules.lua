-- What single values of config.lua must look like.  Each rule takes a text, what the check knows and the path, and
-- returns the text to keep; or nil, why not, and whether the text is better not shown.
--
-- Functions of string are called by their full names: where config.lua runs, texts have no methods.

local s = require "openpr.schema"

local find, match, lower = string.find, string.match, string.lower

local rules = {}

local LONGEST_SOCKET = 107 -- sun_path of unix(7), less its NUL
local LONGEST_NAME = 64
local SHORT_SECRET = 16 -- bytes; what is shorter can be tried out

local function digits(count) return string.rep("%x", count) end

local UUID = "^" .. digits(8) .. string.rep("%-" .. digits(4), 3) .. "%-" .. digits(12) .. "$"

local function is_port(text)
  local port = find(text, "^%d+$") and #text <= 5 and tonumber(text)
  return port and port <= 65535
end

-- "host:port"; port 0 is any free one.
function rules.listen(text)
  local host, port = match(text, "^(.+):([^:]*)$")
  if not host or find(text, "%s") or not is_port(port) then return nil, "is not host:port, as 0.0.0.0:8091" end
  if find(host, ":", 1, true) and not find(host, "^%[[%x:.]+%]$") then
    return nil, "is not host:port; an IPv6 address stands in brackets, as [::1]:8091"
  end
  return text
end

local function is_authority(text)
  local host, port = match(text, "^(.-):([^:%]]*)$")
  return (host or text) ~= "" and (not port or is_port(port))
end

local function url(scheme, example, no_query)
  return function(text)
    local authority, rest = match(text, "^" .. scheme .. "://([^/?#]+)(.*)$")
    if find(text, "@", 1, true) then return nil, "must hold no user name or password, and no other @", true end
    if not authority or not is_authority(authority) or find(text, "%s") or (no_query and find(rest, "[?#]")) then
      return nil, "is not a URL such as " .. example
    end
    return (string.gsub(text, "/+$", ""))
  end
end

rules.api_url = url("https?", "http://127.0.0.1:8081", true)
rules.mcp_url = url("https?", "http://127.0.0.1:8090/mcp/rpc")

-- A path's last slash means something, other than in a base that paths are added to.
function rules.tunnel_url(text)
  if find(text, "@", 1, true) then return nil, "must hold no user name or password, and no other @", true end
  local authority = match(text, "^wss?://([^/?#]+)[^#]*$")
  if not authority or not is_authority(authority) or find(text, "%s") then
    return nil, "is not a URL such as wss://openpr.example.com/api/v1/agent-tunnel"
  end
  return text
end

function rules.proxy(text, ctx)
  if text == "" or text == s.PLACEHOLDER then return rules.secret(text, ctx) end
  local authority = match(text, "^http://([^/?#]+)/?$")
  if not authority or not is_authority(match(authority, "@(.*)$") or authority) or find(text, "%s") then
    return nil, "is not a URL such as http://proxy.example.com:3128", true
  end
  return text
end

function rules.holds_password(text) return find(text, "@", 1, true) ~= nil end

-- Whether a URL names this machine, whatever a name server says.
function rules.leads_here(text)
  local authority = match(text, "^%w+://([^/?#]+)") or ""
  return rules.is_loopback(find(authority, ":%d+$") and authority or authority .. ":80")
end

function rules.host_name(text)
  if #text > 128 then return nil, "is longer than 128 bytes" end
  return text
end

rules.gateway_url = url("https?", "http://127.0.0.1:18789", true)

-- A forward's target, kept to the letter: its path and query are the receiver's affair.
function rules.target_url(text)
  if find(text, "#", 1, true) then return nil, "must hold no #: it is not sent", true end
  local kept, why, hide = url("https?", "https://hooks.example.com/openpr")(text)
  return kept and text, why, hide
end

-- What stands in a header or in a chat's address: one line, visible characters.
function rules.word(text)
  if find(text, "[^%g]") then return nil, "must hold no spaces and plain characters alone" end
  return text
end

function rules.header_value(text)
  if find(text, "^%s") or find(text, "%s$") then return nil, "begins or ends with a space", true end
  return text
end

function rules.secret(text, ctx)
  if text == s.PLACEHOLDER and not ctx.client then
    return nil, 'is "***", which stands for a secret that was not printed'
  end
  return text
end

-- A secret that bodies are signed with.
function rules.signing_secret(text, ctx, path)
  if text ~= s.PLACEHOLDER and #text < SHORT_SECRET then
    s.warn(ctx, path, "has fewer than %d bytes and can be guessed", SHORT_SECRET)
  end
  if find(text, "^%s") or find(text, "%s$") then s.warn(ctx, path, "begins or ends with a space") end
  return rules.secret(text, ctx)
end

-- A secret that travels in a header.
function rules.token(text, ctx)
  if find(text, "%s") then return nil, "must not hold spaces" end
  return rules.secret(text, ctx)
end

function rules.admin_token(text, ctx)
  if text ~= s.PLACEHOLDER and #text < SHORT_SECRET then
    return nil, string.format("has fewer than %d bytes and can be guessed; `openssl rand -hex 32` makes one",
                              SHORT_SECRET)
  end
  return rules.token(text, ctx)
end

-- An empty or relative part would mean the folder that an agent works in, whose files are not ours.
function rules.search_path(text)
  for part in string.gmatch(text .. ":", "([^:]*):") do
    if not find(part, "^/") then return nil, "does not hold whole paths alone, with colons between them" end
  end
  return text
end

function rules.whole_paths(text)
  local parts = {}
  for part in string.gmatch(text, "[^:]+") do
    if find(part, "^/") then parts[#parts + 1] = part end
  end
  return parts[1] and table.concat(parts, ":")
end

function rules.template(text)
  if find(text, "/", 1, true) or find(text, "^%.") then
    return nil, "is not the name of a file in templates.dir, as default.txt"
  end
  return text
end

function rules.handler(text)
  if not find(text, "^policies/agents/[%w_-][%w_.-]*%.lua$") or #text > LONGEST_NAME + 20 then
    return nil, "is not the name of a handler, as policies/agents/triage.lua"
  end
  return text
end

function rules.bot_id(text)
  if not find(text, UUID) then return nil, "is not the id of a bot (a UUID)" end
  return lower(text)
end

-- Names under which only this machine reaches itself.
function rules.is_loopback(address)
  local host = match(address, "^(.+):%d+$") or ""
  return find(host, "^127%.%d+%.%d+%.%d+$") ~= nil or host == "[::1]" or lower(host) == "localhost"
end

-- "unix:PATH", or "host:port" with a port that clients can know.
function rules.admin_listen(text, ctx)
  local path = match(text, "^unix:(.+)$")
  if not path then
    if find(text, "^unix:") or find(text, "/", 1, true) or not rules.listen(text) or find(text, ":0+$") then
      return nil, "is neither unix:PATH, as unix:./admin.sock, nor host:port, as 127.0.0.1:8092"
    end
    return text
  end
  path = s.absolute(path, ctx.folder)
  if #path > LONGEST_SOCKET then
    return nil, string.format("is longer than the %d bytes that the path of a socket may have", LONGEST_SOCKET)
  end
  return "unix:" .. path
end

-- Rules for the keys of a map: nil, or why not.

function rules.agent_name(name)
  if #name > LONGEST_NAME or not find(name, "^[%w_][%w_.-]*$") then
    return string.format("is no name for an agent: letters, digits, _, - and . are, %d at most", LONGEST_NAME)
  end
end

function rules.bot_name(name)
  if name == "" or #name > 128 or find(name, "%c") then return "is no name of a bot" end
end

function rules.variable_name(name)
  if not find(name, "^[%a_][%w_]*$") then return "is no name for an environment variable" end
end

-- Headers that this program writes itself, or that would change what the request is.
local own_headers = {
  ["content-length"] = true, ["transfer-encoding"] = true, host = true, connection = true, expect = true, te = true,
  trailer = true, upgrade = true, ["x-webhook-signature"] = true, ["x-webhook-event"] = true,
  ["x-webhook-delivery"] = true, ["webhook-id"] = true, ["webhook-timestamp"] = true, ["webhook-signature"] = true,
}

function rules.header_name(name)
  if #name > LONGEST_NAME or not find(name, "^[%w!#$%%&'*+.^_`|~-]+$") then return "is no name for a header" end
  if own_headers[lower(name)] then return "is written by this program itself" end
end

function rules.label_id(name)
  if not find(name, UUID) then return "is not the id of a label (a UUID)" end
end

-- agents.X.env holds both settings, which must stay readable in logs, and keys, which must not.
local secret_words = {
  key = true, keys = true, apikey = true, token = true, tokens = true, secret = true, secrets = true, pass = true,
  password = true, passwd = true, passphrase = true, credential = true, credentials = true,
}
local SHORTEST_SECRET = 8

function rules.is_secret_variable(value, path, ctx)
  if #value < SHORTEST_SECRET then return false end
  local from = ctx.source(value)
  if from and find(from, "^file ") then return true end
  for word in string.gmatch(lower(match(path, "[%w_]+$") or ""), "[^_]+") do
    if secret_words[word] then return true end
  end
  return false
end

-- Headers hold keys as often as settings.
function rules.is_secret_header(value, path, ctx)
  if #value < SHORTEST_SECRET then return false end
  if ctx.source(value) then return true end
  for word in string.gmatch(lower(match(path, "[%w_-]+$") or match(path, '"(.-)"%]$') or ""), "[^_-]+") do
    if secret_words[word] or word == "authorization" or word == "auth" or word == "cookie" then return true end
  end
  return false
end

return rules
