-- A control plane for tests and demonstrations: the server's side of the tunnel (docs/tunnel.md) over real TLS, which
-- can drop, delay, duplicate and corrupt what it sends, and worse.
--
--   lua5.4 tests/support/control_plane.lua DIR [--plain]
--
-- It makes its certificates in DIR (control_plane/certificates.lua), listens on two free loopback ports, for the tunnel
-- and for what is asked of it (control_plane/control.lua), and writes both to DIR/port.  --plain is ws:// instead of
-- wss://.  It ends like tests/support/openpr.lua.

local folder = arg[0]:match("^(.*/)") or "./"
package.path = folder .. "?.lua;" .. package.path

local socket = require "socket"
local certificates = require "control_plane.certificates"
local Connection = require "control_plane.connection"
local control = require "control_plane.control"
local loop = require "openpr.loop"
local plane = require "control_plane.plane"
local server = require "openpr.server"

if not arg[1] then
  io.stderr:write("usage: control_plane.lua DIR [--plain]\n")
  os.exit(2)
end

math.randomseed(os.time(), tonumber(tostring({}):match "0x(%x+)", 16)) -- ids of envelopes draw from it
plane.dir, plane.plain = arg[1], arg[2] == "--plain"
if not plane.plain then certificates.make(plane.dir) end

local listener = assert(socket.bind("127.0.0.1", 0, 256))
listener:settimeout(0)
local _, tunnel_port = listener:getsockname()

loop.start(function()
  while true do
    loop.wait_readable(listener)
    local sock = listener:accept()
    if sock then loop.start(Connection.serve, sock) end
  end
end)

local control_port = server.listen(control.answer)
local file = assert(io.open(plane.dir .. "/port.new", "w"))
file:write(tunnel_port, " ", control_port, "\n")
file:close()
assert(os.rename(plane.dir .. "/port.new", plane.dir .. "/port")) -- whoever waits for it never sees half of it
server.run()
