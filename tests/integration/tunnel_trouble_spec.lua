-- What goes over the tunnel when the link fails, the daemon dies, somebody cancels, or a policy is broken.

local control_plane = require "support.control_plane"
local daemon = require "support.daemon"
local event = require "support.event"
local uv = require "luv"
local wait = require "support.wait"

describe("over a tunnel", function()
  local d, plane

  -- config is laid over that of the tunnel; tunnel over its options.
  local function start(config, tunnel)
    plane = control_plane.start()
    d = daemon.prepare(plane:config(tunnel))
    d:configure(config)
    d:start()
    plane:connected()
  end

  after_each(function()
    d:close()
    plane:stop()
  end)

  local function dispatch(...) plane:ask { dispatch = { ... } } end

  -- A dispatch in the control plane's own words.
  local function words(run_id, text) return { run_id = run_id, body = text } end

  local function job(run_id) return plane:state().jobs[run_id] end

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

  -- ---- the link, and restarts ----

  it("an ack that is lost is told again on the next connection", function()
    start()
    plane:ask { faults = { lose = { type = "task.ack" } } }
    dispatch(words("r1", "STAND-IN: sleep 1"))
    plane:connected(2)
    acknowledged "r1"
    assert.equal("success", answered("r1").status)
    assert.equal(1, runs())
  end)

  it("a result that is lost is told again, and one that was read is not", function()
    start()
    plane:ask { faults = { lose = { type = "task.result" } } }
    dispatch(words("r1", "do it"))
    answered "r1"
    wait.eventually("the result is confirmed", function() return d:json("runs", "--json")[1].tunnel == "delivered" end)
    plane:ask { drop = true }
    plane:connected(3)
    dispatch(words("r2", "do it"))
    answered "r2"
    assert.equal(1, #job("r1").results)
  end)

  it("a result that was made while the link was down goes out once it is up", function()
    start()
    dispatch(words("r1", "STAND-IN: sleep 1"))
    progress("r1", "running")
    plane:ask { faults = { refuse = { status = 503, times = 0 } }, drop = true }
    wait.eventually("it ends", function() return d:json("runs", "--json")[1].state == "ended" end)
    assert.same({}, job("r1").results)
    plane:ask { faults = { refuse = false } }
    assert.equal("success", answered("r1").status)
  end)

  it("a result survives the daemon that made it", function()
    start()
    dispatch(words("r1", "STAND-IN: sleep 1"))
    progress("r1", "running")
    plane:ask { faults = { refuse = { status = 503, times = 0 } }, drop = true }
    wait.eventually("it ends", function() return d:json("runs", "--json")[1].state == "ended" end)
    d:kill9()
    plane:ask { faults = { refuse = false } }
    d:start()
    assert.equal("success", answered("r1").status)
    assert.equal(1, runs())
  end)

  it("a run that a crash cut off is done again before anything is told", function()
    start()
    dispatch(words("r1", ("STAND-IN: write ran\nSTAND-IN: sleep 2")))
    progress("r1", "running")
    d:kill9()
    d:start()
    local result = answered "r1"
    assert.same({ "success", 2, 1 }, { result.status, result.attempt, #job("r1").results })
  end)

  it("safe mode takes the tunnel down and keeps what is owed until it is over", function()
    start()
    dispatch(words("r1", "STAND-IN: sleep 2"))
    progress("r1", "running")
    d:configure { executor = { safe_mode = true } }
    assert.equal(0, (d:verb "reload"))
    plane:until_state("no connection stands", function(state) return #state.open == 0 end)
    wait.eventually("it ends", function() return d:json("runs", "--json")[1].state == "ended" end)
    assert.same({}, job("r1").results)
    d:configure { executor = { safe_mode = false } }
    assert.equal(0, (d:verb "reload"))
    assert.equal("success", answered("r1").status)
  end)

  -- ---- cancelling ----

  local function cancel(run_id) plane:ask { send = { { type = "task.cancel", payload = { run_id = run_id } } } } end

  it("a cancel stops the run, and ends what waits", function()
    start { executor = { max_concurrent = 1 } }
    dispatch(words("r1", "STAND-IN: sleep 60"))
    progress("r1", "running")
    dispatch(words("r2", "do it"))
    acknowledged "r2"
    cancel "r2"
    assert.same({ "cancelled", "cancelled by the control plane" }, { answered("r2").status, answered("r2").summary })
    cancel "r1"
    assert.equal("cancelled", answered("r1").status)
    cancel "r1"
    assert.equal("cancelled", answered("r1", 2).status)
  end)

  it("a cancel that comes before its dispatch keeps it from running", function()
    start()
    cancel "r1"
    plane:until_state("the result", function() return plane:messages "task.result"[1] end)
    dispatch(words("r1", "do it"))
    acknowledged "r1"
    assert.same({ "cancelled", 0 }, { answered("r1").status, runs() })
  end)

  it("a bot that is taken off the issue by webhook cancels the dispatch", function()
    start()
    local issue = event.issue { description = "STAND-IN: sleep 60" }
    dispatch { run_id = "r1", body = select(2, issue:assigned()) }
    progress("r1", "running")
    d:post((issue:unassigned { at = 1 }))
    assert.equal("cancelled", answered("r1").status)
  end)

  -- ---- held ----

  it("what a policy failed on is held, said so, and answered when the operator has decided", function()
    start()
    assert(uv.fs_mkdir(d.dir .. "/policies", 448))
    daemon.write(d.dir .. "/policies/filter.lua", "return function() error 'broken' end")
    assert.equal(0, (d:verb "reload"))
    dispatch(words("r1", "do it"), words("r2", "do it"))
    acknowledged "r1"
    assert.is_truthy(progress("r1", "held").note:find("broken", 1, true))
    progress("r2", "held")
    assert.same({ 0, 0 }, { #job("r1").results, #job("r2").results })
    daemon.write(d.dir .. "/policies/filter.lua", "return function() return accept end")
    assert.equal(0, (d:verb "reload"))
    local events = d:json("events", "--json", "--status", "held")
    assert.equal(2, #events)
    assert.equal(0, (d:verb("release", events[2].event_id)))
    assert.equal(0, (d:verb("release", "--discard", events[1].event_id)))
    assert.equal("success", answered("r1").status)
    assert.same({ "failed", "ignored" }, { answered("r2").status, answered("r2").reason })
  end)

  it("a run again by the operator has a result of its own", function()
    start()
    dispatch(words("r1", "STAND-IN: fail"))
    local run = answered("r1").run
    assert.equal(0, (d:verb("retry", run)))
    assert.same({ "failed", 2 }, { answered("r1", 2).status, answered("r1", 2).attempt })
  end)

  -- ---- progress, and what is not taken ----

  it("a run's output is told while it goes on, without secrets", function()
    start { agents = { default = { env = { API_KEY = "sk-very-secret-key" } } } }
    dispatch(words("r1", "STAND-IN: stderr begins with sk-very-secret-key\nSTAND-IN: sleep 8"))
    local told = plane:until_state("output", function(state)
      for _, message in ipairs(state.messages) do
        local output = message.type == "task.progress" and message.payload.output
        if output and output:find("begins with", 1, true) then return message.payload end
      end
    end, 20)
    assert.is_nil(told.output:find("very-secret", 1, true))
    assert.is_truthy(told.output:find("[secret]", 1, true), told.output)
    assert.is_true(#told.output <= 2048)
    cancel "r1"
    answered "r1"
  end)

  it("what cannot be a dispatch gets an error, and the connection stays", function()
    start()
    plane:ask { send = { { type = "task.dispatch", payload = { run_id = ("x"):rep(257), body = "do it" } },
                         { type = "task.cancel", payload = { run_id = 5 } }, { type = "task.dance", payload = {} } } }
    plane:until_state("both errors", function() return #plane:messages "error" == 2 end)
    local reasons = {}
    for n, message in ipairs(plane:messages "error") do reasons[n] = message.payload.reason end
    assert.same({ "invalid_dispatch", "invalid_cancel" }, reasons)
    dispatch(words("r1", "do it"))
    assert.same({ "success", 1 }, { answered("r1").status, plane:state().stood })
  end)

  it("a dispatch without a run_id gets one, and a payload that is no dispatch is the body", function()
    start()
    plane:ask { send = { { type = "task.dispatch", payload = { body = "STAND-IN: final first" } },
                         { type = "task.dispatch", payload = "STAND-IN: final second" } } }
    local results = plane:until_state("two results", function()
      local found = plane:messages "task.result"
      return #found == 2 and found
    end, 40)
    local summaries = { results[1].payload.summary, results[2].payload.summary }
    table.sort(summaries)
    assert.same({ "first", "second" }, summaries)
    assert.not_equal(results[1].payload.run_id, results[2].payload.run_id)
    assert.same({ 36, 2 }, { #results[1].payload.run_id, #plane:messages "task.ack" })
  end)
end)
