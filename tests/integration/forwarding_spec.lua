-- Agents of type webhook: what is forwarded, how it is signed, where it may go, and what becomes of it when the
-- receiver fails.

local daemon = require "support.daemon"
local event = require "support.event"
local gateway = require "support.gateway"
local openpr = require "support.openpr"
local sign = require "support.sign"

local SECRET = "forward-secret-of-the-test"

describe("forwarding", function()
  local d, g, o

  -- A daemon with one webhook agent; `agent` is laid over it, `more` over the configuration.
  local function start(agent, more)
    o, g = openpr.start(), gateway.start()
    d = daemon.prepare({ features = { webhook_forward = true, cli_executor = true } }, o)
    d.config.agents = { default = { type = "webhook", url = g.url .. "/hook?key=of-the-path", allow_private = true,
                                    secret = SECRET } }
    for name, value in pairs(agent or {}) do d.config.agents.default[name] = value end
    d:configure(more)
    d:start()
  end
  after_each(function()
    d:close()
    g:stop()
    o:stop()
  end)

  local function assign()
    local issue = o:knows(event.issue())
    local body = issue:assigned()
    local answer = d:post(body).json
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    return answer.run_id, issue, body
  end

  it("sends the event's own bytes, signed, with its event and delivery, and reports the answer", function()
    start()
    local id, issue, body = assign()
    local ended = d:ended(id)
    assert.same({ "success", "delivered" }, { ended.outcome, ended.report })
    local requests = g:requests "/hook"
    assert.equal(1, #requests)
    local request, envelope = requests[1], event.json.decode(body)
    assert.same({ "POST", "key=of-the-path", body }, { request.method, request.query, request.body })
    assert.equal("sha256=" .. sign.hmac(SECRET, body), request.headers["x-webhook-signature"])
    assert.equal("application/json", request.headers["content-type"])
    assert.same({ "issue.assigned", envelope.id },
                { request.headers["x-webhook-event"], request.headers["x-webhook-delivery"] })
    local comment = o:issue(issue.id).comments[1].body
    assert.matches("handed on to " .. g.url:gsub("%p", "%%%0"), comment)
    assert.matches("thank you", comment)
    assert.is_nil(comment:find("of-the-path", 1, true))
    assert.is_nil(d:log():find("of-the-path", 1, true))
    -- Handed on is not done.
    assert.equal("in_progress", o:issue(issue.id).state)
  end)
end)
