-- One call of a tool of an MCP server, as the CLIs make it once they are connected: POST, bearer token, JSON.

local uv = require "luv"

--- POSTs to http://HOST:PORT/PATH; the whole answer.
local function post(url, headers, body)
  local host, port, path = url:match "^http://([%d.]+):(%d+)(/.*)$"
  assert(host, "no such URL: " .. url)
  local answer, failed, over = "", nil, false
  local client = uv.new_tcp()
  client:connect(host, tonumber(port), function(why)
    if why then
      failed, over = why, true
      return
    end
    client:write(("POST %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n%scontent-length: %d\r\n\r\n%s"):format(
      path, host, headers, #body, body))
    client:read_start(function(bad, bytes)
      answer = answer .. (bytes or "")
      failed, over = bad, bad or not bytes
    end)
  end)
  while not over do uv.run "once" end
  client:close()
  uv.run "nowait" -- so that it is closed before Lua is
  return answer, failed
end

--- Comments on an issue.  `server` is { url, authorization }.
return function(server, issue, text, quote)
  local arguments = ('{"work_item_id":%s,"content":%s}'):format(quote(issue), quote(text))
  local answer, failed = post(server.url,
    ("content-type: application/json\r\nauthorization: %s\r\n"):format(server.authorization),
    ('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"comments.create","arguments":%s}}'):format(
      arguments))
  assert(not failed and answer:find('"content"', 1, true) and not answer:find('"isError":true', 1, true),
    tostring(failed or answer))
end
