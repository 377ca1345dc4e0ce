-- Envelopes of the tunnel: signed both ways, and what is refused for which reason; the connection stays open.

local control_plane = require "support.control_plane"
local daemon = require "support.daemon"
local wait = require "support.wait"

describe("an envelope", function()
  local d, plane

  before_each(function()
    plane = control_plane.start()
    d = daemon.prepare(plane:config { heartbeat_secs = 2 })
    d:start()
    plane:connected()
  end)
  after_each(function()
    d:close()
    plane:stop()
  end)

  local function raw(text)
    local length = #text < 126 and ("%02x"):format(#text) or ("7e%04x"):format(#text)
    plane:ask { raw = { { hex = "81" .. length .. text:gsub(".", function(c) return ("%02x"):format(c:byte()) end) } } }
  end

  -- The reasons of the first `count` errors, in order.
  local function reasons(count)
    local errors
    wait.eventually("errors come", function()
      errors = plane:messages "error"
      return #errors >= count
    end)
    local list = {}
    for n, message in ipairs(errors) do list[n] = message.payload.reason end
    return list, errors
  end

  it("of ours is signed, and its time is now", function()
    local state = plane:until_state("a heartbeat", function(state) return state.messages[1] and state end)
    local message = state.messages[1]
    assert.same({ "good", "host-1", "heartbeat" }, { message.signature, message.agent_id, message.type })
    assert.is_true(math.abs(message.ts - os.time()) < 30)
    assert.matches("^%x+%-%x+%-7%x+%-%x+%-%x+$", message.id)
  end)

  local wrong = {
    { "no JSON", "invalid_json", text = "{" }, { "a list", "invalid_json", text = "[]" },
    { "no envelope", "invalid_json", text = "{}" }, { "nothing", "invalid_json", text = "" },
    { "not signed", "missing_signature", { unsigned = true } },
    { "signed by another", "bad_signature", { sig = "sha256=" .. ("0"):rep(64) } },
    { "signed with no signature", "bad_signature", { sig = "yes" } },
    { "for another host", "wrong_agent", { agent_id = "host-2" } },
    { "old", "stale_ts", {}, off = -400 }, { "of the future", "stale_ts", {}, off = 400 },
    { "of no time at all", "stale_ts", { ts = 0 } },
  }
  for _, case in ipairs(wrong) do
    it(("that is %s is refused: %s"):format(case[1], case[2]), function()
      if case.text then
        raw(case.text)
      else
        local fields = { type = "task.dispatch", id = "the-id", payload = { run_id = "never" } }
        for name, value in pairs(case[3]) do fields[name] = value end
        if case.off then fields.ts = os.time() + case.off end
        plane:ask { send = { fields } }
      end
      local list, errors = reasons(1)
      assert.same({ case[2] }, list)
      assert.equal("good", errors[1].signature)
      assert.equal(not case.text and "the-id" or nil, errors[1].payload.msg_id)
      plane:ask { faults = { corrupt = { times = 1 } }, send = { { type = "x", payload = { text = ("x"):rep(200) } } } }
      assert.same({ case[2], "bad_signature" }, (reasons(2)))
      assert.equal(1, plane:state().stood)
      assert.same({}, plane:messages "task.ack")
      assert.is_truthy(d:log():find("reason=" .. case[2], 1, true))
    end)
  end

  it("that comes again is refused, on the next connection, too", function()
    local fields = { type = "nothing.known", id = "an-id", payload = {} }
    plane:ask { send = { fields, fields } }
    assert.same({ "repeated_id" }, (reasons(1)))
    plane:ask { drop = true }
    plane:connected(2)
    plane:ask { faults = { duplicate = { times = 1 } }, send = { { type = "nothing.known", payload = {} } } }
    assert.same({ "repeated_id", "repeated_id" }, (reasons(2)))
    plane:ask { send = { fields } }
    assert.same({ "repeated_id", "repeated_id", "repeated_id" }, (reasons(3)))
    assert.equal(2, plane:state().stood)
  end)

  it("may be written in any way that means the same", function()
    -- signed over the canonical form, sent with spaces, escapes and keys in another order
    local sign = require "support.sign"
    local ts = os.time()
    local canonical = ('{"id":"i1","type":"error","ts":%d,"agent_id":"host-1","payload":'):format(ts)
      .. '{"a":{"z":18446744073709551615,"é/x":1e-7},"reason":"as sent"}}'
    local sig = "sha256=" .. sign.hmac(plane.secret, canonical)
    raw(('{ "sig": "%s", "more": [1], "payload": {"reason": "as\\u0020sent", "a": {"\\u00e9\\/x": 0.0000001, '
      .. '"z": 1, "z": 18446744073709551615}}, "agent_id": "host-1", "ts": %d,\r\n "type": "err\\u006fr", '
      .. '"id": "i0", "id": "i1" }'):format(sig, ts))
    wait.eventually("it is taken for what it says", function() return d:log():find("as sent", 1, true) end)
    assert.same({}, plane:messages "error")
  end)

  it("that says error is never answered by one", function()
    plane:ask { send = { { type = "error", unsigned = true, payload = { reason = "x" } },
                         { type = "error", payload = { reason = "we do not understand", msg_id = "m1" } } } }
    wait.eventually("the second is logged", function() return d:log():find("we do not understand", 1, true) end)
    assert.same({}, plane:messages "error")
  end)

  it("that is refused over and over fills no log", function()
    plane:ask { send = { { type = "x", payload = {}, unsigned = true } } }
    for _ = 1, 40 do plane:ask { send = { { type = "x", payload = {}, unsigned = true } } } end
    reasons(41)
    local _, lines = d:log():gsub("refused an envelope", "")
    assert.is_true(lines <= 10, lines)
  end)

  it("needs no signature where there is no secret", function()
    d.config.tunnel.hmac_secret = nil
    d:configure()
    assert.equal(0, (d:verb "reload"))
    plane:connected(2)
    plane:ask { secret = false }
    plane:ask { send = { { type = "x", payload = {}, ts = 0 }, { type = "error", payload = { reason = "was read" } } } }
    wait.eventually("it is read", function() return d:log():find("was read", 1, true) end)
    assert.same({}, plane:messages "error")
    local state = plane:until_state("a heartbeat", function(state)
      local last = state.messages[#state.messages]
      return last and last.connection == 2 and last.signature == "none" and state
    end)
    assert.is_nil(state.messages[#state.messages].sig)
  end)
end)
