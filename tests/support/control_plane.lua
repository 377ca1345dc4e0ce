-- A control plane for tests and demonstrations: the server's side of the tunnel (docs/tunnel.md) over real TLS, which
-- can drop, delay, duplicate and corrupt what it sends, and worse.
--
--   lua5.4 tests/support/control_plane.lua DIR [--plain]
--
-- It makes its certificates in DIR (control_plane/certificates.lua), listens on three free loopback ports, for the
-- tunnel, for what is asked of it (control_plane/control.lua) and for a proxy, and writes them to DIR/port.  --plain is
-- ws:// instead of wss://.  It ends like tests/support/openpr.lua.

local folder = arg[0]:match("^(.*/)") or "./"
package.path = folder .. "?.lua;" .. package.path

local socket = require "socket"
local certificates = require "control_plane.certificates"
local Connection = require "control_plane.connection"
local control = require "control_plane.control"
local loop = require "openpr.loop"
local plane = require "control_plane.plane"
local proxy = require "control_plane.proxy"
local server = require "openpr.server"

if not arg[1] then
  io.stderr:write("usage: control_plane.lua DIR [--plain]\n")
  os.exit(2)
end

math.randomseed(os.time(), tonumber(tostring({}):match "0x(%x+)", 16)) -- ids of envelopes draw from it
plane.dir, plane.plain = arg[1], arg[2] == "--plain"
if not plane.plain then certificates.make(plane.dir) end

-- Serves each connection to a free port, which it returns.
local function listen(serve)
  local listener = assert(socket.bind("127.0.0.1", 0, 256))
  listener:settimeout(0)
  loop.start(function()
    while true do
      loop.wait_readable(listener)
      local sock = listener:accept()
      if sock then loop.start(serve, sock) end
    end
  end)
  local _, port = listener:getsockname()
  return port
end

local ports = { listen(Connection.serve), server.listen(control.answer), listen(proxy.serve) }
local file = assert(io.open(plane.dir .. "/port.new", "w"))
file:write(table.concat(ports, " "), "\n")
file:close()
assert(os.rename(plane.dir .. "/port.new", plane.dir .. "/port")) -- whoever waits for it never sees half of it
server.run()
