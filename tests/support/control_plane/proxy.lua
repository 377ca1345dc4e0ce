-- An HTTP proxy that only knows CONNECT, for one user with a password.

local mime = require "mime"
local socket = require "socket"
local Stream = require "openpr.stream"
local loop = require "openpr.loop"
local plane = require "control_plane.plane"

local proxy = { user = "user:pass-word" }

local function relay(from, to)
  while true do
    local bytes = from:more()
    if not bytes or not to:send(bytes) then break end
  end
  to.sock:shutdown "both"
  from.sock:shutdown "both"
end

function proxy.serve(sock)
  local client = Stream.new(sock)
  local first, headers = client:read_head()
  local host, port = (first or ""):match "^CONNECT ([^:]+):(%d+) HTTP/1%.1$"
  plane.count.proxied[#plane.count.proxied + 1] = first
  if headers and headers["proxy-authorization"] ~= "Basic " .. mime.b64(proxy.user) then
    client:send "HTTP/1.1 407 No\r\nproxy-authenticate: Basic realm=x\r\ncontent-length: 0\r\n\r\n"
    return sock:close()
  end
  local there = host and socket.tcp()
  if not there or not there:connect(host, tonumber(port)) then return sock:close() end
  client:send "HTTP/1.1 200 Yes\r\n\r\n"
  local server = Stream.new(there)
  loop.start(relay, server, client)
  relay(client, server)
end

return proxy
