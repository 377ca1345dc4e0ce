-- One piece of work, whatever OpenPR sends about it, in which order and how often.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local sign = require "support.sign"
local wait = require "support.wait"

describe("joining", function()
  local d, o

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({}, o):start()
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function post(body)
    local response = d:post(body)
    return response.json, response.status
  end

  local function says(status, answer)
    assert.equal(status, answer.status, event.json.encode(answer))
    return answer
  end

  -- An issue that takes so long, and ends so; OpenPR knows it and its AI task.
  local function issue_that(directives)
    local issue = event.issue { description = directives }
    local body, task = issue:task()
    o:knows(issue, task)
    return issue, body, task
  end

  local function runs_of(issue)
    local found = {}
    for _, run in ipairs(d:json("runs", "--json")) do
      if run.issue_id == issue.id then found[#found + 1] = run end
    end
    return found
  end

  local function task_becomes(task, status)
    local last
    wait.eventually(function() return ("AI task %s: %s, not %s\n%s"):format(task, last, status, d:log()) end, function()
      last = o:task(task).status
      return last == status
    end)
  end

  describe("an assignment's three requests", function()
    local orders = { { 1, 2, 3 }, { 1, 3, 2 }, { 2, 1, 3 }, { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 } }
    for _, order in ipairs(orders) do
      local name = "in the order " .. table.concat(order, ", ") .. " make one run and one comment, and end the task"
      it(name, function()
        local issue, task_body, task = issue_that "STAND-IN: sleep 0.3"
        local bodies = { (issue:created()), (issue:assigned()), task_body }
        local first = says("dispatched", post(bodies[order[1]]))
        for n = 2, 3 do
          local answer, status = post(bodies[order[n]])
          says("joined", answer)
          assert.same({ 202, first.run_id }, { status, answer.run_id })
        end
        assert.equal("success", d:ended(first.run_id).outcome)
        task_becomes(task, "completed")
        assert.same({ 1, 1 }, { #runs_of(issue), #o:issue(issue.id).comments })
      end)
    end
  end)

  it("an AI task that comes after the run has ended is completed with that run's result", function()
    local issue, task_body, task = issue_that "STAND-IN: final It is mended."
    local first = says("dispatched", post(issue:assigned()))
    d:ended(first.run_id)
    local answer, status = post(task_body)
    assert.same({ "joined", 202, first.run_id }, { answer.status, status, answer.run_id })
    task_becomes(task, "completed")
    assert.matches("It is mended%.", event.json.encode(o:task(task).result))
    assert.equal(1, #runs_of(issue))
  end)

  it("an AI task that comes after the run has failed is failed with its cause, each time, and runs nothing", function()
    local issue, _, task = issue_that "STAND-IN: fail"
    local first = says("dispatched", post(issue:assigned()))
    assert.equal("failure", d:ended(first.run_id).outcome)
    for attempt = 1, 3 do
      o:control { tasks = { { id = task, bot = issue.bot.id, issue = issue.id, attempts = attempt } } }
      local _, status = post((issue:task { id = task, attempts = attempt }))
      assert.equal(202, status >= 200 and status < 300 and 202 or status)
      task_becomes(task, attempt < 3 and "pending" or "failed")
    end
    assert.same({ 1, 1 }, { #runs_of(issue), #o:issue(issue.id).comments })
  end)

  it("the second request may come when the run has already failed", function()
    local issue = issue_that "STAND-IN: fail"
    local created, assigned = issue:created(), issue:assigned()
    local first = says("dispatched", post(created))
    d:ended(first.run_id)
    assert.equal(first.run_id, says("joined", post(assigned)).run_id)
  end)

  it("a mention and its AI task are one task", function()
    local issue = issue_that ""
    local body, comment = issue:mentioned { text = "@default STAND-IN: sleep 0.5" }
    local task_body, task = issue:task { comment = comment }
    o:control { tasks = { { id = task, bot = issue.bot.id, issue = issue.id, comment = comment,
                            task_type = "comment_requested" } } }
    local first = says("dispatched", post(body))
    assert.equal(first.run_id, says("joined", post(task_body)).run_id)
    assert.equal("success", d:ended(first.run_id).outcome)
    task_becomes(task, "completed")
    assert.equal("todo", o:issue(issue.id).state) -- a mention gets a comment alone
    assert.equal(1, #o:issue(issue.id).comments)
  end)

  it("two mentions are two tasks, never at once", function()
    local issue = issue_that ""
    local one = says("dispatched", post((issue:mentioned { text = "@default first STAND-IN: sleep 0.5" })))
    local two = says("dispatched", post((issue:mentioned { text = "@default second" })))
    assert.not_equal(one.run_id, two.run_id)
    local first, second = d:ended(one.run_id), d:ended(two.run_id)
    assert.is_true(second.started_at >= first.ended_at, event.json.encode { first, second })
  end)

  it("an assignment while its run goes on is new work behind it; while that waits, it joins", function()
    local issue = issue_that "STAND-IN: sleep 2"
    local first = says("dispatched", post((issue:assigned { at = -60 })))
    wait.eventually("the first run starts", function() return runs_of(issue)[1].state == "running" end)
    local second = says("dispatched", post((issue:assigned { at = -30 })))
    assert.not_equal(first.run_id, second.run_id)
    assert.equal(second.run_id, says("joined", post((issue:assigned()))).run_id)
    d:ended(first.run_id)
    d:ended(second.run_id)
    assert.equal(2, #runs_of(issue))
  end)

  it("the same request again is a duplicate with the first one's run", function()
    local issue, task_body = issue_that "STAND-IN: sleep 0.5"
    local body = issue:assigned()
    local first = says("dispatched", post(body))
    local again, status = post(body)
    assert.same({ "duplicate", 200, first.run_id, first.event_id },
                { again.status, status, again.run_id, again.event_id })
    says("joined", post(task_body))
    again, status = post(task_body)
    assert.same({ "duplicate", 200, first.run_id }, { again.status, status, again.run_id })
    d:ended(first.run_id)
    assert.same({ "duplicate", first.run_id }, { post(body).status, post(body).run_id })
  end)

  it("a later attempt of an AI task whose work goes on starts nothing", function()
    local issue, task_body, task = issue_that "STAND-IN: sleep 1"
    local first = says("dispatched", post(task_body))
    local again, status = post((issue:task { id = task, attempts = 2 }))
    assert.same({ 200, first.run_id }, { status == 202 and 200 or status, again.run_id })
    d:ended(first.run_id)
    task_becomes(task, "completed")
    assert.equal(1, #runs_of(issue))
  end)

  it("many at once are still one", function()
    local issue, task_body = issue_that "STAND-IN: sleep 1"
    local bodies = { (issue:created()), (issue:assigned()), task_body }
    local open = {}
    for n = 1, 12 do
      local body = bodies[n % 3 + 1]
      local head = { ["x-webhook-signature"] = sign.hmac(daemon.secret, body) }
      open[n] = http.connect(d.port)
      open[n]:send(http.text("POST", "/webhook", head, body))
    end
    local seen, run_id = { dispatched = 0, joined = 0, duplicate = 0 }, nil
    for n = 1, 12 do
      local answer = assert(http.read(open[n])).json
      open[n]:close()
      seen[answer.status] = seen[answer.status] + 1
      run_id = run_id or answer.run_id
      assert.equal(run_id, answer.run_id)
    end
    assert.same({ dispatched = 1, joined = 2, duplicate = 9 }, seen)
    d:ended(run_id)
    assert.equal(1, #runs_of(issue))
  end)

  describe("cancelling:", function()
    it("a deletion stops the run, writes nothing more, and cancels what waits", function()
      local issue = issue_that "STAND-IN: sleep 60"
      local first = says("dispatched", post((issue:assigned { at = -10 })))
      local behind = says("dispatched", post((issue:mentioned { at = -5 })))
      wait.eventually("it runs", function() return d:json("show", "--json", first.run_id).state == "running" end)
      o:control { gone = { issue.id } }
      local answer, status = post(issue:deleted())
      assert.same({ "ignored", 200 }, { answer.status, status })
      assert.equal("cancelled", d:ended(first.run_id).outcome)
      assert.equal("cancelled", d:ended(behind.run_id).outcome)
      assert.equal(0, #o:requests("POST", issue.id .. "/comments"))
    end)

    it("taking the bot off stops the run, says so, and fails the AI task", function()
      local issue, task_body, task = issue_that "STAND-IN: sleep 60"
      local first = says("dispatched", post((issue:assigned { at = -10 })))
      says("joined", post(task_body))
      wait.eventually("it runs", function() return d:json("show", "--json", first.run_id).state == "running" end)
      says("ignored", post(issue:unassigned()))
      assert.equal("cancelled", d:ended(first.run_id).outcome)
      task_becomes(task, "pending") -- OpenPR tries again; /fail was called
      assert.equal(1, #o:issue(issue.id).comments)
    end)

    it("a cancellation leaves alone what is newer, and ends what is older but arrives later", function()
      local issue = issue_that "STAND-IN: sleep 1"
      local newer = says("dispatched", post((issue:assigned { at = -5 })))
      says("ignored", post(issue:unassigned { at = -20 }))
      local older = post((issue:mentioned { at = -30 }))
      assert.not_equal("dispatched", older.status)
      assert.equal("success", d:ended(newer.run_id).outcome)
    end)

    it("edits change nothing", function()
      local issue = issue_that "STAND-IN: sleep 1"
      local first = says("dispatched", post((issue:assigned())))
      says("ignored", post((issue:edited())))
      assert.equal("success", d:ended(first.run_id).outcome)
    end)
  end)
end)
