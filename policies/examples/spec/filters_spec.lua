-- The recipes that choose what is work.

local testing = require "openpr.testing"

local A, M, C, O = testing.assigned, testing.mentioned, testing.created, testing.other
local BOT, OTHER = testing.BOT, "0c0ffee0-0000-4000-8000-000000000001"
local own = { actor = { id = BOT, entity_type = "bot" } }
local taken_off = A { bot = false, added = {}, removed = { BOT }, assignees = {} }
local gone = { completion = { missing = "issue" } }
local elsewhere = { completion = testing.completion { assignee_id = OTHER } }

local function task(fields) return testing.task("issue_assigned", fields) end
local function mention_task(fields) return testing.task("comment_requested", fields) end

-- Each case: what it is, the event, the verdict, the rule.
local function check(dir, cases)
  describe(dir, function()
    local policies = testing.deploy { dir = "../" .. dir }

    it("loads", function() assert.same({}, policies.mistakes) end)
    for _, case in ipairs(cases) do
      it(("%s: %s, by %q"):format(case[1], case[3], case[4]), function()
        local answer = policies.decide(case[2])
        assert.same({ case[3], case[4] }, { answer.action, answer.filter_rule })
      end)
    end

    it("has no rule that no case comes to", function()
      local seen = {}
      for _, case in ipairs(cases) do seen[case[4]] = true end
      for line in policies.rules():match("^policies/filter.lua\n(.-)\n\n"):gmatch "[^\n]+" do
        local name = line:match "^%s*%d+  (.-)%s+when "
        assert.is_true(seen[name], name)
      end
    end)
  end)
end

check("only-on-mention", {
  { "a deletion", O("issue.deleted"), "cancel", "issue deleted" },
  { "our own comment", M(own), "ignore", "our own change" },
  { "the bot taken off", taken_off, "cancel", "assignee taken off" },
  { "a mention", M(), "accept", "bot mentioned" },
  { "a mention by another bot", M { actor = { id = OTHER, entity_type = "bot" } }, "ignore", "no mention" },
  { "an AI task of a mention", mention_task(), "accept", "AI task: mention" },
  { "an AI task of a mention whose issue is gone", mention_task(gone), "ignore", "issue gone" },
  { "an assignment", A(), "ignore", "no mention" },
  { "an AI task of an assignment", task(), "ignore", "no mention" },
  { "an issue created for the bot", C(), "ignore", "no mention" },
})

check("start-on-state", {
  { "a deletion", O("issue.deleted"), "cancel", "issue deleted" },
  { "the bot's own move", O("issue.state_changed", "status_changed", own), "ignore", "our own change" },
  { "the bot taken off", taken_off, "cancel", "assignee taken off" },
  { "a move to todo", O("issue.state_changed", "status_changed"), "accept", "ready" },
  { "a move to todo by another bot",
    O("issue.state_changed", "status_changed", { actor = { id = OTHER, entity_type = "bot" } }), "ignore",
    "not a person" },
  { "a move to done", O("issue.state_changed", "status_changed", { state = "done" }), "ignore", "not ready" },
  { "a move of somebody else's issue", O("issue.state_changed", "status_changed", { assignees = { OTHER } }), "ignore",
    "not ready" },
  { "an assignment", A(), "ignore", "not ready" },
  { "an AI task of an assignment", task(), "ignore", "not ready" },
  { "a mention", M(), "accept", "bot mentioned" },
  { "an AI task of a mention", mention_task(), "accept", "AI task: mention" },
})

-- What the recipes that change one rule of the usual ones share.
local function usual(more)
  local cases = {
    { "a deletion", O("issue.deleted"), "cancel", "issue deleted" },
    { "our own change", A(own), "ignore", "our own change" },
    { "the bot taken off", taken_off, "cancel", "assignee taken off" },
    { "an AI task", task(), "accept", "AI task" },
    { "an AI task of a mention", mention_task(), "accept", "AI task" },
    { "an AI task whose issue is gone", task(gone), "ignore", "void AI task" },
    { "an AI task whose issue another has by now", task(elsewhere), "ignore", "void AI task" },
    { "an assignment by another bot", A { actor = { id = OTHER, name = "x", entity_type = "bot" } }, "ignore",
      "not a person" },
    { "an issue created for the bot", C(), "accept", "created for the bot" },
    { "an assignment", A(), "accept", "assigned to the bot" },
    { "a mention", M(), "accept", "bot mentioned" },
    { "an edit", O("issue.updated", "assigned"), "ignore", "no work" },
    { "an assignment between people", A { bot = false }, "ignore", "no work" },
  }
  for _, case in ipairs(more) do cases[#cases + 1] = case end
  return cases
end

check("triage-bot", usual {
  { "an assignment by the triage bot", A { actor = { id = OTHER, name = "triage", entity_type = "bot" } }, "accept",
    "triage may assign" },
  { "a comment by the triage bot", M { actor = { id = OTHER, name = "triage", entity_type = "bot" } }, "ignore",
    "not a person" },
})

check("hand-over", usual {
  { "an assignment for people", A { labels = { "needs-human" } }, "ignore", "for people" },
  { "an AI task for people",
    task { completion = testing.completion { labels = { { id = OTHER, name = "needs-human" } } } }, "ignore",
    "for people" },
  { "a mention on such an issue, which carries no labels", M { labels = { "needs-human" } }, "accept",
    "bot mentioned" },
})
