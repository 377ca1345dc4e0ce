-- Agents of type openclaw, against a stand-in that answers as OpenClaw's documentation says.

local daemon = require "support.daemon"
local event = require "support.event"
local gateway = require "support.gateway"
local openpr = require "support.openpr"
local wait = require "support.wait"

describe("openclaw", function()
  local d, g, o

  local function start(agent, settings)
    o, g = openpr.start(), gateway.start(settings)
    d = daemon.prepare({ features = { cli_executor = false } }, o)
    d.config.agents = { default = { type = "openclaw", url = g.url, token = gateway.token } }
    for name, value in pairs(agent or {}) do d.config.agents.default[name] = value end
    d:configure()
    d:start()
  end
  after_each(function()
    d:close()
    g:stop()
    o:stop()
  end)

  local function assign(description)
    local issue = o:knows(event.issue { description = description })
    local answer = d:post((issue:assigned())).json
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    return answer.run_id, issue
  end

  local function run(description)
    local id, issue = assign(description)
    return d:ended(id), issue
  end

  local function sent(path)
    local bodies = {}
    for n, request in ipairs(g:requests(path or "/hooks/agent")) do bodies[n] = event.json.decode(request.body) end
    return bodies
  end

  it("is given the prompt, waited for, and the issue is told how it ended", function()
    start({ agent_id = "main", model = "gpt-x", thinking = "high", session = "hook:openpr", channel = "slack",
            to = "channel:C1", timeout_secs = 60 }, { takes = 0.3 })
    local ended, issue = run "Look at the login"
    assert.same({ "success", "delivered", "hook-run-1" }, { ended.outcome, ended.report, ended.session_id })
    local bodies = sent()
    assert.equal(2, #bodies)
    local body = bodies[1]
    assert.matches("Look at the login", body.message)
    assert.same({ "main", "gpt-x", "high", "hook:openpr", "slack", "channel:C1", 60, ended.run_id, true },
                { body.agentId, body.model, body.thinking, body.sessionKey, body.channel, body.to,
                  body.timeoutSeconds, body.idempotencyKey, body.deliver })
    -- The second one only waits: OpenClaw knows the work by all that it is.
    assert.is_nil(body.waitForCompletion)
    assert.is_true(bodies[2].waitForCompletion)
    bodies[2].waitForCompletion = nil
    assert.same(body, bodies[2])
    assert.equal("Bearer " .. gateway.token, g:requests("/hooks/agent")[1].headers.authorization)
    assert.equal(1, g:state().runs)
    local comment = o:issue(issue.id).comments[1].body
    assert.matches("OpenClaw's agent has finished %(its run hook%-run%-1%)%. Its reply was delivered", comment)
    assert.equal("done", o:issue(issue.id).state)
  end)

  it("sets the issue in progress while it works, and delivers nowhere without a channel", function()
    start({}, { takes = 2 })
    local id, issue = assign()
    wait.eventually("the issue is in progress", function() return o:issue(issue.id).state == "in_progress" end)
    assert.equal("running", d:json("show", "--json", id).state)
    assert.equal("success", d:ended(id).outcome)
    assert.is_false(sent()[1].deliver)
  end)

  it("is not waited for without wait: the work was handed on, which is not done", function()
    start { wait = false }
    local ended, issue = run()
    assert.equal("success", ended.outcome)
    assert.equal(1, #sent())
    assert.matches("how it ends is not known here", o:issue(issue.id).comments[1].body)
    assert.equal("in_progress", o:issue(issue.id).state)
  end)

  for status, words in pairs { error = "ended with an error", skipped = "skipped" } do
    it("fails when its agent ends with " .. status, function()
      start({}, { status = status })
      local ended, issue = run()
      assert.equal("failure", ended.outcome)
      assert.matches(words, ended.cause)
      assert.matches(words, o:issue(issue.id).comments[1].body)
    end)
  end

  for status, words in pairs { [400] = "no such agent", [401] = "not accepted", [403] = "not allowed",
                               [404] = "nothing under", [405] = "does not take", [413] = "too large",
                               [302] = "redirects" } do
    it(("is over with %d, at once"):format(status), function()
      start()
      g:fails { path = "^/hooks/agent$", status = status, body = '{"ok":false,"error":"no such agent"}' }
      local ended = run()
      assert.same({ "failure", 1 }, { ended.outcome, #sent() })
      assert.matches(("OpenClaw answered %d.*%s"):format(status, words), ended.cause)
    end)
  end

  for _, fault in ipairs { { status = 408 }, { status = 429, headers = { ["retry-after"] = "1" } }, { status = 500 },
                           { status = 502, body = '{"ok":false,"error":"preparation failed"}' },
                           { status = 503, headers = { ["retry-after"] = "2" } }, { close = true },
                           { garbage = true } } do
    it("asks again after " .. event.json.encode(fault) .. ", with the same key", function()
      start { wait = false }
      fault.path = "^/hooks/agent$"
      g:fails(fault)
      local ended = run()
      assert.same({ "success", 1 }, { ended.outcome, ended.attempt })
      local bodies = sent()
      assert.equal(2, #bodies)
      assert.equal(bodies[1].idempotencyKey, bodies[2].idempotencyKey)
      assert.equal(1, g:state().runs)
    end)
  end

  it("takes 409 for done already when the key was sent before, and for a conflict when not", function()
    start { wait = false }
    g:fails { path = "^/hooks/agent$", close = true, handled = true }
    g:fails { path = "^/hooks/agent$", status = 409, body = '{"ok":false,"error":"duplicate"}' }
    local ended = run()
    assert.equal("success", ended.outcome)
    assert.matches("has had this work already", ended.final_text)
    g:fails { path = "^/hooks/agent$", status = 409, body = '{"ok":false,"error":"the session changed"}' }
    ended = run()
    assert.equal("failure", ended.outcome)
    assert.matches("409: its session cannot take the work %(the session changed%)", ended.cause)
    g:fails { path = "^/hooks/agent$", status = 409, body = '{"ok":false,"error":"again","runId":"hook-run-1"}' }
    assert.equal("success", run().outcome)
  end)

  it("waits for a gateway that is away", function()
    start()
    g:leave()
    local id = assign()
    wait.eventually("the run is put off", function() return d:log():find "put off" end)
    assert.equal("waiting", d:json("show", "--json", id).state)
    g:back()
    local ended = d:ended(id)
    assert.same({ "success", 1 }, { ended.outcome, ended.attempt })
  end)

  it("does the work once, whatever kills us while it is done", function()
    start({}, { takes = 2 })
    assign()
    wait.eventually("its agent works", function() return #sent() >= 2 end)
    d:kill9()
    d:start()
    local second = wait.eventually("a second attempt", function()
      return d:run(function(one) return one.attempt == 2 end)
    end)
    assert.same({ "success", 1 }, { d:ended(second.run_id).outcome, g:state().runs })
    for _, body in ipairs(sent()) do assert.equal(sent()[1].idempotencyKey, body.idempotencyKey) end
    assert.equal(0, (d:verb("retry", second.run_id)))
    wait.eventually("it is done once more", function() return g:state().runs == 2 end)
  end)

  it("does not ask again when the gateway goes away while it works", function()
    start({}, { takes = 30 })
    local id = assign()
    wait.eventually("its agent works", function() return #sent() >= 2 end)
    g:leave()
    local ended = d:ended(id)
    assert.equal("failure", ended.outcome)
    assert.matches("what became of it is not known", ended.cause)
    g:back()
  end)

  it("says that it cannot stop its agent when the run is cancelled or out of time", function()
    start({ timeout_secs = 2 }, { takes = 30 })
    local id, issue = assign()
    wait.eventually("its agent works", function() return #sent() >= 2 end)
    assert.equal(0, (d:verb("cancel", id)))
    assert.equal("cancelled", d:ended(id).outcome)
    assert.matches("cannot be told to stop", o:issue(issue.id).comments[1].body)
    local ended = run()
    assert.equal("timeout", ended.outcome)
    assert.matches("cannot be told to stop", ended.cause)
  end)

  it("refuses a prompt that is larger than the gateway takes, without sending it", function()
    start()
    local ended = run(("\1"):rep(60 * 1024)) -- six bytes each in JSON
    assert.equal("failure", ended.outcome)
    assert.matches("bytes, and OpenClaw takes 262144", ended.cause)
    assert.same({}, sent())
  end)

  it("shows its token nowhere", function()
    start()
    g:fails { path = "^/hooks/agent$", status = 400, body = "bad token " .. gateway.token }
    local ended = run()
    assert.matches("%[secret%]", ended.cause)
    local _, printed = d:verb "print-config"
    assert.is_nil(printed:find(gateway.token, 1, true) or d:log():find(gateway.token, 1, true))
  end)

  describe("as a chat message", function()
    it("is sent by the message tool, without any model", function()
      start { mode = "message", channel = "signal", to = "+491701234567" }
      local ended, issue = run "Tell them"
      assert.equal("success", ended.outcome)
      local body = sent("/tools/invoke")[1]
      assert.same({ "message", "send", "signal", "+491701234567" },
                  { body.tool, body.action, body.args.channel, body.args.target })
      assert.matches("Tell them", body.args.message)
      assert.equal(0, g:state().runs)
      assert.equal("in_progress", o:issue(issue.id).state)
    end)

    it("fails where the tool is not allowed, and is not sent twice when its end is not known", function()
      start({ mode = "message", channel = "signal", to = "+491701234567" }, { allowed = false })
      local ended = run()
      assert.equal("failure", ended.outcome)
      assert.matches("Tool not available", ended.cause)
      g:set { allowed = true }
      g:fails { path = "^/tools/invoke$", close = true, handled = true }
      ended = run()
      assert.equal("failure", ended.outcome)
      assert.matches("may have arrived, so it is not sent again", ended.cause)
      assert.equal(2, #sent "/tools/invoke")
    end)
  end)
end)
