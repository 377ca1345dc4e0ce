-- A busy tunnel whose daemon is killed again and again, over a link that drops, delays, doubles, corrupts and swallows:
-- in the end every dispatch is acknowledged, was run to its end exactly once, and is answered with that.
--
-- OPW_CHAOS_SECS is how long the kills go on (default 20).

local control_plane = require "support.control_plane"
local daemon = require "support.daemon"
local event = require "support.event"
local uv = require "luv"
local wait = require "support.wait"

local SECONDS = tonumber(os.getenv "OPW_CHAOS_SECS" or 20)

local faults = {
  function() return { drop = true } end,
  function() return { faults = { duplicate = { times = 3 } } } end,
  function() return { faults = { corrupt = { times = 1 } } } end,
  function() return { faults = { swallow = { times = 1 } } } end,
  function() return { faults = { delay = 0.2 } } end,
  function() return { faults = { lose = { type = "task.ack" } } } end,
  function() return { faults = { lose = { type = "task.result" } } } end,
  function() return { faults = { drop_on = { type = "task.ack" } } } end,
  function() return { faults = { drop_on = { type = "task.result" } } } end,
  function() return { faults = { refuse = { status = 503, times = 1 } } } end,
}

describe("a busy tunnel", function()
  local d, plane

  setup(function()
    plane = control_plane.start()
    d = daemon.prepare(plane:config { heartbeat_secs = 1 })
    local agents = {}
    for n = 1, 3 do
      local folder = ("%s/repo%d"):format(d.dir, n)
      assert(uv.fs_mkdir(folder, 448))
      agents["worker" .. n] = { type = "cli", cli = "claude-code", working_dir = folder, env = { OPW_MARK = d.dir } }
    end
    d:configure { agents = agents, executor = { max_concurrent = 3 }, queue = { max_attempts = 20 } }
  end)
  teardown(function()
    d:close()
    plane:stop()
  end)

  local ids = {}

  local function dispatch_more()
    local some = {}
    for _ = 1, math.random(1, 3) do
      local id = ("job-%d"):format(#ids + 1)
      ids[#ids + 1] = id
      some[#some + 1] = { run_id = id, agent = "worker" .. math.random(3), issue_id = "issue-" .. math.random(5),
                          body = ("STAND-IN: sleep %.1f\nSTAND-IN: final %s is done"):format(math.random() * 0.8, id) }
    end
    plane:ask { dispatch = some }
    if math.random() < 0.3 then plane:ask { dispatch = { some[1] } } end -- a repeat
  end

  local function unanswered(state)
    local left = {}
    for _, id in ipairs(ids) do
      local job = state.jobs[id]
      if #job.acks == 0 or #job.results == 0 then left[#left + 1] = id end
    end
    return left
  end

  it("loses nothing and runs nothing twice, however often the daemon is killed", function()
    local kills, deadline = 0, uv.hrtime() + SECONDS * 1e9
    d:start()
    while uv.hrtime() < deadline do
      dispatch_more()
      plane:ask(faults[math.random(#faults)]())
      wait.pause(math.random() * 1.5)
      dispatch_more()
      d:kill9()
      kills = kills + 1
      d:start()
    end
    plane:ask { faults = { duplicate = false, corrupt = false, swallow = false, delay = false, lose = false,
                           drop_on = false, refuse = false } }

    -- A control plane repeats what is not acknowledged; the link itself says nothing of what was swallowed.
    local asked_at = 0
    wait.eventually(function()
      return ("all are answered, but %s\n%s"):format(table.concat(unanswered(plane:state()), " "), d:log())
    end, function()
      local state = plane:state()
      if uv.hrtime() - asked_at > 2e9 and #state.open > 0 then
        asked_at = uv.hrtime()
        for _, id in ipairs(ids) do
          if #state.jobs[id].acks == 0 then plane:ask { dispatch = { state.jobs[id].payload } } end
        end
      end
      return #unanswered(state) == 0
    end, 60 + SECONDS)

    local state, seen, count = plane:state(), {}, 0
    for _, id in ipairs(ids) do
      local results = state.jobs[id].results
      for _, result in ipairs(results) do
        assert.same({ "success", id .. " is done", results[1].run }, { result.status, result.summary, result.run })
      end
      assert.is_nil(seen[results[1].run], "one run answers two dispatches")
      seen[results[1].run] = id
    end
    local all = d:json("runs", "--json", "--limit", "1000") -- the newest
    for _, run in ipairs(all) do
      assert.equal("ended", run.state, event.json.encode(run))
      if run.outcome ~= "interrupted" then
        count = count + 1
        assert.is_truthy(seen[run.run_id], "a run to its end that answers nothing: " .. event.json.encode(run))
      end
    end
    if #all < 1000 then assert.equal(#ids, count) end
    print(("# %d dispatches, %d kills"):format(#ids, kills))
    assert.is_true(kills >= 3)
  end)
end)
