-- /ready says yes or no on the webhook's port, and why on the admin listener alone.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local socket = require "socket"
local wait = require "support.wait"

describe("/ready", function()
  local d, o

  before_each(function() o = openpr.start() end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function outside() return http.request(d.port, "GET", "/ready") end
  local function inside() return http.request(d.dir .. "/admin.sock", "GET", "/api/ready") end

  -- The trouble of that name, when there is one.
  local function trouble(name)
    for _, reason in ipairs(inside().json.reasons) do
      if reason.reason == name then return reason end
    end
  end

  -- The log has one line for it, and no more for a while.
  local function said_once(name)
    local function count() return select(2, d:log():gsub("msg=trouble reason=" .. name, "")) end
    wait.eventually("the log says it", function() return count() == 1 end)
    wait.pause(2.5)
    assert.equal(1, count())
  end

  it("is yes, without reasons", function()
    d = daemon.prepare({}, o):start()
    assert.same({ 200, "ready" }, { outside().status, outside().body })
    assert.same({ ready = true, reasons = {} }, inside().json)
    assert.equal(200, inside().status)
    local status = http.request(d.dir .. "/admin.sock", "GET", "/api/status").json
    assert.same({ true, false }, { status.ready, status.draining })
    assert.same({}, status.reasons)
  end)

  it("names a wrong secret, says so once, and is turned by nothing from outside", function()
    d = daemon.prepare({}, o):start()
    local body = (event.issue {}:assigned())
    for _ = 1, 8 do
      assert.equal(401, d:post(body, { ["x-webhook-signature"] = "sha256=" .. ("a"):rep(64) }).status)
    end
    local reason = assert(trouble "signatures_failing")
    assert.is_false(reason.turns)
    assert.matches("8 signatures", reason.text)
    assert.matches("webhook%.secret", reason.text)
    assert.equal(200, outside().status)
    assert.equal(200, inside().status)
    said_once "signatures_failing"
    d:post(body)
    assert.is_nil(trouble "signatures_failing")
    wait.eventually("it is over", function()
      return d:log():find('msg="trouble is over" reason=signatures_failing', 1, true)
    end)
  end)

  it("is no while OpenPR refuses the token, until it is replaced", function()
    d = daemon.prepare({ openpr = { token = "wrong-wrong-wrong-wrong" } }, o):start()
    local issue = o:knows(event.issue { description = "STAND-IN: final Told late." })
    local id = d:post((issue:assigned())).json.run_id
    wait.eventually(function() return "it is stuck\n" .. d:log() end, function() return outside().status == 503 end, 20)
    assert.equal("not ready", outside().body) -- why is nobody's business there
    local reason = assert(trouble "outbox_stuck")
    assert.is_true(reason.turns)
    assert.matches("openpr%.token", reason.text)
    assert.equal(503, inside().status)
    said_once "outbox_stuck"
    d:configure { openpr = { token = o.token } }
    assert.equal(0, (d:verb "reload"))
    d:ended(id)
    wait.eventually("it is ready again", function() return outside().status == 200 end)
    assert.is_nil(trouble "outbox_stuck")
  end)

  it("names policies that fail on everything, and that nothing is lost by it", function()
    d = daemon.prepare({}, o)
    daemon.write(d.dir .. "/filter.lua", [[
      return function(event)
        log.warn "about to fail"
        error "no"
      end
    ]])
    d:configure { policies = { dir = d.dir } }
    d:start()
    local first
    for _ = 1, 3 do
      local body = (event.issue {}:assigned())
      first = first or event.json.decode(body)
      assert.equal("held", d:post(body).json.status)
    end
    local reason = assert(trouble "policies_failing")
    assert.is_false(reason.turns)
    assert.matches("events %-%-status held", reason.text)
    assert.equal(200, outside().status)
    -- What a policy says carries the ids of what it was asked about.
    assert.matches('msg=policy says="policies/filter.lua: about to fail" issue=%x[%x%-]+ delivery=%x[%x%-]+\n', d:log())
    daemon.write(d.dir .. "/filter.lua", "return function() return ignore end")
    assert.equal(0, (d:verb "reload"))
    d:post((event.issue {}:assigned()))
    assert.is_nil(trouble "policies_failing")
  end)

  it("is no while the tunnel ought to be connected and is not", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    listener:close()
    d = daemon.prepare({ features = { wss_tunnel = true },
                         tunnel = { url = ("ws://127.0.0.1:%d/x"):format(port), agent_id = "host-1",
                                    token = "0123456789abcdef" } }, o):start()
    wait.eventually(function() return "it is not ready\n" .. d:log() end, function() return outside().status == 503 end)
    local reason = assert(trouble "tunnel_down")
    assert.is_true(reason.turns)
    assert.matches("not connected: %S", reason.text)
    d:configure { features = { wss_tunnel = false } }
    assert.equal(0, (d:verb "reload"))
    wait.eventually("it is ready again", function() return outside().status == 200 end)
  end)
end)
