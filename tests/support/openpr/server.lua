-- A small HTTP/1.1 server, and client.

local socket = require "socket"
local loop = require "openpr.loop"
local state = require "openpr.state"
local Stream = require "openpr.stream"

local server = {}

local function read_request(stream)
  local first, headers = stream:read_head()
  local method, target = (first or ""):match("^(%u+) (%S+) HTTP/1%.[01]$")
  if not method then
    return nil
  end
  if headers.expect then
    stream:send("HTTP/1.1 100 Continue\r\n\r\n")
  end
  local body
  if headers["transfer-encoding"] then
    body = stream:read_chunked()
  else
    body = stream:take(tonumber(headers["content-length"] or "0"))
  end
  local path, query = target:match("^([^?]*)%??(.*)$")
  return body and { method = method, path = path, query = query, headers = headers, body = body }
end

-- ---- answering ----

local reasons = {
  [200] = "OK", [202] = "Accepted", [204] = "No Content", [302] = "Found", [400] = "Bad Request",
  [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed",
  [413] = "Payload Too Large", [415] = "Unsupported Media Type", [422] = "Unprocessable Entity",
  [429] = "Too Many Requests", [500] = "Internal Server Error", [502] = "Bad Gateway", [503] = "Service Unavailable",
  [504] = "Gateway Timeout",
}

local function write_head(response, keep)
  local lines = { ("HTTP/1.1 %d %s"):format(response.status, reasons[response.status] or "Status") }
  for name, value in pairs(response.headers or {}) do
    lines[#lines + 1] = name .. ": " .. value
  end
  lines[#lines + 1] = "date: " .. os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + math.floor(state.clock))
  lines[#lines + 1] = "content-length: " .. #(response.body or "")
  if not keep then
    lines[#lines + 1] = "connection: close"
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- response.how, for faults: "hang", "close", "garbage", "truncate" (after response.bytes of the body).
-- Returns whether the connection can go on.
local function write_response(stream, response, keep)
  if response.how == "hang" then
    while stream:more() do end
    return false
  elseif response.how == "close" then
    return false
  elseif response.how == "garbage" then
    stream:send("\0\1\2 this is not HTTP \255\254\r\n\r\n")
    return false
  elseif response.how == "truncate" then
    stream:send(write_head(response, false) .. response.body:sub(1, response.bytes))
    return false
  end
  return stream:send(write_head(response, keep) .. (response.body or "")) and keep
end

local function serve(sock, handle)
  local stream = Stream.new(sock)
  while true do
    local request = read_request(stream)
    if not request then
      break
    end
    local keep = (request.headers.connection or ""):lower() ~= "close"
    local ok, response = xpcall(handle, debug.traceback, request)
    if not ok then -- a mistake of the stand-in's own: seen by the client and by whoever reads the log
      io.stderr:write(response, "\n")
      response = { status = 500, headers = { ["content-type"] = "text/plain" }, body = response }
    end
    if not write_response(stream, response, keep) then
      break
    end
  end
  sock:close()
end

-- ---- asking ----

-- Posts to http://HOST:PORT/PATH.  Returns status, headers, body; or nil and why.
function server.post(url, headers, body)
  local host, port, path = url:match("^http://([^:/]+):(%d+)(/?.*)$")
  if not host then
    return nil, "not a URL of the form http://HOST:PORT/PATH"
  end
  local sock = socket.tcp()
  sock:settimeout(0)
  local ok, why = sock:connect(host, tonumber(port))
  if not ok and why == "timeout" then
    loop.wait_writable(sock)
    ok, why = sock:connect(host, tonumber(port))
  end
  if not ok and why ~= "already connected" then
    sock:close()
    return nil, why
  end
  local lines = { ("POST %s HTTP/1.1"):format(path == "" and "/" or path), "host: " .. host .. ":" .. port }
  for name, value in pairs(headers) do
    lines[#lines + 1] = name .. ": " .. value
  end
  lines[#lines + 1] = "content-length: " .. #body
  local stream = Stream.new(sock)
  stream:send(table.concat(lines, "\r\n") .. "\r\nconnection: close\r\n\r\n" .. body)
  local first, answer_headers = stream:read_head()
  local status = tonumber((first or ""):match("^HTTP/1%.%d (%d+)"))
  local answer = status and stream:take(tonumber(answer_headers["content-length"]))
  sock:close()
  if not answer then
    return nil, "no answer"
  end
  return status, answer_headers, answer
end

-- ---- listening ----

local listener, handler

-- Listens on a free loopback port, or on `at`, and returns it.  handler(request) answers {status, headers, body}; it
-- may wait.
function server.listen(handle, at)
  listener = assert(socket.bind("127.0.0.1", at or 0, 256))
  listener:settimeout(0)
  handler = handle
  local _, port = listener:getsockname()
  return port
end

function server.run()
  loop.run(listener, function(sock)
    serve(sock, handler)
  end)
end

return server
