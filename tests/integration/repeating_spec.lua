-- What comes late, again, in another order, or at the wrong moment.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local uv = require "luv"
local wait = require "support.wait"

describe("repeating", function()
  local d, o

  local function start(config)
    o = openpr.start()
    d = daemon.prepare(config, o):start()
  end
  after_each(function()
    d:close()
    o:stop()
  end)

  local function post(body)
    local response = d:post(body)
    return response.json, response.status
  end

  local function issue_that(directives)
    local issue = event.issue { description = directives }
    local body, task = issue:task()
    o:knows(issue, task)
    return issue, body, task
  end

  local function dispatched(body)
    local answer = post(body)
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    return answer.run_id, answer
  end

  local function show(id) return d:json("show", "--json", id) end

  local function running(id)
    wait.eventually(function() return "it runs\n" .. d:log() end, function() return show(id).state == "running" end)
  end

  local function restart()
    assert.equal(0, d:stop())
    d:start()
  end

  local function task_becomes(task, status)
    local last
    wait.eventually(function() return ("AI task: %s, not %s\n%s"):format(last, status, d:log()) end, function()
      last = o:task(task).status
      return last == status
    end)
  end

  it("mentions run in the order of their timestamps, whatever the order of arrival", function()
    start()
    local issue = issue_that "STAND-IN: sleep 2"
    local busy = dispatched((issue:assigned { at = -100 }))
    running(busy)
    local ids = {}
    for _, at in ipairs { -10, -40, -20, -30 } do
      ids[-at] = dispatched((issue:mentioned { at = at, text = "@default number " .. -at }))
    end
    local before = d:ended(busy)
    for _, at in ipairs { 40, 30, 20, 10 } do
      local run = d:ended(ids[at])
      assert.is_true(run.started_at >= before.ended_at, at .. " overtook")
      before = run
    end
  end)

  it("deliveries and AI tasks are duplicates after a restart, too, and run nothing", function()
    start()
    local issue, task_body, task = issue_that ""
    local body = issue:assigned()
    local id, first = dispatched(body)
    assert.equal("joined", post(task_body).status)
    d:ended(id)
    task_becomes(task, "completed")
    restart()
    local again, status = post(body)
    assert.same({ "duplicate", 200, id, first.event_id }, { again.status, status, again.run_id, again.event_id })
    again, status = post(task_body)
    assert.same({ "duplicate", 200, id }, { again.status, status, again.run_id })
    -- A later attempt of what has ended well: nothing runs, and it is completed again.
    o:control { tasks = { { id = task, bot = issue.bot.id, issue = issue.id, attempts = 2 } } }
    again = post((issue:task { id = task, attempts = 2 }))
    assert.equal(id, again.run_id)
    task_becomes(task, "completed")
    assert.same({ 1, 1 }, { #d:json("runs", "--json"), #o:issue(issue.id).comments })
  end)

  it("an AI task that was held is taken when OpenPR sends it again, once", function()
    start()
    assert(uv.fs_mkdir(d.dir .. "/policies", 448))
    daemon.write(d.dir .. "/policies/filter.lua", 'return function() error "not yet" end')
    d:configure { policies = { dir = d.dir .. "/policies" } }
    assert.equal(0, (d:verb "reload"))
    local issue, task_body, task = issue_that ""
    local held, status = post(task_body)
    assert.same({ "held", 503 }, { held.status, status })
    -- The same bytes again are still not taken.
    local again
    again, status = post(task_body)
    assert.same({ "duplicate", 503 }, { again.status, status })

    assert(uv.fs_unlink(d.dir .. "/policies/filter.lua"))
    assert.equal(0, (d:verb "reload"))
    local id = dispatched((issue:task { id = task, attempts = 2 }))
    d:ended(id)
    task_becomes(task, "completed")
    assert.same({}, d:json("events", "--json", "--status", "held"))
    assert.equal(1, (d:verb("release", held.event_id)))
    assert.equal(1, #d:json("runs", "--json"))
  end)

  it("a held event and its AI task are still one task when it is released", function()
    start()
    assert(uv.fs_mkdir(d.dir .. "/policies", 448))
    daemon.write(d.dir .. "/policies/filter.lua", [[
      return function(event)
        if event.name == "issue.assigned" then error "not yet" end
        return accept
      end
    ]])
    d:configure { policies = { dir = d.dir .. "/policies" } }
    assert.equal(0, (d:verb "reload"))
    local issue, task_body, task = issue_that ""
    local held = post(issue:assigned())
    assert.equal("held", held.status)
    local id = dispatched(task_body)
    d:ended(id)
    assert(uv.fs_unlink(d.dir .. "/policies/filter.lua"))
    assert.equal(0, (d:verb "reload"))
    local released = d:json("release", "--json", held.event_id)
    assert.same({ "joined", id }, { released.status, released.run_id })
    task_becomes(task, "completed")
    assert.same({ 1, 1 }, { #d:json("runs", "--json"), #o:issue(issue.id).comments })
  end)

  it("a cancellation at the moment of the end makes one outcome and one comment", function()
    start { executor = { max_concurrent = 1 } }
    local issues = {}
    for n = 1, 8 do
      local issue, task_body, task = issue_that "STAND-IN: sleep 0.4"
      local id = dispatched((issue:assigned { at = -10 }))
      assert.equal("joined", post(task_body).status)
      running(id)
      wait.pause(0.25 + n * 0.05)
      post(issue:unassigned())
      issues[n] = { issue, id, task }
    end
    for n, one in ipairs(issues) do
      local run = d:ended(one[2])
      assert.is_true(run.outcome == "cancelled" or run.outcome == "success", run.outcome)
      task_becomes(one[3], run.outcome == "success" and "completed" or "pending")
      assert.equal(1, #o:issue(one[1].id).comments, n .. ": " .. run.outcome)
    end
    assert.equal(8, #d:json("runs", "--json"))
  end)

  it("work for several agents is one AI task, ended when all have, and the route's time limit holds", function()
    start()
    assert(uv.fs_mkdir(d.dir .. "/policies", 448))
    daemon.write(d.dir .. "/policies/route.lua",
                 'return rules { { "both", when.always, to({ "default", "other" }, { timeout = 1 * seconds }) } }')
    d:configure { policies = { dir = d.dir .. "/policies" },
                  agents = { other = { type = "cli", cli = "codex", env = { OPW_MARK = d.dir } } } }
    assert.equal(0, (d:verb "reload"))
    local issue, task_body, task = issue_that "STAND-IN: sleep 60"
    local _, answer = dispatched((issue:assigned()))
    assert.same({ "default", "other" }, { answer.runs[1].agent, answer.runs[2].agent })
    assert.same(answer.runs, post(task_body).runs)
    local first = d:ended(answer.runs[1].run_id)
    assert.equal(0, #o:requests("POST", "/fail"))
    local second = d:ended(answer.runs[2].run_id)
    assert.same({ "timeout", "timeout" }, { first.outcome, second.outcome })
    assert.is_true(second.started_at >= first.ended_at)
    wait.eventually("the AI task is failed", function() return #o:requests("POST", "/fail") == 1 end)
    task_becomes(task, "pending")
    assert.equal(2, #o:issue(issue.id).comments)
  end)

  it("a directory that a reload gives to another agent is not shared with the run that is in it", function()
    local bots = { default = event.bot, other = { id = event.id(), name = "other" } }
    start { executor = { max_concurrent = 4 } }
    local issue = issue_that "STAND-IN: sleep 3"
    local first = dispatched((issue:assigned()))
    running(first)
    assert(uv.fs_mkdir(d.dir .. "/elsewhere", 448))
    d:configure { agents = { default = { working_dir = d.dir .. "/elsewhere" },
                             other = { type = "cli", cli = "codex", working_dir = d.dir .. "/repo/.",
                                       env = { OPW_MARK = d.dir } } } }
    assert.equal(0, (d:verb "reload"))
    local second = dispatched((event.issue { bot = bots.other }:assigned()))
    local before, after = d:ended(first), d:ended(second, true)
    assert.is_true(after.started_at >= before.ended_at)
  end)

  it("a reload while runs go on and events come costs none of them", function()
    start { executor = { max_concurrent = 2 } }
    local ids = {}
    for n = 1, 12 do
      ids[n] = dispatched((issue_that "STAND-IN: sleep 0.2":assigned()))
      if n % 2 == 0 then d.child:kill "sighup" end
    end
    for _, id in ipairs(ids) do
      local run = d:ended(id)
      assert.same({ "success", "delivered", 1 }, { run.outcome, run.report, run.attempt })
    end
  end)

  it("an event at the moment at which a reload adds its agent waits for no operator", function()
    start()
    d:verb "drain"
    for round = 1, 6 do
      local name = "agent" .. round
      d:configure { agents = { [name] = { type = "cli", cli = "codex", env = { OPW_MARK = d.dir } } } }
      local reloaded = select(2, d:log():gsub("msg=reloaded", ""))
      d.child:kill "sighup"
      repeat
        local answer, status = post((event.issue { bot = { id = event.id(), name = name } }:assigned()))
        assert.equal(202, status, event.json.encode(answer))
      until select(2, d:log():gsub("msg=reloaded", "")) > reloaded
    end
    wait.eventually(function() return d:log() end,
                    function() return #d:json("events", "--json", "--status", "held") == 0 end)
  end)

  it("no secret is in an answer, though a policy puts it there", function()
    start()
    assert(uv.fs_mkdir(d.dir .. "/policies", 448))
    daemon.write(d.dir .. "/policies/filter.lua", "return function(event) error(event.issue.title) end")
    d:configure { policies = { dir = d.dir .. "/policies" } }
    assert.equal(0, (d:verb "reload"))
    local response = d:post((event.issue { title = "a " .. o.token .. " b " .. daemon.secret }:assigned()))
    assert.equal("held", response.json.status)
    assert.is_nil(response.body:find(o.token, 1, true) or response.body:find(daemon.secret, 1, true), response.body)
    assert.is_nil(d:log():find(o.token, 1, true) or d:log():find(daemon.secret, 1, true))
  end)
end)
