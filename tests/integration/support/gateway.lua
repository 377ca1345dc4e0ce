-- The stand-in gateways (tests/support/gateway.lua) as a process beside the daemon.

local http = require "support.http"
local json = require("support.event").json
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

local gateway = { token = "gateway-token" }
gateway.__index = gateway

local function launch(this)
  os.remove(this.dir .. "/port")
  this.child = process.spawn({ "lua5.4", "tests/support/gateway.lua", this.dir .. "/port", this.port },
                             { PATH = os.getenv "PATH" }, this.dir .. "/log")
  this.port = wait.eventually("the stand-in gateway listens", function()
    local file = io.open(this.dir .. "/port")
    local port = file and file:read "n"
    if file then file:close() end
    return port
  end)
end

function gateway.start(settings)
  local this = setmetatable({ dir = assert(uv.fs_mkdtemp "/tmp/gateway-XXXXXX") }, gateway)
  launch(this)
  this.url = "http://127.0.0.1:" .. this.port
  if settings then this:set(settings) end
  return this
end

function gateway:control(asked)
  local response = assert(http.request(self.port, "POST", "/_control", {}, json.encode(asked)))
  assert(response.status == 200, response.body)
end

function gateway:set(settings) self:control { settings = settings } end
function gateway:fails(fault) self:control { faults = { fault } } end
function gateway:state() return assert(http.request(self.port, "GET", "/_control/state")).json end

-- The requests that it got, in order, of this path.
function gateway:requests(path)
  local found = {}
  for _, request in ipairs(self:state().requests) do
    if request.path == path then found[#found + 1] = request end
  end
  return found
end

-- Waits until there are so many.
function gateway:got(path, count)
  return wait.eventually(function() return ("%d requests for %s"):format(count, path) end, function()
    local found = self:requests(path)
    return #found >= count and found
  end)
end

-- Goes away; nobody answers at its address until back() is called.
function gateway:leave()
  self.child:kill "sigkill"
  self.child:wait()
end

function gateway:back() launch(self) end

function gateway:stop()
  self:leave()
  process.run({ "rm", "-rf", self.dir }, { PATH = "/usr/bin:/bin" })
end

return gateway
