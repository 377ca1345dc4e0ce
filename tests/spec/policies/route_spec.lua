local testing = require "openpr.testing"

local ID = "71a308c6-25c8-428b-b010-bab9cc8cba8f"

local function routed(agents, bot, make)
  local answer = testing.deploy({ agents = agents }).decide((make or testing.assigned) { bot = bot })
  return answer.targets and answer.targets[1].agent or answer.action, answer.rule
end

describe("policies/route.lua", function()
  local cli = { type = "cli" }
  local agents = {
    default = cli, ["ai-fixer"] = cli, Reviewer = cli, listed = { type = "cli", bots = { "other", ID:upper() } },
  }

  local cases = {
    { "the agent that is called as the bot is", { name = "ai-fixer" }, "ai-fixer", "bot name" },
    { "the same in other letters", { name = "AI-Fixer" }, "ai-fixer", "bot name" },
    { "an agent with capitals", { name = "reviewer" }, "Reviewer", "bot name" },
    { "the name before the id", { name = "ai-fixer", id = ID }, "ai-fixer", "bot name" },
    { "the agent that lists the bot", { name = "nobody", id = ID }, "listed", "bot id" },
    { "the id before the type", { name = "nobody", id = ID, type = "cli" }, "listed", "bot id" },
    { "the first agent by name of the bot's type", { name = "nobody", type = "cli" }, "Reviewer", "bot type" },
    { "the default for all else", { name = "nobody", type = "custom" }, "default", "default agent" },
  }
  for _, case in ipairs(cases) do
    it("takes " .. case[1], function()
      assert.same({ case[3], case[4] }, { routed(agents, case[2]) })
      assert.same({ case[3], case[4] }, { routed(agents, case[2], function(fields)
        return testing.task("issue_assigned", fields)
      end) })
    end)
  end

  it("prefers the agent whose name is written as the bot's", function()
    assert.equal("fixer", (routed({ Fixer = cli, fixer = cli }, { name = "fixer" })))
    assert.equal("Fixer", (routed({ Fixer = cli, fixer = cli }, { name = "FIXER" })))
  end)

  it("has no agent for a bot that fits none", function()
    assert.same({ "no_agent", "no rule" }, { routed({ other = cli }, { name = "nobody" }) })
    assert.same({ "no_agent", "no rule" }, { routed({}, { name = "nobody" }) })
  end)

  it("decides where the bot's name and type are not told", function()
    local task = testing.task()
    task.body.ai_participant_name, task.body.ai_participant_agent_type = nil, nil
    local answer = testing.deploy({ agents = agents }).decide(task)
    assert.equal("default", answer.targets[1].agent)
  end)

  it("asks the operator's rules first, and they load as they are shown", function()
    local file = assert(io.open "policies/route.lua")
    local source, count = file:read("a"):gsub("\n  %-%-   {", "\n  {")
    file:close()
    assert.equal(3, count)
    local policies = testing.deploy {
      files = { ["policies/route.lua"] = source }, labels = { l1 = "security", l2 = "refactor" },
      agents = { default = cli, reviewer = cli, codex = cli, opencode = cli },
    }
    assert.same({}, policies.mistakes)
    local function rule(event) return policies.decide(event).rule end
    assert.equal("security", rule(testing.assigned { labels = { "l1", "l2" } }))
    assert.equal("large work", rule(testing.assigned { labels = { "l2" } }))
    assert.equal("frontend", rule(testing.assigned { project = { key = "WEB" } }))
    assert.equal("bot name", rule(testing.mentioned { project = { key = "WEB" } }))
    assert.same({ { agent = "codex", timeout = 3600000 } },
      policies.decide(testing.assigned { labels = { "l2" } }).targets)
  end)
end)
