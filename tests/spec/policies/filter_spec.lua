local testing = require "openpr.testing"

local BOT, OTHER = testing.BOT, "0c0ffee0-0000-4000-8000-000000000001"
local bot = { entity_type = "bot", id = OTHER, name = "triage" }
local own = { entity_type = "bot", id = BOT, name = "default" }

local policies = testing.deploy()

local function decision(event) return policies.decide(event) end

local function task(fields) return testing.task("issue_assigned", fields) end

local function mention_task(fields) return testing.task("comment_requested", fields) end

local function told(fields) return { completion = testing.completion(fields) } end

describe("policies/filter.lua", function()
  local cases = {
    -- Work.
    { "an issue created with the bot", testing.created(), "accept", "created for the bot" },
    { "an assignment", testing.assigned(), "accept", "assigned to the bot" },
    { "an assignment that takes another off", testing.assigned { removed = { OTHER } }, "accept",
      "assigned to the bot" },
    { "an assignment whose id is written in capitals", testing.assigned { added = { BOT:upper() } }, "accept",
      "assigned to the bot" },
    { "an assignment of an issue that is done", testing.assigned { state = "done" }, "accept", "assigned to the bot" },
    { "a mention", testing.mentioned(), "accept", "bot mentioned" },
    { "an AI task of an assignment", task(), "accept", "AI task: assigned" },
    { "an AI task that OpenPR confirms", task(told()), "accept", "AI task: assigned" },
    { "an AI task of a mention", mention_task(), "accept", "AI task: mention" },
    { "an AI task of a mention on another's issue", mention_task(told { assignee_id = OTHER }), "accept",
      "AI task: mention" },

    -- Work that is void.
    { "a deletion", testing.other("issue.deleted", "assigned"), "cancel", "issue deleted" },
    { "a deletion by a bot", testing.other("issue.deleted", "assigned", { actor = bot }), "cancel", "issue deleted" },
    { "a deletion by the bot itself", testing.other("issue.deleted", "assigned", { actor = own }), "cancel",
      "issue deleted" },
    { "a deletion where no bot is asked", testing.other("issue.deleted"), "cancel", "issue deleted" },
    { "the bot taken off", testing.assigned { bot = false, added = {}, removed = { BOT }, assignees = {} }, "cancel",
      "assignee taken off" },
    { "the bot taken off while it is still named", testing.assigned { added = {}, removed = { BOT } }, "cancel",
      "assignee taken off" },
    { "the bot taken off for another bot, which is not asked here",
      testing.assigned { bot = false, added = { OTHER }, removed = { BOT } }, "cancel", "assignee taken off" },
    { "another bot taken off while this one is named",
      testing.assigned { added = { testing.PERSON }, removed = { OTHER } }, "cancel", "assignee taken off" },
    { "the bot taken off by another bot", testing.assigned { actor = bot, added = {}, removed = { BOT } }, "cancel",
      "assignee taken off" },
    { "the bot handing its issue on", testing.assigned { actor = own, added = { OTHER }, removed = { BOT } }, "ignore",
      "our own change" },

    -- Not for us.
    { "an issue between people", testing.created { bot = false }, "ignore", "nobody asked" },
    { "an assignment between people", testing.assigned { bot = false, added = { testing.PERSON } }, "ignore",
      "nobody asked" },
    { "a comment that mentions nobody", testing.mentioned { bot = false, mentions = {} }, "ignore", "nobody asked" },
    { "an edit between people", testing.other("issue.updated"), "ignore", "nobody asked" },
    { "the bot's own change", testing.other("issue.state_changed", "status_changed", { actor = own }), "ignore",
      "our own change" },
    { "the bot's own assignment", testing.assigned { actor = own }, "ignore", "our own change" },
    { "what an identity does that we write as", testing.assigned { actor = bot, ours = { OTHER } }, "ignore",
      "our own change" },
    { "what such an identity does where nobody is asked",
      testing.mentioned { bot = false, actor = bot, ours = { OTHER }, mentions = {} }, "ignore", "our own change" },
    { "another bot's assignment", testing.assigned { actor = bot }, "ignore", "not a person" },
    { "another bot's mention", testing.mentioned { actor = { entity_type = "bot_mcp", id = OTHER } }, "ignore",
      "not a person" },
    { "an edit, which OpenPR calls assigned too", testing.other("issue.updated", "assigned"), "ignore", "edit" },
    { "a change of state", testing.other("issue.state_changed", "status_changed"), "ignore", "state change" },
    { "an assignment without the bot in it", testing.assigned { added = {} }, "ignore", "contradicted" },
    { "an assignment of somebody else", testing.assigned { added = { OTHER } }, "ignore", "contradicted" },
    { "an issue created for somebody else", testing.created { assignees = { OTHER } }, "ignore", "contradicted" },
    { "a comment that does not mention it", testing.mentioned { mentions = {} }, "ignore", "contradicted" },
    { "an event of another kind", testing.other("sprint.started", "assigned"), "ignore", "other event" },
    { "a comment that was edited", testing.other("comment.updated", "mentioned"), "ignore", "other event" },
    { "an AI task of another kind", testing.task("review_requested"), "ignore", "other AI task" },
    { "an AI task of no kind", { body = { task_id = "t", ai_participant_id = BOT } }, "ignore", "other AI task" },
    { "an AI task whose issue is gone", task { completion = { missing = "issue" } }, "ignore", "issue gone" },
    { "a mention whose issue is gone", mention_task { completion = { missing = "issue" } }, "ignore", "issue gone" },
    { "an AI task of an issue that another has by now", task(told { assignee_id = OTHER }), "ignore",
      "no longer assigned" },
    { "what the control plane says", testing.dispatched(nil, { text = "Do it" }), "accept", "tunnel dispatch" },
    { "an assignment in a dispatch", testing.dispatched(testing.assigned()), "accept", "assigned to the bot" },
    { "an AI task in a dispatch", testing.dispatched(testing.task()), "accept", "AI task: assigned" },
    { "an edit in a dispatch", testing.dispatched(testing.other("issue.updated", "assigned")), "ignore", "edit" },
    { "something else", { body = { hello = "world" } }, "ignore", "unknown shape" },
  }
  for _, case in ipairs(cases) do
    it(("%s: %s, by %q"):format(case[1], case[3], case[4]), function()
      local answer = decision(case[2])
      assert.same({ case[3], case[4] }, { answer.action, answer.filter_rule })
      if case[3] ~= "accept" then
        assert.equal(case[4], answer.rule)
        assert.matches("%l", answer.reason)
        assert.not_equal(case[4], answer.reason)
      end
    end)
  end

  it("ignores an AI task of an issue that nobody has", function()
    local nobody = testing.completion()
    nobody.issue.assignee_id = nil
    assert.equal("no longer assigned", decision(task { completion = nobody }).rule)
  end)

  it("has no rule that no case above comes to", function()
    local seen = {}
    for _, case in ipairs(cases) do seen[case[4]] = true end
    local count = 0
    for line in policies.rules():match("^policies/filter.lua\n(.-)\n\n"):gmatch "[^\n]+" do
      local name = line:match "^%s*%d+  (.-)%s+when "
      assert.is_true(seen[name], name)
      count = count + 1
    end
    assert.is_true(count > 10)
  end)

  -- Every place of a body in turn holds what should not be there.
  local function replace_each(value, wrong, check)
    for key, item in pairs(value) do
      value[key] = wrong
      check()
      value[key] = item
      if type(item) == "table" then replace_each(item, wrong, check) end
    end
  end

  for n, make in ipairs { testing.created, testing.assigned, testing.mentioned, testing.task, mention_task } do
    it("decides about any body: " .. n, function()
      for _, wrong in ipairs { 7, "text", true, { 1 }, { x = { y = 1 } } } do
        local event = make()
        replace_each(event.body, wrong, function()
          local answer = decision(event)
          assert.is_string(answer.action)
          assert.is_string(answer.rule)
        end)
      end
    end)
  end
end)
