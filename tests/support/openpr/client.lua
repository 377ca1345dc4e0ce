-- For specs: starts the stand-in, speaks to its /_control, stops it.  Blocking, and nothing of the stand-in's own.
--
--   local openpr = require("openpr.client").start()
--   openpr:control { users = {...}, issues = {...} }
--   openpr:state().issues[1].comments
--   openpr:emit { url = ..., secret = ..., event = "issue.assigned", issue = ID, bot = ID }
--   openpr:stop()

local http = require "socket.http"
local ltn12 = require "ltn12"
local socket = require "socket"
local json = require "openpr.json"

local Client = {}
Client.__index = Client

local folder = debug.getinfo(1, "S").source:match("^@(.*)openpr/client%.lua$")

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function read_file(path)
  local file = io.open(path)
  local text = file and file:read("a")
  if file then
    file:close()
  end
  return text
end

function Client.start()
  local port_file = os.tmpname()
  os.remove(port_file)
  local command = ("exec lua5.4 %s %s"):format(quote(folder .. "openpr.lua"), quote(port_file))
  -- It ends when this end of its standard input is closed, also when we are killed.
  local process = assert(io.popen(command, "w"))
  local until_when = socket.gettime() + 20
  local port
  repeat
    socket.sleep(0.02)
    port = read_file(port_file)
    assert(port or socket.gettime() < until_when, "the stand-in for OpenPR does not start")
  until port
  os.remove(port_file)
  return setmetatable({ process = process, url = "http://127.0.0.1:" .. tonumber(port) }, Client)
end

-- Status, body as text, headers.  `body` is text or a table.
function Client:request(method, path, body, headers)
  local text = type(body) == "table" and json.encode(body) or body
  local all = { ["content-type"] = text and "application/json", ["content-length"] = text and #text }
  for name, value in pairs(headers or {}) do
    all[name] = value
  end
  local out = {}
  local ok, status, answer_headers = http.request {
    method = method, url = self.url .. path, headers = all, source = text and ltn12.source.string(text),
    sink = ltn12.sink.table(out),
  }
  if not ok then
    return nil, status
  end
  return status, table.concat(out), answer_headers
end

local function checked(status, body)
  assert(status == 200, ("%s: %s"):format(status, body))
  return json.decode(body)
end

function Client:control(asked)
  return checked(self:request("POST", "/_control", asked))
end

function Client:state()
  return checked(self:request("GET", "/_control/state"))
end

function Client:emit(options)
  return checked(self:request("POST", "/_control/emit", options))
end

function Client:stop()
  return self.process:close()
end

return Client
