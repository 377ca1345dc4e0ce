-- What happens when a part of the daemon cannot start, or dies: nothing is begun that nobody would answer for.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

describe("starting", function()
  local d, o

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({}, o)
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  -- Leaves a task that waits, with no daemon running.
  local function leave_a_task()
    d:start()
    local issue = o:knows(event.issue { description = "STAND-IN: write started.txt yes" })
    assert.equal(0, (d:verb "drain"))
    local answer = d:post((issue:assigned())).json
    assert.equal("dispatched", answer.status)
    assert.equal(0, d:stop())
    d.child = nil
    return answer.run_id, issue
  end

  it("begins no work when the port is taken", function()
    local id, issue = leave_a_task()
    local taken = uv.new_tcp()
    assert(taken:bind("127.0.0.1", 0))
    assert(taken:listen(1, function() end))
    d:configure { webhook = { listen = "127.0.0.1:" .. taken:getsockname().port } }
    local code, _, said = process.run({ daemon.program, "--config", d.dir .. "/config.lua" }, d.env, "/", 30)
    taken:close()
    assert.is_true(code ~= 0)
    assert.matches("%d", said)
    assert.is_nil(said:find("msg=started", 1, true), said)
    assert.is_nil(uv.fs_stat(d.dir .. "/repo/started.txt"))
    assert.same({ "waiting", 1 }, { d:json("show", "--json", id).state, d:json("show", "--json", id).attempt })
    assert.equal("todo", o:issue(issue.id).state)
    d:configure { webhook = { listen = "127.0.0.1:0" } }
    d:start()
    assert.same({ "success", 1 }, { d:ended(id).outcome, d:ended(id).attempt })
  end)

  it("begins no work when the admin socket cannot be made", function()
    local id = leave_a_task()
    d:configure { admin = { listen = "unix:/proc/admin.sock" } }
    local code, _, said = process.run({ daemon.program, "--config", d.dir .. "/config.lua" }, d.env, "/", 30)
    assert.is_true(code ~= 0)
    assert.is_nil(said:find("msg=started", 1, true), said)
    d:configure { admin = daemon.source "nil" }
    d:start()
    assert.same({ "success", 1 }, { d:ended(id).outcome, d:ended(id).attempt })
  end)

  it("a zygote that is killed ends the daemon in order, and the next one decides what came meanwhile", function()
    d:configure { executor = { drain_secs = 20 } }
    d:start()
    local busy_issue = o:knows(event.issue { description = "STAND-IN: sleep 8\nSTAND-IN: final Finished." })
    local busy = d:post((busy_issue:assigned())).json.run_id
    wait.eventually("it runs", function() return d:json("show", "--json", busy).state == "running" end)
    for _, line in ipairs(process.marked(d.dir)) do
      local pid = line:match "^%d+"
      if io.open("/proc/" .. pid .. "/stat"):read("a"):find("(opw-zygote)", 1, true) then
        uv.kill(tonumber(pid), "sigkill")
      end
    end
    wait.eventually("it drains", function() return d:log():find("msg=draining", 1, true) end)
    for _ = 1, 2 do
      local answer = d:post((o:knows(event.issue()):assigned()))
      assert.same({ 202, "held" }, { answer.status, answer.json.status })
    end
    assert.equal(503, http.request(d.port, "GET", "/ready").status)
    assert.equal(1, (d.child:wait(60)))
    d:start()
    -- They are decided by the daemon itself, without being released.
    wait.eventually(function() return "all have run\n" .. d:log() end, function()
      local runs = d:json("runs", "--json")
      for _, run in ipairs(runs) do
        if run.outcome ~= "success" then return false end
      end
      return #runs == 3
    end, 30)
    assert.equal(1, d:ended(busy).attempt)
    assert.equal(200, http.request(d.port, "GET", "/ready").status)
  end)
end)
