-- What a peer of the tunnel may do with frames, and how long it may be silent: each is bounded, closed with the right
-- code, and followed by a new connection.

local control_plane = require "support.control_plane"
local daemon = require "support.daemon"
local process = require "support.process"
local wait = require "support.wait"

local d, plane

local function begin(heartbeat)
  plane = control_plane.start { secret = false }
  local config = plane:config { heartbeat_secs = heartbeat }
  config.webhook = { max_body = 1024 } -- messages may have 64 KiB more
  d = daemon.prepare(config)
  d:start()
  plane:connected()
end

local function finish()
  d:close()
  plane:stop()
end

describe("a peer of the tunnel", function()
  before_each(function() begin(60) end)
  after_each(finish)

  -- After these bytes, which go out `times` times, the daemon closes with that code, and comes back.
  local function closes_with(code, raw)
    plane:ask { raw = raw }
    local state = plane:until_state("it closes with " .. code, function(state) return state.closes[1] and state end)
    assert.equal(code, state.closes[1].code, state.closes[1].reason)
    plane:connected(2)
  end

  local wrong = {
    { "masked", 1002, "818400000000" .. "61626364" }, { "with bits of an extension", 1002, "c10161" },
    { "of an unknown kind", 1002, "8300" }, { "of an unknown kind of control", 1002, "8b00" },
    { "that goes on with nothing", 1002, "8000" }, { "that begins within a message", 1002, "010161810162" },
    { "with a ping in parts", 1002, "0900" }, { "with a ping too long", 1002, "897e007e" },
    { "with a length longer than it need be", 1002, "817e0001" .. "61" }, { "with a length below nothing", 1002,
      "817f8000000000000000" }, { "too large", 1009, "817f0000000001000000" }, -- 16 MiB
    { "too large by its parts", 1009, "017f0000000000010000" .. ("20"):rep(0x10000) .. "007e0200" .. ("20"):rep(0x200)
      .. "807e0201" },
    { "not UTF-8", 1007, "8102c328" }, { "not UTF-8 at its end", 1007, "8101c3" },
    { "with a goodbye of one byte", 1002, "880103" }, { "with a code that nobody may send", 1002, "880203ed" },
  }
  for _, case in ipairs(wrong) do
    it("may not send a frame " .. case[1], function() closes_with(case[2], { { hex = case[3] } }) end)
  end

  it("may not send fragments without end", function()
    closes_with(1008, { { hex = "0100" }, { hex = "0000", times = 5000 } })
  end)

  it("may not send pings without end", function() closes_with(1008, { { hex = "8900", times = 5000 } }) end)
  it("may not send pongs without end", function() closes_with(1008, { { hex = "8a00", times = 5000 } }) end)

  it("may send some pings, and each is answered", function()
    plane:ask { raw = { { hex = "890161", times = 50 } } }
    plane:until_state("50 pongs come", function(state) return state.pongs == 50 end)
    assert.equal(1, plane:state().stood)
  end)

  it("may say goodbye, is answered, and finds us again", function()
    plane:ask { close = 1001 }
    local state = plane:connected(2)
    assert.equal(1001, state.closes[1].code)
    assert.is_truthy(d:log():find("the peer closed with code 1001", 1, true))
  end)

  it("may send binary messages, which mean nothing", function()
    plane:ask { raw = { { hex = "8203000102" } }, send = { { type = "nothing.known", payload = {} } } }
    wait.pause(0.5)
    assert.equal(1, plane:state().stood)
    assert.same({}, plane:messages "error")
  end)

end)

describe("a peer of the tunnel", function()
  local HEARTBEAT = 2 -- seconds

  before_each(function() begin(HEARTBEAT) end)
  after_each(finish)

  local function memory() -- KiB
    return tonumber(io.open(("/proc/%d/status"):format(d.child.pid)):read("a"):match "VmRSS:%s*(%d+)")
  end

  it("gets pings and heartbeats, one an interval, masked", function()
    local state = plane:until_state("three heartbeats", function(state) return #state.messages >= 3 and state end)
    assert.same({ "heartbeat", true, "host-1" },
                { state.messages[1].type, state.messages[1].payload.alive, state.messages[1].agent_id })
    assert.is_true(state.messages[3].ts - state.messages[1].ts <= 2 * HEARTBEAT + 1)
    assert.is_true(state.messages[3].ts - state.messages[1].ts >= 2 * HEARTBEAT - 1)
    assert.same({ 0, 1 }, { state.unmasked, state.stood })
    assert.is_true(state.pings >= 2)
  end)

  for _, fault in ipairs { "silent", "deaf" } do
    it("that is " .. fault .. " is left within two intervals", function()
      local from = wait.now()
      plane:ask { faults = { [fault] = true } }
      wait.eventually("it is left", function() return d:log():find("answered no ping in time", 1, true) end)
      assert.is_true(wait.now() - from <= 2 * HEARTBEAT + 0.3, wait.now() - from)
      plane:ask { faults = { [fault] = false } }
      plane:connected(2)
    end)
  end

  it("that reads nothing and sends much takes neither memory nor time", function()
    local before = memory()
    plane:ask { faults = { deaf = true }, raw = { { hex = "81027b7d", times = 200000 } } } -- each is worth an error
    wait.eventually("it is left", function() return d:log():find("answered no ping in time", 1, true) end, 30)
    assert.is_true(d.sanitized or memory() - before < 32 * 1024, memory() - before)
    plane:ask { faults = { deaf = false } }
    plane:connected(2)
  end)

  it("is found again when its end of TCP vanishes", function()
    plane:ask { drop = true }
    plane:connected(2)
  end)

  it("that takes TCP connections and never speaks is given up", function()
    plane:ask { faults = { stall = true }, drop = true }
    wait.eventually("it is given up", function() return d:log():find("cannot connect", 1, true) end, 30)
    plane:ask { faults = { stall = false } }
    plane:connected(2, 30)
  end)

  it("that lets us in and throws us out is not stormed", function()
    for _ = 1, 3 do
      local stood = plane:state().stood
      plane:ask { drop = true }
      plane:connected(stood + 1)
    end
    local waits = {}
    for seconds in d:log():gmatch "again_in_seconds=([%d.]+)" do waits[#waits + 1] = tonumber(seconds) end
    assert.is_true(waits[3] > 2 * waits[1], table.concat(waits, " "))
  end)

  it("costs no processor time while nothing happens", function()
    local function ticks()
      local text = io.open(("/proc/%d/stat"):format(d.child.pid)):read("a")
      local user, system = text:match "%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) (%d+)"
      return user + system
    end
    local before = ticks()
    wait.pause(3)
    assert.is_true(ticks() - before < 100, ticks() - before) -- a third of a processor; a loop takes all of one
    assert.is_true(process.alive(d.child.pid))
  end)
end)
