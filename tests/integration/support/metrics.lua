-- What a running daemon tells at /metrics, and that it adds up.

local assert = require "luassert"
local exposition = require "support.exposition"
local http = require "support.http"
local wait = require "support.wait"

local P = "openpr_webhook_"
local metrics = {}

function metrics.scrape(d)
  local answer = assert(http.request(d.dir .. "/admin.sock", "GET", "/metrics"))
  assert.equal(200, answer.status)
  assert.equal("text/plain; version=0.0.4; charset=utf-8", answer.headers["content-type"])
  return exposition.read(answer.body)
end

-- Once nothing is on its way any more: everything that came became something.
function metrics.balanced(d)
  local m = wait.eventually("every event has its answer", function()
    local now = metrics.scrape(d)
    return now.value(P .. "events_open") == 0 and now
  end)
  local events, verified = m.sum(P .. "events_total"), m.value(P .. "verified_total")
  local function late(reason) return m.value(P .. "rejected_total", { reason = reason }) end
  assert.equal(m.sum(P .. "received_total"), m.sum(P .. "rejected_total") + events)
  local dispatches = m.value(P .. "received_total", { source = "tunnel" })
  assert.equal(verified + dispatches, events + late "invalid" + late "stale")
  assert.equal(verified, m.value(P .. "answer_seconds_count"))
  assert.equal(events - m.value(P .. "events_total", { status = "unavailable" }), m.sum(P .. "rules_total"))
  return m
end

return metrics
