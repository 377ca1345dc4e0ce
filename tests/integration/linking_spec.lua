-- The tunnel's connection: who is connected to, what is shown to whom, and what happens when it cannot stand.

local control_plane = require "support.control_plane"
local daemon = require "support.daemon"
local wait = require "support.wait"

describe("the tunnel", function()
  local d, plane

  before_each(function()
    plane = control_plane.start()
    d = daemon.prepare(plane:config())
  end)
  after_each(function()
    d:close()
    plane:stop()
  end)

  local function logged(text, seconds)
    return wait.eventually(function() return "the log says " .. text .. ":\n" .. d:log() end, function()
      return d:log():find(text, 1, true)
    end, seconds)
  end

  it("stands, by a handshake that shows the token to a verified server", function()
    d:start()
    local state = plane:connected()
    local shake = state.handshakes[1]
    assert.same({ "GET", "/api/v1/agent-tunnel", "Bearer " .. plane.token, "127.0.0.1:" .. plane.port },
                { shake.method, shake.path, shake.headers.authorization, shake.headers.host })
    assert.same({ "websocket", "Upgrade", "13" },
                { shake.headers.upgrade, shake.headers.connection, shake.headers["sec-websocket-version"] })
    assert.is_nil(shake.headers["sec-websocket-extensions"])
    logged("msg=\"tunnel up\"")
  end)
end)
