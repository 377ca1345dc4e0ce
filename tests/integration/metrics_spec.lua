-- /metrics: the format to the letter, and sums that balance whatever came.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local metrics = require "support.metrics"
local openpr = require "support.openpr"
local sign = require "support.sign"
local wait = require "support.wait"

local P = "openpr_webhook_"
local scrape, balanced = metrics.scrape, metrics.balanced

describe("/metrics", function()
  local d, o

  before_each(function() o = openpr.start() end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function status(m, name) return m.value(P .. "events_total", { status = name }) end
  local function rejected(m, reason) return m.value(P .. "rejected_total", { reason = reason }) end

  it("is the text format, from the first moment on", function()
    d = daemon.prepare({}, o):start()
    local m = balanced(d)
    assert.equal(0, m.sum(P .. "received_total"))
    assert.equal(1, m.value(P .. "ready"))
    for _, name in ipairs { "answer_seconds", "policy_seconds", "run_wait_seconds", "run_seconds", "report_seconds" } do
      assert.equal("histogram", m.families[P .. name])
    end
    assert.is_number(m.value(P .. "policy_workers_killed_total"))
    http.request(d.port, "GET", "/health")
    http.request(d.port, "GET", "/ready")
    assert.equal(0, balanced(d).sum(P .. "received_total"))
  end)

  it("counts runs, reports, and how long they took", function()
    d = daemon.prepare({}, o):start()
    local function assign(directives)
      return d:ended(d:post((o:knows(event.issue { description = directives }):assigned())).json.run_id)
    end
    assign ""
    assign "STAND-IN: exit 2"
    local m = balanced(d)
    assert.equal(2, status(m, "queued"))
    assert.equal(2, m.value(P .. "rules_total", { status = "dispatched", rule = "bot name" }))
    assert.equal(2, m.value(P .. "runs_started_total"))
    assert.equal(1, m.value(P .. "runs_ended_total", { outcome = "success" }))
    assert.equal(1, m.value(P .. "runs_ended_total", { outcome = "failure" }))
    assert.equal(2, m.value(P .. "run_seconds_count"))
    assert.equal(2, m.value(P .. "run_wait_seconds_count"))
    assert.equal(2, m.value(P .. "policy_seconds_count", { hook = "decide" }))
    assert.is_true(m.value(P .. "policy_seconds_count", { hook = "callback" }) >= 2)
    local delivered = m.value(P .. "reports_total", { result = "delivered" })
    assert.is_true(delivered >= 4)
    assert.equal(delivered, m.value(P .. "report_seconds_count"))
    assert.equal(0, m.value(P .. "reports_pending"))
    assert.equal(0, m.value(P .. "tasks", { state = "waiting" }))
  end)

  it("shows what waits", function()
    d = daemon.prepare({ executor = { max_concurrent = 1 } }, o):start()
    local first = d:post((o:knows(event.issue { description = "STAND-IN: sleep 30" }):assigned())).json.run_id
    local second = d:post((o:knows(event.issue {}):assigned())).json.run_id
    wait.eventually("one runs and one waits", function()
      local m = scrape(d)
      return m.value(P .. "tasks", { state = "running" }) == 1 and m.value(P .. "tasks", { state = "waiting" }) == 1
    end)
    d:verb("cancel", second)
    d:verb("cancel", first)
    d:ended(first)
    local m = balanced(d)
    assert.equal(1, m.value(P .. "runs_ended_total", { outcome = "cancelled" }))
    assert.equal(0, m.value(P .. "tasks", { state = "waiting" }))
  end)

  it("keeps rules apart, also strange ones, and no more than there is room for", function()
    d = daemon.prepare({}, o)
    daemon.write(d.dir .. "/filter.lua", [[
      local list = {}
      for n = 1, 220 do
        list[n] = { ('n%d"} 1 \\ é'):format(n), function(event) return event.issue.title == "t" .. n end, ignore }
      end
      return rules(list)
    ]])
    d:configure { policies = { dir = d.dir } }
    d:start()
    for n = 1, 220 do assert.equal("ignored", d:post((event.issue { title = "t" .. n }:assigned())).json.status) end
    local m = balanced(d)
    assert.equal(1, m.value(P .. "rules_total", { status = "ignored", rule = 'n1"} 1 \\ é' }))
    assert.equal(20, m.value(P .. "rules_total", { status = "ignored", rule = "(other)" }))
    assert.equal(201, #m.samples[P .. "rules_total"])
  end)

  it("balances after a hostile mix", function()
    d = daemon.prepare({ webhook = { max_body = 64 * 1024, head_timeout = 1, max_connections = 64 } }, o)
    daemon.write(d.dir .. "/filter.lua", [[
      return function(event)
        local title = event.issue and event.issue.title or ""
        if title == "raise" then error "no" end
        if title == "spin" then while true do end end
        if title == "ignore" then return ignore "not this one" end
        return accept
      end
    ]])
    d:configure { policies = { dir = d.dir } }
    d:start()
    local url = d.port
    local function signed(body) return { ["x-webhook-signature"] = "sha256=" .. sign.hmac(daemon.secret, body) } end
    local sockets = {}

    -- What never was a request: garbage, ambiguous heads, clients that are slow or leave.
    for _, bytes in ipairs {
      "GARBAGE\r\n\r\n", "POST /webhook HTTP/1.1\nHost: x\n\n", "POST /webhook HTTP/1.1\r\n\r\n",
      "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
      "POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1ffff\r\n" .. ("x"):rep(0x1ffff),
      "GET / HTTP/1.1\r\nHost: x\r\nX: " .. ("y"):rep(20000) .. "\r\n\r\n",
    } do
      pcall(http.raw, url, bytes, 5)
    end
    for n = 1, 6 do
      sockets[n] = http.connect(url)
      sockets[n]:send "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    end
    for _ = 1, 5 do
      local gone = http.connect(url)
      gone:send "POST /web"
      gone:close()
    end

    -- What was one, and nobody's.
    for n = 1, 10 do
      local body = (event.issue {}:assigned())
      d:post(body, { ["x-webhook-signature"] = n % 2 == 0 and "sha256=" .. ("0"):rep(64) or false })
    end
    http.request(url, "GET", "/nowhere")
    http.request(url, "GET", "/webhook")
    http.request(url, "PUT", "/health")

    -- Signed, and not an event; unknown; stale.
    for _, body in ipairs { "not json", "[1,2]", '{"event":"issue.assigned","timestamp":"yesterday"}',
                            '{"a":1,"a":2}', "" } do
      http.request(url, "POST", "/webhook", signed(body), body)
    end
    http.request(url, "POST", "/webhook", signed '{"what":"else"}', '{"what":"else"}')
    local old = event.json.decode((event.issue {}:assigned()))
    old.timestamp = "2020-01-01T00:00:00Z"
    d:post(event.json.encode(old))

    -- Events: taken, twice, at once, held by a policy that raises or spins, ignored.
    local ids = {}
    for n = 1, 12 do
      local issue = o:knows(event.issue { title = ({ "raise", "spin", "ignore" })[n % 4] or "go",
                                          description = "STAND-IN: final done" })
      local body = (issue:assigned())
      local first = d:post(body).json
      ids[#ids + 1] = first.run_id
      d:post(body)
      d:post(body)
    end
    local crowd = {}
    for n = 1, 20 do
      local body = (event.issue { title = n % 2 == 0 and "ignore" or "raise" }:assigned())
      crowd[n] = http.connect(url)
      crowd[n]:send(http.text("POST", "/webhook", signed(body), body))
      if n % 5 == 0 then crowd[n]:close() end -- leaves before its answer
    end
    for n = 1, 20 do
      if n % 5 ~= 0 then assert(http.read(crowd[n])) end
    end

    -- No gate, then safe mode.
    d:configure { features = { cli_executor = false } }
    assert.equal(0, (d:verb "reload"))
    assert.equal("disabled", d:post((event.issue { title = "go" }:assigned())).json.status)
    d:configure { features = { cli_executor = true }, executor = { safe_mode = true } }
    assert.equal(0, (d:verb "reload"))
    assert.equal("observed", d:post((event.issue { title = "go" }:assigned())).json.status)
    d:configure { executor = { safe_mode = false } }
    assert.equal(0, (d:verb "reload"))
    for _, id in ipairs(ids) do d:ended(id) end
    for n = 1, 6 do
      assert.equal(408, http.read(sockets[n]).status)
      sockets[n]:close()
    end

    local m = balanced(d)
    for _, reason in ipairs { "bad_head", "too_large", "no_signature", "bad_signature", "bad_method", "not_found",
                              "timeout", "invalid", "stale" } do
      assert.is_true(rejected(m, reason) > 0, reason)
    end
    for _, name in ipairs { "queued", "duplicate", "held", "ignored", "disabled", "observed" } do
      assert.is_true(status(m, name) > 0, name)
    end
    assert.equal(5, rejected(m, "bad_signature"))
    assert.equal(5, rejected(m, "no_signature"))
    assert.equal(6, rejected(m, "timeout"))
    assert.equal(3, status(m, "queued"))
    assert.is_true(m.value(P .. "policy_workers_killed_total") >= 3)
  end)
end)
