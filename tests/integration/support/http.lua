-- A small HTTP/1.1 client over TCP or a unix socket: one request a connection, or raw bytes.

local cjson = require "cjson"
local socket = require "socket"
local unix = require "socket.unix"

local http = {}

-- Opens a connection to a port of 127.0.0.1 (a number) or a unix socket (a path).
function http.connect(where, seconds)
  local connection
  if type(where) == "number" then
    connection = assert(socket.tcp())
    connection:settimeout(seconds or 15)
    assert(connection:connect("127.0.0.1", where))
  else
    connection = assert(unix())
    connection:settimeout(seconds or 15)
    assert(connection:connect(where))
  end
  return connection
end

-- Reads one response: { status =, headers = (names in lower case), body =, json = (when it is JSON) }, or nil and why.
function http.read(connection)
  local first, why = connection:receive "*l"
  if not first then return nil, why end
  local response = { status = tonumber(first:match "^HTTP/1%.1 (%d+)"), headers = {} }
  while true do
    local line = connection:receive "*l"
    if not line or line == "" then break end
    local name, value = line:match "^([^:]+):%s*(.*)$"
    response.headers[name:lower()] = value
  end
  local length = tonumber(response.headers["content-length"])
  local body, _, partial = connection:receive(length or "*a")
  response.body = body or partial or ""
  local good, value = pcall(cjson.decode, response.body)
  response.json = good and type(value) == "table" and value or nil
  return response
end

-- Sends bytes as they are and reads one response; a peer that closes first gives nil and why.
function http.raw(where, bytes, seconds)
  local connection = http.connect(where, seconds)
  connection:send(bytes)
  local response, why = http.read(connection)
  connection:close()
  return response, why
end

function http.text(method, path, headers, body)
  local lines = { ("%s %s HTTP/1.1"):format(method, path), "host: localhost", "connection: close" }
  for name, value in pairs(headers or {}) do lines[#lines + 1] = name .. ": " .. value end
  if body then lines[#lines + 1] = "content-length: " .. #body end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

function http.request(where, method, path, headers, body, seconds)
  return http.raw(where, http.text(method, path, headers, body), seconds)
end

return http
