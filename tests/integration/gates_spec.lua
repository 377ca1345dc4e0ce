-- Every gate and safe mode, for every type of agent and every path by which an event comes to one: nothing is started
-- or sent, and the answer, the record and the log name what was shut.

local daemon = require "support.daemon"
local event = require "support.event"
local gateway = require "support.gateway"
local openpr = require "support.openpr"
local uv = require "luv"
local wait = require "support.wait"

-- By type: the gate, the agent that needs it, and whether that agent has done anything.
local types = {
  {
    name = "cli", gate = "cli_executor",
    agent = function(d)
      return { type = "cli", cli = "claude-code", env = { OPW_MARK = d.dir, STAND_IN = "write started" } }
    end,
    worked = function(d) return uv.fs_stat(d.dir .. "/repo/started") ~= nil end,
  },
  {
    name = "webhook", gate = "webhook_forward", peer = true,
    agent = function(_, g) return { type = "webhook", url = g.url .. "/hook", allow_private = true } end,
    worked = function(_, g) return #g:requests "/hook" > 0 end,
  },
}

-- By path: brings one event to the agent while the gate is shut.  Returns what was answered, and the id of the run or
-- the event that the record is kept under.
local paths = {
  {
    name = "a webhook",
    bring = function(d, issue)
      local answer = d:post((issue:assigned()))
      return answer.json, answer.status, 200
    end,
  },
  {
    name = "an AI task",
    bring = function(d, issue, o)
      local body, id = issue:task()
      o:knows(issue, id)
      local answer = d:post(body)
      return answer.json, answer.status, 503
    end,
  },
  {
    name = "release",
    before = function(d, issue) return d:post((issue:assigned())).json.event_id end,
    shut_before = true,
    bring = function(d, _, _, event_id) return d:json("release", "--json", event_id), 200, 200 end,
  },
}

for _, kind in ipairs(types) do
  describe(("agents of type %s"):format(kind.name), function()
    local d, g, o, issue

    -- What the log says from here on.
    local from
    local function said() return d:log():sub(from) end

    local function set(gate, safe_mode)
      d:configure { features = { [kind.gate] = gate }, executor = { safe_mode = safe_mode or false } }
      if d.child then assert.equal(0, (d:verb "reload")) end
    end

    local function nothing_done()
      assert.is_false(kind.worked(d, g))
      assert.same({}, o:requests("POST", "/comments"))
      assert.same({}, o:requests("PATCH", issue.id))
    end

    before_each(function()
      o = openpr.start()
      d = daemon.prepare({ features = { cli_executor = false } }, o)
      d:configure { agents = { default = daemon.source "nil" } }
      g = kind.peer and gateway.start()
      d:configure { agents = { default = kind.agent(d, g) } }
      issue = o:knows(event.issue())
      from = 1
    end)
    after_each(function()
      d:close()
      if g then g:stop() end
      o:stop()
    end)

    for _, path in ipairs(paths) do
      it(("%s, with the gate off: disabled, by name"):format(path.name), function()
        set(false)
        d:start()
        local prepared = path.before and path.before(d, issue)
        from = #d:log() + 1
        local answer, status, expected = path.bring(d, issue, o, prepared)
        assert.same({ "disabled", kind.gate, expected }, { answer.status, answer.gate, status })
        local record = d:json("events", "--json", "--status", "disabled")[1]
        assert.same({ answer.event_id, kind.gate }, { record.event_id, record.gate })
        if not path.shut_before then assert.matches("gate=" .. kind.gate, said()) end
        nothing_done()
      end)

      it(("%s, in safe mode: observed"):format(path.name), function()
        set(true, true)
        d:start()
        local prepared = path.before and path.before(d, issue)
        local answer, status, expected = path.bring(d, issue, o, prepared)
        assert.same({ "observed", "default", expected }, { answer.status, answer.agent, status })
        assert.matches("safe mode", answer.reason)
        assert.equal(answer.event_id, d:json("events", "--json", "--status", "observed")[1].event_id)
        nothing_done()
      end)
    end

    -- One task that waits for another of the same agent.
    local function queued()
      d:configure { agents = { default = { max_concurrent = 1 } },
                    features = { cli_executor = true },
                    executor = { max_concurrent = 1 } }
      d:configure { agents = { busy = { type = "cli", cli = "claude-code", env = { OPW_MARK = d.dir } } } }
      set(true)
      daemon.write(d.dir .. "/route.lua",
        'return function(event) return event.issue.title == "first" and to "busy" or to "default" end')
      d:configure { policies = { dir = d.dir } }
      d:start()
      local first = o:knows(event.issue { title = "first", description = "STAND-IN: sleep 30" })
      local blocking = d:post((first:assigned())).json.run_id
      wait.eventually("it runs", function() return d:json("show", "--json", blocking).state == "running" end)
      return blocking, d:post((issue:assigned())).json
    end

    it("a reload that shuts the gate while a task waits: held, by name, and released when it is open", function()
      local blocking, waiting = queued()
      from = #d:log() + 1
      set(false)
      assert.equal(0, (d:verb("cancel", blocking)))
      local run = wait.eventually("it is held", function()
        return d:run(function(run) return run.run_id == waiting.run_id and run.held end)
      end)
      assert.matches("the gate " .. kind.gate .. " is off", run.note)
      assert.matches("msg=held[^\n]*the gate " .. kind.gate .. " is off", said())
      assert.is_false(kind.worked(d, g))
      set(true)
      local released = d:json("release", "--json", waiting.event_id)
      assert.equal("dispatched", released.status)
      assert.equal("success", d:ended(released.run_id).outcome)
      assert.is_true(kind.worked(d, g))
    end)

    it("retry, with the gate off: refused, by name, and run once it is open", function()
      set(true)
      d:start()
      local id = d:post((issue:assigned())).json.run_id
      assert.equal("success", d:ended(id).outcome)
      set(false)
      local before = #d:json("runs", "--json")
      from = #d:log() + 1
      local code, _, why = d:verb("retry", id)
      assert.equal(1, code)
      assert.matches("the gate " .. kind.gate .. " is off", why)
      assert.matches("gate=" .. kind.gate, said())
      assert.equal(before, #d:json("runs", "--json"))
      set(true)
      assert.equal("success", d:ended(d:json("retry", "--json", id).run_id).outcome)
    end)

    it("a reload into safe mode while a task waits: it waits on, and is done afterwards", function()
      local blocking, waiting = queued()
      set(true, true)
      assert.equal(0, (d:verb("cancel", blocking)))
      d:ended(blocking, true)
      wait.pause(0.5)
      assert.equal("waiting", d:json("show", "--json", waiting.run_id).state)
      assert.is_false(kind.worked(d, g))
      set(true, false)
      assert.equal("success", d:ended(waiting.run_id).outcome)
      assert.is_true(kind.worked(d, g))
    end)

    it("retry in safe mode: it waits, and is done afterwards", function()
      set(true)
      d:start()
      local id = d:post((issue:assigned())).json.run_id
      d:ended(id)
      set(true, true)
      local again = d:json("retry", "--json", id).run_id
      wait.pause(0.5)
      assert.equal("waiting", d:json("show", "--json", again).state)
      set(true, false)
      assert.equal("success", d:ended(again).outcome)
    end)
  end)
end
