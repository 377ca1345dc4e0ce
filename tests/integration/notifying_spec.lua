-- What a service manager is told (sd_notify): the real datagrams, on a socket that the spec listens on.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local process = require "support.process"
local unix = require "socket.unix"
local uv = require "luv"
local wait = require "support.wait"

describe("notifying", function()
  local d, o, manager

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({}, o)
    manager = { socket = assert(unix.dgram()), said = {} }
    d.env.NOTIFY_SOCKET = d.dir .. "/notify"
    assert(manager.socket:bind(d.env.NOTIFY_SOCKET))
    manager.socket:settimeout(0)
  end)
  after_each(function()
    d:close()
    o:stop()
    manager.socket:close()
  end)

  -- Everything that has been said so far, but for signs of life, which are counted apart.
  local function heard()
    for text in function() return (manager.socket:receive()) end do
      if text == "WATCHDOG=1" then
        manager.alive = (manager.alive or 0) + 1
      else
        table.insert(manager.said, text)
      end
    end
    return manager.said
  end

  -- The n-th word from the daemon, when it has come.
  local function word(n)
    return wait.eventually(function() return ("word %d\n%s"):format(n, d:log()) end, function() return heard()[n] end)
  end

  it("says when it serves, reloads and stops, in this order", function()
    d:start()
    assert.equal("READY=1\nSTATUS=listening on 127.0.0.1:" .. d.port, word(1))
    assert.equal(200, http.request(d.port, "GET", "/health").status)
    d.child:kill "sighup"
    assert.matches("^RELOADING=1\nMONOTONIC_USEC=%d+\nSTATUS=", word(2))
    assert.equal("READY=1\nSTATUS=reloaded", word(3))
    d:configure { webhook = { tolerance = "long" } }
    assert.equal(2, (d:verb "reload"))
    assert.matches("^RELOADING=1\n", word(4))
    assert.equal("READY=1\nSTATUS=not reloaded, see the log", word(5))
    assert.equal(0, d:stop())
    assert.equal("STOPPING=1\nSTATUS=draining, runs that go on: 0", word(6))
    assert.equal(6, #heard())
    assert.is_nil(manager.alive) -- nobody asked for signs of life
    d.child = nil
  end)

  it("is not ready when it cannot serve", function()
    local taken = uv.new_tcp()
    assert(taken:bind("127.0.0.1", 0))
    assert(taken:listen(1, function() end))
    d:configure { webhook = { listen = "127.0.0.1:" .. taken:getsockname().port } }
    local code = process.run({ daemon.program, "--config", d.dir .. "/config.lua" }, d.env, "/", 30)
    taken:close()
    assert.equal(1, code)
    assert.same({}, heard())
  end)

  -- The manager allows a second: the next signs must come, however long the machine takes for them.
  it("gives signs of life, also while it drains", function()
    d.env.WATCHDOG_USEC = "1000000"
    d:configure { executor = { drain_secs = 30 } }
    d:start()
    local function more()
      heard()
      local before = manager.alive or 0
      wait.eventually("two signs of life", function() heard() return (manager.alive or 0) >= before + 2 end)
    end
    more()
    local id = d:post((o:knows(event.issue { description = "STAND-IN: sleep 8" }):assigned())).json.run_id
    wait.eventually("it runs", function() return d:json("show", "--json", id).state == "running" end)
    d.child:kill "sigterm"
    wait.eventually("it drains", function() return d:log():find("msg=draining", 1, true) end)
    more()
    assert.equal("STOPPING=1\nSTATUS=draining, runs that go on: 1", word(2))
    d.child:kill "sigterm"
    d.child:wait(30)
  end)

  it("says that an address is none, and serves all the same", function()
    d.env.NOTIFY_SOCKET = "somewhere"
    d:start()
    assert.matches('msg="cannot tell the service manager"', d:log())
    assert.equal(200, http.request(d.port, "GET", "/health").status)
  end)
end)
