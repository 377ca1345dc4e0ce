-- What goes on, waits or stays as it was when OpenPR, a person or an operator comes between.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

describe("surviving", function()
  local d, o

  local function start(config)
    o = openpr.start()
    d = daemon.prepare(config, o):start()
  end
  after_each(function()
    d:close()
    o:stop()
  end)

  local function issue_that(directives) return o:knows(event.issue { description = directives }) end

  local function dispatched(body)
    local answer = d:post(body).json
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    return answer.run_id
  end

  local function show(id) return d:json("show", "--json", id) end

  local function becomes(wanted, get)
    local last
    wait.eventually(function() return ("%s, not %s\n%s"):format(last, wanted, d:log()) end, function()
      last = get()
      return last == wanted
    end, 30)
  end

  local function state_becomes(id, state) becomes(state, function() return show(id).state end) end

  local function comments(issue) return #o:issue(issue.id).comments end

  it("an OpenPR that cannot tell the issue: the mention waits, and no attempt is used", function()
    start()
    o:fails { method = "GET", path = "/issues/", times = 2, status = 502 }
    local issue = issue_that "FETCHED-DESCRIPTION"
    local id = dispatched((issue:mentioned { text = ("@default STAND-IN: print-prompt %s/prompt"):format(d.dir) }))
    becomes(true, function() return type(show(id).note) == "string" end)
    assert.same({ "waiting", 1 }, { show(id).state, show(id).attempt })
    local run = d:ended(id)
    assert.same({ "success", 1 }, { run.outcome, run.attempt })
    local file = assert(io.open(d.dir .. "/prompt"))
    assert.is_truthy(file:read("a"):find("FETCHED-DESCRIPTION", 1, true))
    file:close()
  end)

  it("an issue that is gone before its mention is rendered: cancelled, and nothing runs", function()
    start()
    local issue = issue_that ""
    o:control { gone = { issue.id } }
    local id = dispatched((issue:mentioned()))
    assert.equal("cancelled", d:ended(id).outcome)
    assert.is_nil(d:log():find("msg=started", 1, true))
  end)

  it("a state that a person sets before the run starts stays", function()
    start { executor = { max_concurrent = 1 } }
    local busy = dispatched((issue_that "STAND-IN: sleep 2":assigned()))
    state_becomes(busy, "running")
    local issue = issue_that ""
    local id = dispatched((issue:assigned()))
    o:person_sets(issue.id, "backlog")
    assert.equal("success", d:ended(id).outcome)
    assert.same({ "backlog", 1 }, { o:issue(issue.id).state, comments(issue) })
  end)

  it("the start is told once, also when the run is done again after a crash", function()
    start()
    local issue = issue_that "STAND-IN: sleep 2"
    dispatched((issue:assigned()))
    becomes("in_progress", function() return o:issue(issue.id).state end)
    o:person_sets(issue.id, "backlog")
    d:kill9()
    d:start()
    becomes(1, function() return comments(issue) end)
    wait.eventually("all is reported", function()
      return not d:run(function(run) return run.state ~= "ended" or run.report == "pending" end)
    end)
    assert.equal("backlog", o:issue(issue.id).state)
    assert.equal(1, #o:requests("PUT", issue.id))
  end)

  it("safe mode lets a run end, and keeps its report and what waits until it is over", function()
    start { executor = { max_concurrent = 1 } }
    local first_issue, second_issue = issue_that "STAND-IN: sleep 2", issue_that ""
    local first = dispatched((first_issue:assigned()))
    state_becomes(first, "running")
    becomes("in_progress", function() return o:issue(first_issue.id).state end)
    local second = dispatched((second_issue:assigned()))
    d:configure { executor = { safe_mode = true } }
    assert.equal(0, (d:verb "reload"))
    local requests = #o:state().requests
    assert.equal("success", d:ended(first, true).outcome)
    wait.pause(2)
    assert.same({ "pending", "waiting" }, { show(first).report, show(second).state })
    assert.equal(requests, #o:state().requests)
    d:configure { executor = { safe_mode = false } }
    assert.equal(0, (d:verb "reload"))
    assert.same({ "success", "delivered" }, { d:ended(second).outcome, d:ended(first).report })
    assert.same({ 1, 1 }, { comments(first_issue), comments(second_issue) })
  end)

  it("a run of an earlier daemon that still holds the directory keeps the next one there waiting, no other", function()
    if not process.sees_all then return pending "runners are found by root alone" end
    start { queue = { max_attempts = 1 } }
    assert(uv.fs_mkdir(d.dir .. "/elsewhere", 448))
    local first = dispatched((issue_that "STAND-IN: stop-runner\nSTAND-IN: sleep 60":assigned()))
    state_becomes(first, "running")
    local function runner()
      for _, line in ipairs(process.marked(d.dir .. "/state/locks")) do
        local pid = tonumber(line:match "^%d+")
        local file = io.open("/proc/" .. pid .. "/stat")
        local stopped = file and file:read("a"):match "%) T "
        if file then file:close() end
        if stopped then return pid end
      end
    end
    local pid = wait.eventually("the runner is stopped", runner)
    d:kill9()
    daemon.write(d.dir .. "/route.lua", [[
      return function(event) return to(event.issue.description == "elsewhere" and "other" or "default") end
    ]])
    d:configure {
      policies = { dir = d.dir },
      agents = {
        other = { type = "cli", cli = "codex", working_dir = d.dir .. "/elsewhere", env = { OPW_MARK = d.dir } },
      },
    }
    d:start()
    local second = dispatched((issue_that "":assigned()))
    local third = dispatched((issue_that "elsewhere":assigned()))
    assert.equal("success", d:ended(third).outcome)
    assert.equal("waiting", show(second).state)
    assert.is_nil(d:run(function(run) return run.state == "running" end))
    uv.kill(pid, "sigcont")
    assert.equal("success", d:ended(second).outcome)
    assert.is_false(process.alive(pid))
    assert.equal("interrupted", show(first).outcome)
  end)

  it("events that come while runs are being interrupted are kept, too", function()
    start { executor = { drain_secs = 1 } }
    local issue = issue_that "STAND-IN: ignore-term\nSTAND-IN: sleep 3"
    local first = dispatched((issue:assigned()))
    state_becomes(first, "running")
    d.child:kill "sigterm"
    wait.pause(2.5) -- the agent does not heed the signal, and is killed after 5 s
    local late_issue = issue_that "STAND-IN: final Kept."
    local late = dispatched((late_issue:assigned()))
    assert.equal(0, (d.child:wait(30)))
    d:start()
    assert.equal("success", d:ended(late).outcome)
    becomes(1, function() return comments(late_issue) end)
    becomes(1, function() return comments(issue) end)
  end)

  -- SIGKILLs the daemon and its runners, with no moment between.
  local function kill_all()
    uv.kill(d.child.pid, "sigstop")
    for _, line in ipairs(process.marked(d.dir .. "/state/locks")) do
      local pid = tonumber(line:match "^%d+")
      if pid ~= d.child.pid then uv.kill(pid, "sigkill") end
    end
    d:kill9()
    d.child = nil
  end

  it("a daemon and a runner that are killed at once leave no agent", function()
    start()
    state_becomes(dispatched((issue_that "STAND-IN: sleep 60":assigned())), "running")
    wait.pause(0.5)
    kill_all()
    wait.eventually(function() return "all is gone:\n" .. table.concat(process.marked(d.dir), "\n") end,
                    function() return #process.marked(d.dir) == 0 end, 10)
  end)

  it("and what the agent left then is ended before the next run in its directory begins", function()
    if not process.sees_all then return pending "runners are found by root alone" end
    start()
    local issue = issue_that "STAND-IN: double-fork\nSTAND-IN: sleep 3"
    state_becomes(dispatched((issue:assigned())), "running")
    wait.eventually("it has forked", function() return table.concat(process.marked(d.dir)):find("up.2", 1, true) end)
    wait.pause(0.3)
    kill_all()
    wait.pause(0.5)
    local left = process.marked(d.dir)
    assert.is_true(#left > 0)
    d:start()
    state_becomes(dispatched((issue_that "STAND-IN: sleep 1":mentioned())), "ended")
    becomes(1, function() return comments(issue) end)
    for _, line in ipairs(left) do assert.is_false(process.alive(line:match "^%d+"), line) end
    for name in uv.fs_scandir_next, assert(uv.fs_scandir(d.dir .. "/state/runs")) do
      assert.is_nil(name:match "%.tmp$")
    end
  end)
end)
