-- Agents of type openprx, against a stand-in that answers as PRX's sources say.

local daemon = require "support.daemon"
local event = require "support.event"
local gateway = require "support.gateway"
local openpr = require "support.openpr"
local wait = require "support.wait"

describe("openprx", function()
  local d, g, o

  local function start(agent, settings, more)
    o, g = openpr.start(), gateway.start(settings)
    d = daemon.prepare({ features = { cli_executor = false } }, o)
    d.config.agents = { default = { type = "openprx", url = g.url, token = gateway.token } }
    for name, value in pairs(agent or {}) do d.config.agents.default[name] = value end
    d:configure(more)
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

  -- Waits until the job of the nth request runs, and returns it.
  local function job(n)
    return wait.eventually("the job runs", function() return g:state().jobs[n or 1] end)
  end

  -- The run of a task's second attempt, when it has ended.
  local function second()
    local found = wait.eventually("a second attempt", function()
      return d:run(function(one) return one.attempt == 2 end)
    end)
    return d:ended(found.run_id)
  end

  it("is given the prompt, asked until it has ended, and its text is the report", function()
    start({}, { takes = 1, reply = "I fixed auth.c." })
    local ended, issue = run "Look at the login"
    assert.same({ "success", "delivered" }, { ended.outcome, ended.report })
    local post = g:requests "/webhook"
    assert.equal(1, #post)
    assert.same({ "mode=async", ended.run_id, "Bearer " .. gateway.token },
                { post[1].query, post[1].headers["x-idempotency-key"], post[1].headers.authorization })
    assert.matches("Look at the login", event.json.decode(post[1].body).message)
    assert.equal(g:state().jobs[1].job_id, ended.session_id)
    assert.matches("^I fixed auth%.c%.", o:issue(issue.id).comments[1].body)
    assert.equal("done", o:issue(issue.id).state)
    -- It was asked several times, and not as fast as it can be.
    local polls = #g:requests("/api/jobs/" .. ended.session_id)
    assert.is_true(polls >= 2 and polls < 10, polls)
  end)

  for name, case in pairs {
    failed = { { job = "failed" }, "the agent ran into a wall" },
    cancelled = { { job = "cancelled" }, "cancelled on PRX's side" },
    ["an answer of 503"] = { { http_status = 503 }, "%(503%): the model is not reachable" },
  } do
    it("fails when its job ends with " .. name, function()
      start({}, case[1])
      local ended, issue = run()
      assert.equal("failure", ended.outcome)
      assert.matches(case[2], ended.cause)
      assert.matches(case[2], o:issue(issue.id).comments[1].body)
    end)
  end

  for status, words in pairs { [400] = "Invalid JSON", [401] = "not accepted", [403] = "not allowed",
                               [404] = "nothing under", [413] = "too large" } do
    it(("is over with %d, at once"):format(status), function()
      start()
      g:fails { path = "^/webhook$", status = status, body = '{"error":"Invalid JSON body"}' }
      local ended = run()
      assert.same({ "failure", 1 }, { ended.outcome, #g:requests "/webhook" })
      assert.matches(("PRX answered %d.*%s"):format(status, words), ended.cause)
    end)
  end

  for status, words in pairs { request_conflict = "with another prompt", replay_unavailable = "does not keep",
                               retry_unavailable = "that failed" } do
    it("is over when the key was used before: " .. status, function()
      start()
      g:fails { path = "^/webhook$", status = 409, body = event.json.encode { status = status } }
      local ended = run()
      assert.equal("failure", ended.outcome)
      assert.matches("409.*" .. words, ended.cause)
    end)
  end

  for _, fault in ipairs { { status = 429, body = '{"error":"Too many","retry_after":1}' },
                           { status = 503, body = '{"error":"capacity","retryable":true}' }, { status = 500 },
                           { close = true }, { garbage = true } } do
    it("asks again after " .. event.json.encode(fault) .. ", with the same key", function()
      start()
      fault.path = "^/webhook$"
      g:fails(fault)
      local ended = run()
      assert.same({ "success", 1 }, { ended.outcome, ended.attempt })
      local posts = g:requests "/webhook"
      assert.equal(2, #posts)
      assert.equal(posts[1].headers["x-idempotency-key"], posts[2].headers["x-idempotency-key"])
    end)
  end

  it("finds a job again whose id was lost with the answer", function()
    start({}, { takes = 1.5 })
    g:fails { path = "^/webhook$", close = true, handled = true }
    local ended, issue = run()
    assert.same({ "success", 1 }, { ended.outcome, g:state().runs })
    assert.matches("The gateway's agent says: done", o:issue(issue.id).comments[1].body)
  end)

  it("goes on asking while the gateway cannot answer, and gives up a job that it does not know", function()
    start({}, { takes = 2 })
    g:fails { path = "^/api/jobs/", status = 502, times = 2 }
    g:fails { path = "^/api/jobs/", close = true }
    assert.equal("success", run().outcome)
    g:set { takes = 30 }
    local id = assign()
    job(2)
    g:control { forget = true }
    local ended = d:ended(id)
    assert.equal("failure", ended.outcome)
    assert.matches("does not know it any more", ended.cause)
  end)

  it("stops the job when the run is cancelled, and when its time is over", function()
    start({ timeout_secs = 2 }, { takes = 30 })
    local id = assign()
    job()
    assert.equal(0, (d:verb("cancel", id)))
    assert.equal("cancelled", d:ended(id).outcome)
    assert.equal("cancelled", g:state().jobs[1].status)
    assert.equal("timeout", run().outcome)
    assert.equal("cancelled", g:state().jobs[2].status)
  end)

  it("goes on with the same job after kill -9, without giving it the work again", function()
    start({}, { takes = 4 })
    local id, issue = assign()
    wait.eventually("the job is known", function()
      return d:json("show", "--json", id).session_id ~= event.json.null
    end)
    d:kill9()
    d:start()
    local ended = second()
    assert.same({ "success", 1 }, { ended.outcome, g:state().runs })
    assert.equal(1, #g:requests "/webhook")
    assert.equal("done", o:issue(issue.id).state)
    assert.equal(0, (d:verb("retry", ended.run_id)))
    wait.eventually("it is done once more", function() return g:state().runs == 2 end)
    local posts = g:requests "/webhook"
    assert.are_not.equal(posts[1].headers["x-idempotency-key"], posts[2].headers["x-idempotency-key"])
  end)

  it("leaves the job alone when the daemon is stopped, and finds it again", function()
    start({}, { takes = 4 }, { executor = { drain_secs = 0 } })
    local id = assign()
    wait.eventually("the job is known", function()
      return d:json("show", "--json", id).session_id ~= event.json.null
    end)
    assert.equal(0, d:stop())
    assert.equal("running", g:state().jobs[1].status)
    d:start()
    assert.same({ "success", 1 }, { second().outcome, g:state().runs })
  end)

  it("refuses a prompt that is larger than the gateway takes, without sending it", function()
    start()
    local ended = run(("x"):rep(70 * 1024))
    assert.equal("failure", ended.outcome)
    assert.matches("bytes, and PRX takes 65536", ended.cause)
    assert.same({}, g:requests "/webhook")
  end)

  it("shows its token nowhere", function()
    start()
    g:fails { path = "^/webhook$", status = 400, body = "bad token " .. gateway.token }
    assert.matches("%[secret%]", run().cause)
    local _, printed = d:verb "print-config"
    assert.is_nil(printed:find(gateway.token, 1, true) or d:log():find(gateway.token, 1, true))
  end)

  it("sends Signal messages, and none twice when its end is not known", function()
    o, g = openpr.start(), gateway.start()
    d = daemon.prepare({}, o)
    d.config.agents = { default = { type = "openprx", mode = "signal", signal_url = g.url, account = "+4930123456",
                                    to = "+491701234567" } }
    d:configure()
    d:start()
    local ended, issue = run "Tell them"
    assert.equal("success", ended.outcome)
    local message = g:state().messages[1]
    assert.same({ "+4930123456", { "+491701234567" } }, { message.number, message.recipients })
    assert.matches("Tell them", message.message)
    assert.equal("in_progress", o:issue(issue.id).state)
    g:fails { path = "^/v2/send$", status = 400, body = '{"error":"Unregistered user"}' }
    assert.matches("400 %(Unregistered user%)", run().cause)
    g:fails { path = "^/v2/send$", close = true, handled = true }
    assert.matches("may have arrived", run().cause)
    assert.equal(2, #g:state().messages)
  end)
end)
