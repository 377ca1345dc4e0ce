-- Each type with no gate but its own (gates_spec.lua has what a shut one does), in safe mode, and several of different
-- types for one event.

local daemon = require "support.daemon"
local event = require "support.event"
local gateway = require "support.gateway"
local openpr = require "support.openpr"
local wait = require "support.wait"

describe("types of agents", function()
  local d, g, o

  -- An agent of each type, and the gate that it needs (false: none of the four).
  local types = {
    { "cli", "cli_executor", function() return { type = "cli", cli = "claude-code", env = { OPW_MARK = d.dir } } end },
    { "webhook", "webhook_forward", function()
      return { type = "webhook", url = g.url .. "/hook", allow_private = true }
    end },
    { "openclaw", false, function() return { type = "openclaw", url = g.url, token = gateway.token } end },
    { "openprx", false, function() return { type = "openprx", url = g.url, token = gateway.token } end },
  }
  local GATES = { "cli_executor", "webhook_forward" }

  local function features(open, only)
    local all = {}
    for _, gate in ipairs(GATES) do all[gate] = open and (not only or gate == only) end
    return all
  end

  local function start(agent, gates, more)
    o, g = openpr.start(), gateway.start()
    d = daemon.prepare({}, o)
    d.config.features, d.config.agents = gates, { default = agent() }
    d:configure(more)
    d:start()
  end
  after_each(function()
    d:close()
    g:stop()
    o:stop()
  end)

  local function reload(gates, more)
    d.config.features = gates
    d:configure(more)
    local code, _, why = d:verb "reload"
    assert.equal(0, code, why)
  end

  local function assign()
    local issue = o:knows(event.issue { description = "STAND-IN: final done" })
    return d:post((issue:assigned())), issue
  end

  -- Whether anything has reached an agent.
  local function reached()
    if d:log():find "msg=started" then return true end
    for _, request in ipairs(g:state().requests) do
      if request.path ~= "/_control" then return true end
    end
    return false
  end

  for _, case in ipairs(types) do
    local name, gate, agent = table.unpack(case)

    it(name .. " works with its own gate alone", function()
      start(agent, features(true, gate or "none"))
      local answer, issue = assign()
      assert.equal("dispatched", answer.json.status, answer.body)
      assert.equal("success", d:ended(answer.json.run_id).outcome)
      assert.equal(1, #o:issue(issue.id).comments)
    end)

    it(name .. " does nothing in safe mode, and goes on afterwards", function()
      start(agent, features(true), { executor = { safe_mode = true } })
      local answer = assign()
      assert.same({ 200, "observed" }, { answer.status, answer.json.status })
      local stored = d:json("events", "--json")[1].event_id
      assert.equal("observed", d:json("release", "--json", stored).status)
      wait.pause(1.2) -- a tick of the dispatcher
      assert.is_false(reached())
      assert.same({}, o:requests("POST", "/comments"))
      reload(features(true), { executor = { safe_mode = false } })
      local released = d:json("release", "--json", stored)
      assert.equal("success", d:ended(released.run_id).outcome)
    end)
  end

  it("safe mode switched on by reload starts nothing more, and lets a conversation end", function()
    start(types[4][3], features(true), { executor = { max_concurrent = 1 } })
    g:set { takes = 2 }
    local first = assign()
    wait.eventually("the first runs", function() return g:state().jobs[1] end)
    local second = assign()
    reload(features(true), { executor = { safe_mode = true } })
    assert.equal("success", d:ended(first.json.run_id, true).outcome)
    wait.pause(1.2)
    assert.equal(1, g:state().runs)
    assert.equal("waiting", d:json("show", "--json", second.json.run_id).state)
    assert.same({}, o:requests("POST", "/comments"))
    reload(features(true), { executor = { safe_mode = false } })
    assert.equal("success", d:ended(second.json.run_id).outcome)
    d:ended(first.json.run_id)
    assert.equal(2, #o:requests("POST", "/comments"))
  end)

  it("a task that was put off is held when its gate is shut meanwhile", function()
    start(types[2][3], features(true))
    g:fails { path = "^/hook$", status = 503, times = 0 }
    local answer = assign()
    wait.eventually("it is put off", function() return d:log():find "put off" end)
    reload(features(true, "cli_executor"))
    local held = wait.eventually("it is held", function()
      local run = d:json("show", "--json", answer.json.run_id)
      return run.held and run
    end)
    assert.matches("gate webhook_forward is off", held.note)
  end)

  it("several agents of different types each do their task, and each reports", function()
    start(types[1][3], features(true), { policies = { dir = "policies" } })
    assert(require("luv").fs_mkdir(d.dir .. "/policies", 448))
    daemon.write(d.dir .. "/policies/route.lua",
                 'return rules { { "all", when.always, to { "default", "forward", "claw", "prx" } } }')
    local agents = { forward = types[2][3](), claw = types[3][3](), prx = types[4][3]() }
    reload(features(true), { agents = agents })
    local answer, issue = assign()
    assert.equal(4, #answer.json.runs, answer.body)
    for _, one in ipairs(answer.json.runs) do assert.equal("success", d:ended(one.run_id).outcome) end
    local comments = o:issue(issue.id).comments
    assert.equal(4, #comments)
    for n, one in ipairs(answer.json.runs) do
      assert.is_truthy(comments[n].body:find("run " .. one.run_id, 1, true), comments[n].body)
    end
    -- One whose gate is off is left out, and named.
    reload(features(true, "cli_executor"))
    answer = assign()
    assert.same({ "dispatched", 3, "webhook_forward" }, { answer.json.status, #answer.json.runs, answer.json.gate })
  end)
end)
