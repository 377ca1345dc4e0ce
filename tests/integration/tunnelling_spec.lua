-- What goes over the tunnel: dispatches that become runs, and what the control plane is told of them.

local control_plane = require "support.control_plane"
local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local wait = require "support.wait"

describe("over the tunnel", function()
  local d, o, plane

  -- config is laid over that of the tunnel; tunnel over its options.
  local function start(config, tunnel)
    plane = control_plane.start()
    d = daemon.prepare(plane:config(tunnel), o)
    d:configure(config)
    d:start()
    plane:connected()
  end

  after_each(function()
    d:close()
    plane:stop()
    if o then o:stop() end
    o = nil
  end)

  local function dispatch(...) plane:ask { dispatch = { ... } } end

  -- A dispatch in the control plane's own words.
  local function words(run_id, text) return { run_id = run_id, body = text } end

  local function acknowledged(run_id, count)
    return plane:until_state("ack of " .. run_id, function(state)
      local one = state.jobs[run_id]
      return one and #one.acks >= (count or 1) and one.acks[count or 1]
    end)
  end

  local function answered(run_id, count)
    return plane:until_state("result of " .. run_id .. "\n" .. d:log(), function(state)
      local one = state.jobs[run_id]
      return one and #one.results >= (count or 1) and one.results[count or 1]
    end, 40)
  end

  local function progress(run_id, state)
    return plane:until_state(("%s is %s"):format(run_id, state), function(now)
      for _, message in ipairs(now.messages) do
        local payload = message.payload
        local told = message.type == "task.progress" and payload.run_id == run_id
        if told and payload.state == state then return payload end
      end
    end)
  end

  local function runs() return #d:json("runs", "--json") end

  it("a dispatch is acknowledged, run and answered, in this order", function()
    start()
    dispatch { run_id = "r1", issue_id = "i-1", body = "STAND-IN: sleep 1\nSTAND-IN: final It is tidy now." }
    local result = answered "r1"
    assert.same({ "success", "It is tidy now.", "default", "i-1", 1, 0 },
      { result.status, result.summary, result.agent, result.issue_id, result.attempt, result.exit_code })
    assert.same({ run_id = "r1", issue_id = "i-1", status = "accepted" }, acknowledged "r1")
    local run = d:json("show", "--json", result.run)
    assert.same({ "tunnel", "tunnel.dispatch", "default agent" }, { run.event.source, run.event.name, run.event.rule })
    local order = {}
    for _, message in ipairs(plane:state().messages) do
      if message.type ~= "heartbeat" then
        assert.equal("good", message.signature)
        if order[#order] ~= message.type then order[#order + 1] = message.type end
      end
    end
    assert.same({ "task.ack", "task.progress", "task.result" }, order)
  end)

  it("the example of the protocol is work for the default agent", function()
    start()
    dispatch { run_id = "r1", issue_id = "a1b2c3d4-1111-4222-8333-444455556666",
               body = { data = { issue = { id = "a1b2c3d4-1111-4222-8333-444455556666",
                                           title = "STAND-IN: print-prompt " .. d.dir .. "/prompt" } } } }
    assert.equal("success", answered("r1").status)
    local file = assert(io.open(d.dir .. "/prompt"))
    local prompt = file:read "a"
    file:close()
    assert.is_truthy(prompt:find("Issue a1b2c3d4-1111-4222-8333-444455556666", 1, true), prompt)
    assert.is_truthy(prompt:find("print-prompt", 1, true))
  end)

  it("the same run_id is acknowledged and answered again, and not run again", function()
    start()
    dispatch(words("r1", "STAND-IN: final once"))
    answered "r1"
    dispatch(words("r1", "STAND-IN: final twice"))
    acknowledged("r1", 2)
    assert.equal("once", answered("r1", 2).summary)
    assert.equal(1, runs())
  end)

  it("what is repeated while it runs is acknowledged, and answered once it has ended", function()
    start()
    dispatch(words("r1", "STAND-IN: sleep 2"))
    progress("r1", "running")
    dispatch(words("r1", "STAND-IN: sleep 2"))
    acknowledged("r1", 2)
    assert.equal("success", answered("r1").status)
    assert.equal(1, runs())
  end)

  it("every end has its status, its cause and its output", function()
    start { executor = { timeout_secs = 3 } }
    dispatch(words("r1", "STAND-IN: stderr it went wrong here\nSTAND-IN: fail"))
    local failed = answered "r1"
    assert.equal("failed", failed.status)
    assert.is_truthy(failed.summary:find "%a")
    assert.is_truthy(failed.output:find("it went wrong here", 1, true), failed.output)
    dispatch(words("r2", "STAND-IN: sleep 60"))
    assert.same({ "timeout", true }, { answered("r2").status, answered("r2").summary:find "time limit" ~= nil })
  end)

  it("what starts nothing is acknowledged, and fails with the reason", function()
    start()
    dispatch({ run_id = "agent", agent = "nobody", body = "do it" }, { run_id = "empty" },
      { run_id = "edit", body = select(2, event.issue():edited()) })
    for id, wanted in pairs { agent = { "no_agent", "agent of the dispatch" }, empty = { "ignored", "empty dispatch" },
                              edit = { "ignored", "edit" } } do
      local result = answered(id)
      assert.same({ "failed", wanted[1], wanted[2] }, { result.status, result.reason, result.rule })
      assert.is_truthy(result.summary:find "%a")
      acknowledged(id)
    end
    assert.is_truthy(answered("agent").summary:find('no agent "nobody"', 1, true))
    assert.equal(0, runs())
  end)

  it("a gate that is off is named, and the dispatch is not released behind the control plane's back", function()
    start { features = { cli_executor = false } }
    dispatch(words("r1", "do it"))
    local result = answered "r1"
    assert.same({ "failed", "disabled", "cli_executor" }, { result.status, result.reason, result.gate })
    assert.is_false(d:json("events", "--json")[1].releasable)
  end)

  it("the dispatch's agent overrules the route", function()
    start { agents = { other = { type = "cli", cli = "codex", env = { OPW_MARK = "x" } } } }
    dispatch({ run_id = "r1", agent = "other", body = "do it" }, { run_id = "r2", body = "do it" })
    assert.same({ "other", "default" }, { answered("r1").agent, answered("r2").agent })
  end)

  it("tunnel.skip_filter makes work of everything that is dispatched, and of nothing else", function()
    start({}, { skip_filter = true })
    local body, edit = event.issue():edited()
    dispatch { run_id = "r1", body = edit }
    assert.equal("success", answered("r1").status)
    local other = event.issue():edited()
    assert.equal("ignored", d:post(other).json.status)
    assert.is_string(body)
  end)

  it("the caps are those of webhooks, and runs of one issue follow each other", function()
    start { executor = { max_concurrent = 4 }, agents = { other = { type = "cli", cli = "codex",
      working_dir = "/tmp", env = { OPW_MARK = "x" } } } }
    dispatch { run_id = "r1", issue_id = "i", body = "STAND-IN: sleep 3" }
    progress("r1", "running")
    dispatch { run_id = "r2", issue_id = "i", agent = "other", body = "do it" }
    acknowledged "r2"
    assert.equal("waiting", d:run(function(run) return run.agent == "other" end).state)
    answered "r2"
    local first, second = answered "r1", answered "r2"
    assert.is_true(d:json("show", "--json", second.run).started_at >= d:json("show", "--json", first.run).ended_at)
  end)

  -- ---- beside webhooks ----

  it("a dispatch joins what came as a webhook, and is answered with its result", function()
    o = openpr.start()
    start()
    local issue = o:knows(event.issue { description = "STAND-IN: sleep 1\nSTAND-IN: final joined" })
    local posted = d:post((issue:created())).json
    dispatch { run_id = "r1", body = select(2, issue:assigned()) }
    local result = answered "r1"
    assert.same({ "success", "joined", posted.run_id }, { result.status, result.summary, result.run })
    d:ended(posted.run_id)
    assert.same({ 1, 1 }, { runs(), #o:issue(issue.id).comments })
  end)

  it("one delivery is one run, whichever way it comes and comes again", function()
    start()
    local text, body = event.issue { description = "STAND-IN: final one" }:assigned()
    dispatch { run_id = "r1", body = body }
    local result = answered "r1"
    assert.same({ "joined", result.run }, { d:post(text).json.status, d:post(text).json.run_id })
    dispatch { run_id = "r2", body = body }
    assert.equal(result.run, answered("r2").run)
    assert.equal(1, runs())
  end)

  it("OpenPR is told as for a webhook, and asked for what the prompt lacks", function()
    o = openpr.start()
    start()
    local issue = o:knows(event.issue { description = "STAND-IN: final commented" })
    dispatch({ run_id = "r1", body = select(2, issue:assigned()) }, { run_id = "r2", issue_id = issue.id })
    assert.equal("commented", answered("r1").summary)
    assert.equal("commented", answered("r2").summary)
    d:ended(answered("r1").run)
    d:ended(answered("r2").run)
    assert.same({ 2, "done" }, { #o:issue(issue.id).comments, o:issue(issue.id).state })
  end)

  it("an AI task in a dispatch is completed, and its repetition over HTTP starts nothing", function()
    o = openpr.start()
    start()
    local issue = o:knows(event.issue { description = "STAND-IN: final done" })
    local text, task = issue:task()
    o:knows(issue, task)
    dispatch { run_id = "r1", body = event.json.decode(text) }
    local result = answered "r1"
    assert.equal("success", result.status)
    wait.eventually("the AI task is completed", function() return o:task(task).status == "completed" end)
    assert.equal(result.run, d:post(text).json.run_id)
    assert.equal(1, runs())
  end)

  it("without api_url only the tunnel is told, and nothing stays owed", function()
    start()
    dispatch { run_id = "r1", body = select(2, event.issue():assigned()) }
    local run = answered("r1").run
    local shown = wait.eventually("the result is confirmed", function()
      local one = d:json("show", "--json", run)
      return one.tunnel == "delivered" and one
    end)
    assert.same({}, shown.reports)
    assert.same({ "r1", "success" }, { shown.dispatches[1].run_id, shown.dispatches[1].status })
    local _, out = d:verb "runs"
    assert.is_truthy(out:match "TUNNEL" and out:match "delivered", out)
  end)
end)
