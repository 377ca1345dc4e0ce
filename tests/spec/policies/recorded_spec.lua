-- What a live OpenPR sent (tests/fixtures/recorded) and bodies in its shape (tests/fixtures/events), with the shipped
-- policies and one agent, "default".

local testing = require "openpr.testing"

local host = testing.host {}
local policies = testing.deploy()

local function body_of(path)
  local file = assert(io.open(path, "rb"))
  local whole = file:read "a"
  file:close()
  return host.json_decode(path:match "%.http$" and whole:match "\r?\n\r?\n(.*)$" or whole)
end

-- What joins (04 and 05 join 03, 12 joins 11) is accepted too: joining is the queue's business.
local recorded = {
  { "00-issue.created.human", "ignore", "nobody asked" },
  { "01-issue.updated.human", "ignore", "nobody asked" },
  { "02-issue.state_changed.human", "ignore", "nobody asked" },
  { "03-issue.created.bot.created", "accept", "created for the bot" },
  { "04-issue.assigned.bot.assigned", "accept", "assigned to the bot" },
  { "05-ai-task.issue_assigned", "accept", "AI task: assigned" },
  { "07-issue.state_changed.bot.status_changed", "ignore", "state change" },
  { "08-issue.state_changed.bot.status_changed", "ignore", "our own change" },
  { "09-comment.created.human", "ignore", "nobody asked" },
  { "11-comment.created.bot.mentioned", "accept", "bot mentioned" },
  { "12-ai-task.comment_requested", "accept", "AI task: mention" },
  { "13-comment.updated.human", "ignore", "nobody asked" },
  { "14-comment.deleted.human", "ignore", "nobody asked" },
  { "15-issue.assigned.bot.assigned", "accept", "assigned to the bot" },
  { "18-label.removed.human", "ignore", "nobody asked" },
  { "19-ai.task_completed.human", "ignore", "nobody asked" },
  { "23-issue.deleted.bot.assigned", "cancel", "issue deleted" },
}

local events = {
  { "issue.created.human", "ignore", "nobody asked" },
  { "issue.updated.human", "ignore", "nobody asked" },
  { "issue.assigned", "accept", "assigned to the bot" },
  { "issue.state_changed", "ignore", "state change" },
  { "issue.deleted", "cancel", "issue deleted" },
  { "comment.created", "accept", "bot mentioned" },
  { "label.added", "ignore", "nobody asked" },
  { "sprint.started", "ignore", "nobody asked" },
  { "ai.task_completed", "ignore", "nobody asked" },
  { "ai-task.issue_assigned", "accept", "AI task: assigned" },
}

local function check(folder, suffix, cases)
  for _, case in ipairs(cases) do
    it(("%s: %s, by %q"):format(case[1], case[2], case[3]), function()
      local answer = policies.decide { body = body_of(("tests/fixtures/%s/%s%s"):format(folder, case[1], suffix)) }
      assert.same({ case[2], case[3] }, { answer.action, answer.filter_rule })
      if case[2] == "accept" then assert.equal("default", answer.targets[1].agent) end
    end)
  end

  it("and no file is left out", function()
    local pipe, count = assert(io.popen("ls tests/fixtures/" .. folder)), 0
    for name in pipe:lines() do
      if name:sub(-#suffix) == suffix then count = count + 1 end
    end
    pipe:close()
    assert.equal(#cases, count)
  end)
end

describe("recorded from a live OpenPR:", function() check("recorded", ".http", recorded) end)

describe("in the shape of OpenPR:", function() check("events", ".json", events) end)

describe("a recorded prompt", function()
  it("holds a hostile description unchanged, and nothing of it expanded", function()
    local body = body_of "tests/fixtures/recorded/15-issue.assigned.bot.assigned.http"
    local prompt = policies.render({ body = body }).prompt
    assert.is_truthy(body.data.issue.description:find("{{issue_title}}", 1, true))
    assert.is_truthy(prompt:find("```text\n" .. body.data.issue.description .. "\n```", 1, true))
  end)

  it("of each accepted event is made, with the issue where OpenPR did not send it", function()
    for _, case in ipairs(recorded) do
      if case[2] == "accept" then
        local input = { body = body_of(("tests/fixtures/recorded/%s.http"):format(case[1])) }
        if case[1]:match "mentioned" or case[1]:match "ai%-task" then
          assert.same({ needs = "issue" }, policies.render(input))
          input.completion = testing.completion()
        end
        assert.matches("^You are the coding agent default%.", policies.render(input).prompt)
      end
    end
  end)
end)
