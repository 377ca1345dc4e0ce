-- What a stop, a crash and a restart do to work that waits, runs or is being reported.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local process = require "support.process"
local sign = require "support.sign"
local wait = require "support.wait"

describe("restarting", function()
  local d, o

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({ executor = { drain_secs = 10 } }, o)
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function issue_that(directives)
    return o:knows(event.issue { description = directives })
  end

  local function assign(directives)
    local issue = issue_that(directives)
    local answer = d:post((issue:assigned())).json
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    return answer.run_id, issue
  end

  local function show(id) return d:json("show", "--json", id) end

  local function runs_now(id)
    wait.eventually(function() return "it runs\n" .. d:log() end, function() return show(id).state == "running" end)
  end

  -- Runs of the issue that were not cut off.
  local function whole_runs(issue)
    local count = 0
    for _, run in ipairs(d:json("runs", "--json", "--limit", "1000")) do
      if run.issue_id == issue.id and run.outcome and run.outcome ~= "interrupted" then count = count + 1 end
    end
    return count
  end

  local function agents()
    local found = {}
    for _, line in ipairs(process.marked(d.dir)) do
      if not line:find(d.dir .. "/config.lua", 1, true) then found[#found + 1] = line end
    end
    return found
  end

  describe("SIGTERM", function()
    it("lets a run finish within drain_secs, goes on receiving, starts nothing new", function()
      d:start()
      local id, issue = assign "STAND-IN: sleep 2\nSTAND-IN: final Finished."
      runs_now(id)
      d.child:kill "sigterm"
      wait.eventually("it drains", function() return d:log():find("msg=draining", 1, true) end)
      local late, late_issue = assign "STAND-IN: final Later."
      assert.equal(0, (d.child:wait(20)))
      d:start()
      assert.same({ "success", 1 }, { d:ended(id).outcome, d:ended(id).attempt })
      assert.equal("success", d:ended(late).outcome)
      assert.same({ 1, 1 }, { #o:issue(issue.id).comments, #o:issue(late_issue.id).comments })
      assert.is_true(show(late).started_at > show(id).ended_at)
    end)

    it("interrupts what takes longer, and that is no attempt", function()
      d:configure { executor = { drain_secs = 1 }, queue = { max_attempts = 1 } }
      d:start()
      local id, issue = assign "STAND-IN: sleep 4\nSTAND-IN: final Second time."
      runs_now(id)
      assert.equal(0, d:stop())
      assert.same({}, process.marked(d.dir))
      d:start()
      wait.eventually("it has run whole", function() return whole_runs(issue) == 1 end, 30)
      wait.eventually("the report", function() return #o:issue(issue.id).comments == 1 end)
      assert.matches("Second time%.", o:issue(issue.id).comments[1].body)
    end)

    it("twice ends the wait", function()
      d:configure { executor = { drain_secs = 60 } }
      d:start()
      runs_now((assign "STAND-IN: sleep 100"))
      d.child:kill "sigterm"
      wait.eventually("it drains", function() return d:log():find("msg=draining", 1, true) end)
      d.child:kill "sigterm"
      assert.equal(0, (d.child:wait(20)))
    end)
  end)

  describe("SIGKILL", function()
    it("takes the agents along, and the run is done again", function()
      d:start()
      local id, issue = assign "STAND-IN: ignore-term\nSTAND-IN: double-fork\nSTAND-IN: sleep 3"
      runs_now(id)
      wait.eventually("the agent works", function() return #agents() > 2 end)
      d:kill9()
      wait.eventually(function() return "all is gone: " .. table.concat(process.marked(d.dir), "\n") end,
                      function() return #process.marked(d.dir) == 0 end, 10)
      d:start()
      wait.eventually("it has run whole", function() return whole_runs(issue) == 1 end, 30)
      wait.eventually("the report", function() return o:issue(issue.id).state == "done" end)
      assert.equal(1, #o:issue(issue.id).comments)
    end)

    it("at max_attempts the run is reported as interrupted", function()
      d:configure { queue = { max_attempts = 2 } }
      d:start()
      local id, issue = assign "STAND-IN: sleep 60"
      for _ = 1, 2 do
        wait.eventually("it runs", function()
          return d:run(function(run) return run.issue_id == issue.id and run.state == "running" end)
        end)
        d:kill9()
        d:start()
      end
      wait.eventually("the report", function() return #o:issue(issue.id).comments == 1 end)
      assert.matches("interrupted", o:issue(issue.id).comments[1].body)
      assert.is_string(id)
      assert.is_nil(d:run(function(run) return run.state ~= "ended" end))
    end)

    it("loses no event that was acknowledged, and reports none twice", function()
      d:start()
      local issues, wanted = {}, 24
      for n = 1, wanted do issues[n] = issue_that "STAND-IN: final Done." end
      local acknowledged = {}
      local at = 1
      -- In the middle of everything, three times: receiving, running, reporting.
      for round = 1, 3 do
        local open = {}
        for n = at, at + wanted / 3 - 1 do
          local body = issues[n]:assigned()
          local head = { ["x-webhook-signature"] = sign.hmac(daemon.secret, body) }
          open[n] = http.connect(d.port)
          open[n]:send(http.text("POST", "/webhook", head, body))
        end
        wait.pause(0.1 * round)
        d:kill9()
        for n, connection in pairs(open) do
          local response = http.read(connection)
          if response then
            assert.equal(202, response.status)
            acknowledged[n] = true
          end
          connection:close()
        end
        at = at + wanted // 3
        d:start()
      end
      for n, issue in ipairs(issues) do
        if acknowledged[n] then
          wait.eventually(function() return ("issue %d is reported\n%s"):format(n, d:log()) end,
                          function() return #o:issue(issue.id).comments > 0 end, 60)
        end
      end
      wait.eventually("all has ended", function()
        return not d:run(function(run) return run.state ~= "ended" or run.report == "pending" end)
      end, 60)
      for _, issue in ipairs(issues) do
        assert.is_true(#o:issue(issue.id).comments <= 1)
        assert.is_true(whole_runs(issue) <= 1)
      end
    end)

    it("while a comment is being sent makes no second one", function()
      d:start()
      o:fails { method = "POST", path = "/comments$", handled = true, hang = true }
      local _, issue = assign "STAND-IN: final Once."
      wait.eventually("the comment arrived", function() return #o:issue(issue.id).comments == 1 end)
      d:kill9()
      d:start()
      wait.eventually("the rest is delivered", function() return o:issue(issue.id).state == "done" end, 30)
      assert.equal(1, #o:issue(issue.id).comments)
    end)
  end)

  it("refuses to start beside another daemon on the same queue", function()
    d:start()
    local code, _, said = process.run({ daemon.program, "--config", d.dir .. "/config.lua" }, d.env, "/", 20)
    assert.is_true(code ~= 0)
    assert.matches("another", said)
    assert.equal(200, http.request(d.port, "GET", "/health").status)
  end)

  it("refuses a database of a newer version", function()
    d:start()
    assert.equal(0, d:stop())
    -- The version is SQLite's user_version: four bytes at offset 60 of the file.
    local file = assert(io.open(d.dir .. "/state/queue.db", "r+b"))
    file:seek("set", 60)
    file:write(string.pack(">I4", 999))
    file:close()
    local code, _, said = process.run({ daemon.program, "--config", d.dir .. "/config.lua" }, d.env, "/", 20)
    assert.is_true(code ~= 0)
    assert.matches("version 999", said)
    d.child = nil
  end)
end)
