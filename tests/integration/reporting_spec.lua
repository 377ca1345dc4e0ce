-- What OpenPR is told, over REST and MCP, when it works and when it does not.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local wait = require "support.wait"

for _, how in ipairs { "api", "mcp" } do
  describe("reporting over " .. how, function()
    local d, o

    before_each(function()
      o = openpr.start()
      d = daemon.prepare({ openpr = { callback = how } }, o):start()
    end)
    after_each(function()
      d:close()
      o:stop()
    end)

    local function assign(directives, fields)
      fields = fields or {}
      fields.description = directives
      local issue = event.issue(fields)
      local body, task = issue:task()
      o:knows(issue, task)
      local answer = d:post((issue:assigned())).json
      assert.equal("dispatched", answer.status, event.json.encode(answer))
      d:post(body)
      return answer.run_id, issue, task
    end

    -- A fault of the call that writes comments, or states.
    local function spoil(what, fault)
      if how == "mcp" then
        fault.tool = what == "comment" and "comments.create" or "work_items.update"
      else
        fault.method = what == "comment" and "POST" or "PUT"
        fault.path = what == "comment" and "/comments$" or "/issues/"
      end
      o:fails(fault)
    end

    local function comments(issue)
      local bodies = {}
      for n, comment in ipairs(o:issue(issue.id).comments) do bodies[n] = comment.body end
      return bodies
    end

    local function becomes(what, wanted, get)
      local last
      wait.eventually(function() return ("%s: %s, not %s\n%s"):format(what, last, wanted, d:log()) end, function()
        last = get()
        return last == wanted
      end, 30)
    end

    it("sets in_progress, writes one comment, sets done and completes the AI task", function()
      local id, issue, task = assign "STAND-IN: sleep 1\nSTAND-IN: final All green."
      becomes("state", "in_progress", function() return o:issue(issue.id).state end)
      assert.same({}, comments(issue))
      local run = d:ended(id)
      assert.same({ "success", "delivered" }, { run.outcome, run.report })
      assert.equal("done", o:issue(issue.id).state)
      assert.equal(1, #comments(issue))
      assert.matches("All green%.", comments(issue)[1])
      becomes("AI task", "completed", function() return o:task(task).status end)
    end)

    it("fails the AI task of a run that failed, with the cause", function()
      local id, issue, task = assign "STAND-IN: stderr it broke\nSTAND-IN: exit 7"
      assert.equal("failure", d:ended(id).outcome)
      becomes("AI task", "pending", function() return o:task(task).status end)
      assert.matches("7", o:task(task).error_message)
      assert.matches("it broke", comments(issue)[1])
    end)

    it("leaves alone what a person changed meanwhile", function()
      local id, issue = assign "STAND-IN: sleep 1"
      becomes("state", "in_progress", function() return o:issue(issue.id).state end)
      o:person_sets(issue.id, "backlog")
      d:ended(id)
      assert.equal(1, #comments(issue))
      assert.equal("backlog", o:issue(issue.id).state)
    end)

    it("leaves the state alone when somebody else has the issue now", function()
      local id, issue = assign "STAND-IN: sleep 1"
      becomes("state", "in_progress", function() return o:issue(issue.id).state end)
      o:control { issues = { { id = issue.id, assignee_id = event.id() } } }
      d:ended(id)
      assert.equal("in_progress", o:issue(issue.id).state)
    end)

    it("drops a state that the workflow refuses, not the comment", function()
      o:control { states = { "backlog", "todo", "in_progress", "shipped" } }
      local id, issue = assign ""
      assert.equal("delivered", d:ended(id).report)
      assert.same({ 1, "in_progress" }, { #comments(issue), o:issue(issue.id).state })
    end)

    it("tries again until it is delivered, in order", function()
      spoil("comment", { times = 2, status = 503, body = "busy" })
      local id, issue = assign "STAND-IN: final In the end."
      assert.equal("delivered", d:ended(id).report)
      assert.same({ 1, "done" }, { #comments(issue), o:issue(issue.id).state })
    end)

    it("tries again when nobody answers, or not in HTTP", function()
      spoil("comment", { close = true })
      spoil("comment", { garbage = true })
      local id, issue = assign ""
      assert.equal("delivered", d:ended(id).report)
      assert.equal(1, #comments(issue))
    end)

    it("looks before it sends again what may have arrived", function()
      spoil("comment", { handled = true, close = true })
      spoil("comment", { handled = true, truncate = 5 })
      local id, issue = assign "STAND-IN: final Once."
      assert.equal("delivered", d:ended(id).report)
      assert.equal(1, #comments(issue))
    end)

    it("does not believe HTTP 200", function()
      if how == "mcp" then
        spoil("comment", { tool_error = "Error: API error 500 from /comments: database error" })
        spoil("comment", { rpc_error = { code = -32603, message = "internal error" } })
      else
        spoil("comment", { code = 500, message = "database error" })
        spoil("comment", { status = 200, body = "<html>welcome</html>" })
      end
      local id, issue = assign ""
      assert.equal("delivered", d:ended(id).report)
      assert.equal(1, #comments(issue))
    end)

    it("gives up what is refused for good, visibly, and sends it when asked", function()
      spoil("comment", how == "mcp" and { tool_error = "Error: API error 400 from /comments: no" }
        or { code = 400, message = "no" })
      local id, issue = assign "STAND-IN: final Late."
      local run = d:ended(id)
      assert.equal("dead", run.report)
      assert.same({}, comments(issue))
      assert.equal(0, (d:verb("retry", "--report", id)))
      becomes("report", "delivered", function() return d:json("show", "--json", id).report end)
      assert.matches("Late%.", comments(issue)[1])
    end)

    it("waits for a reload when the token is not good", function()
      o:control { users = { { id = event.bot.id, name = event.bot.name, token = "opr_other" } } }
      d:configure { openpr = { token = "opr_wrong" } }
      assert.equal(0, (d:verb "reload"))
      local id, issue = assign "STAND-IN: final Patience."
      local run = d:ended(id, true)
      wait.pause(3)
      assert.equal("pending", d:json("show", "--json", id).report)
      d:configure { openpr = { token = o.token } }
      assert.equal(0, (d:verb "reload"))
      becomes("report", "delivered", function() return d:json("show", "--json", id).report end)
      assert.equal("success", run.outcome)
      assert.matches("Patience%.", comments(issue)[1])
    end)

    it("says nothing on an issue that is gone", function()
      local id, issue = assign "STAND-IN: sleep 0.5"
      o:control { gone = { issue.id } }
      local run = d:ended(id)
      assert.equal("success", run.outcome)
      assert.not_equal("pending", run.report)
    end)

    it("makes clean text of anything", function()
      local id, issue = assign("STAND-IN: final bell \\u0007, @helper, " .. o.token .. ", s3cret, \xf0\x9f\x94\xa5")
      assert.equal("delivered", d:ended(id).report)
      local said = comments(issue)[1]
      assert.is_truthy(utf8.len(said))
      assert.is_nil(said:find(o.token, 1, true))
      assert.is_nil(said:find("s3cret", 1, true))
      assert.same({}, o:issue(issue.id).comments[1].mentions)
      assert.is_nil(d:log():find(o.token, 1, true) or d:log():find("s3cret", 1, true))
      local _, shown = d:verb("show", id)
      assert.is_nil(shown:find(o.token, 1, true) or shown:find("s3cret", 1, true))
    end)

    it("strips NUL and broken UTF-8 from what an agent printed", function()
      local id, issue = assign "STAND-IN: garbage"
      assert.equal("delivered", d:ended(id).report)
      assert.is_truthy(utf8.len(comments(issue)[1]))
    end)

    it("sends the built-in report when the callback policy fails", function()
      daemon.write(d.dir .. "/callback.lua", 'return function() error "no words" end')
      d:configure { policies = { dir = d.dir } }
      assert.equal(0, (d:verb "reload"))
      local id, issue = assign "STAND-IN: final Still said."
      assert.equal("delivered", d:ended(id).report)
      assert.equal(1, #comments(issue))
      assert.matches("no words", d:log())
    end)
  end)
end

describe("a further bot", function()
  it("reports and ends its AI tasks with its own token; without one, its AI tasks are not taken", function()
    local o = openpr.start()
    local fixer = { id = event.id(), name = "ai-fixer", token = "opr_fixer" }
    o:control { users = { fixer } }
    local d = daemon.prepare({ openpr = { bots = { ["ai-fixer"] = { token = "opr_fixer" } } } }, o):start()
    local function ask(bot)
      local issue = event.issue { bot = bot }
      local body, task = issue:task()
      o:knows(issue, task)
      return d:post(body), task, issue
    end

    local answer, task, issue = ask(fixer)
    assert.equal("dispatched", answer.json.status)
    d:ended(answer.json.run_id)
    wait.eventually("the AI task is completed", function() return o:task(task).status == "completed" end)
    assert.equal(fixer.id, o:issue(issue.id).comments[1].author_id)

    answer = ask { id = event.id(), name = "stranger" }
    assert.same({ 503, "no_agent" }, { answer.status, answer.json.status })
    assert.matches("token", answer.json.reason)
    d:close()
    o:stop()
  end)
end)
