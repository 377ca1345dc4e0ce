-- The control plane (tests/support/control_plane.lua) as a process beside the daemon.

local event = require "support.event"
local http = require "support.http"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

local control_plane = { agent_id = "host-1", token = "tunnel-" .. ("7"):rep(32), secret = "shared-tunnel-secret" }
control_plane.__index = control_plane

-- Starts one that wants that token and signs with that secret.  options.plain: ws://; options.secret = false: unsigned.
function control_plane.start(options)
  options = options or {}
  local this = setmetatable({ plain = options.plain }, control_plane)
  if options.secret == false then this.secret = false end
  this.dir = assert(uv.fs_mkdtemp "/tmp/plane-XXXXXX")
  local argv = { "lua5.4", "tests/support/control_plane.lua", this.dir, options.plain and "--plain" or nil }
  this.child = process.spawn(argv, { PATH = os.getenv "PATH" }, this.dir .. "/log")
  local ports = wait.eventually("the control plane listens", function()
    local file = io.open(this.dir .. "/port")
    local all = file and { file:read("n", "n", "n") }
    if file then file:close() end
    return all
  end)
  this.port, this.control_port, this.proxy_port = table.unpack(ports)
  this.url = ("%s://127.0.0.1:%d/api/v1/agent-tunnel"):format(this.plain and "ws" or "wss", this.port)
  this:ask { token = this.token, secret = this.secret or nil, agent_id = this.agent_id }
  return this
end

-- What config.lua needs for it; `over` is laid over the tunnel's options.
function control_plane:config(over)
  local tunnel = { url = self.url, agent_id = self.agent_id, token = self.token, hmac_secret = self.secret or nil,
                   ca_file = not self.plain and self.dir .. "/ca.pem" or nil, heartbeat_secs = 2, reconnect_secs = 0.2 }
  for name, value in pairs(over or {}) do tunnel[name] = value or nil end
  return { features = { wss_tunnel = true }, tunnel = tunnel }
end

-- Asks something of it: tests/support/control_plane/control.lua.
function control_plane:ask(asked)
  local response = assert(http.request(self.control_port, "POST", "/_control", {}, event.json.encode(asked)))
  assert(response.status == 200, response.body)
  return response.json
end

function control_plane:state()
  return assert(http.request(self.control_port, "GET", "/_control/state")).json
end

-- Waits until `wanted(state)` is true, and returns that.
function control_plane:until_state(what, wanted, seconds)
  local last
  return wait.eventually(function() return what .. ", of the control plane: " .. event.json.encode(last) end, function()
    last = self:state()
    return wanted(last)
  end, seconds)
end

-- Waits until a connection stands; `count`: that so many have stood.
function control_plane:connected(count, seconds)
  return self:until_state("a connection stands", function(state)
    return state.stood >= (count or 1) and #state.open > 0 and state
  end, seconds)
end

-- The messages of that type so far, in order.
function control_plane:messages(type)
  local found = {}
  for _, message in ipairs(self:state().messages) do
    if message.type == type then found[#found + 1] = message end
  end
  return found
end

function control_plane:stop()
  self.child:kill "sigkill"
  self.child:wait()
  process.run({ "rm", "-rf", self.dir }, { PATH = "/usr/bin:/bin" })
end

return control_plane
