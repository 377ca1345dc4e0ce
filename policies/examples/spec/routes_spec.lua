-- The recipes that choose an agent.

local testing = require "openpr.testing"

local cli = { type = "cli", cli = "codex" }
local A, M = testing.assigned, testing.mentioned

-- The policies of a folder with agents of these names, and who gets an event: names, and the rule.
local function deployed(dir, ...)
  local agents = {}
  for _, name in ipairs { ... } do agents[name] = cli end
  local policies = testing.deploy { dir = "../" .. dir, agents = agents }
  local function routed(event)
    local answer, names = policies.decide(event), {}
    for n, target in ipairs(answer.targets or {}) do names[n] = target.agent end
    return #names > 0 and table.concat(names, " ") or answer.action, answer.rule, answer.targets
      and answer.targets[1].timeout
  end
  it("loads", function() assert.same({}, policies.mistakes) end)
  return routed, policies
end

describe("by-label", function()
  local routed = deployed("by-label", "reviewer", "writer", "codex")

  it("gives labelled issues to the label's agent, and the rest to codex", function()
    assert.same({ "reviewer", "security" }, { routed(A { labels = { "docs", "security" } }) })
    assert.same({ "writer", "docs" }, { routed(A { labels = { "docs" } }) })
    assert.same({ "codex", "the rest" }, { routed(A { labels = { "bug" } }) })
    assert.same({ "codex", "the rest" }, { routed(M()) })
  end)

  it("knows labels by the names of config.lua", function()
    local policies = testing.deploy { dir = "../by-label", agents = { reviewer = cli, writer = cli, codex = cli },
                                      labels = { ["1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d"] = "security" } }
    local decision = policies.decide(A { labels = { "1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d" } })
    assert.equal("reviewer", decision.targets[1].agent)
  end)
end)

describe("by-project", function()
  local routed = deployed("by-project", "frontend", "backend")

  it("gives each project its agent", function()
    assert.equal("frontend", (routed(A { project = { key = "WEB" } })))
    assert.equal("backend", (routed(M { project = { key = "API" } })))
  end)

  it("knows the project of an AI task by its id", function() assert.equal("backend", (routed(testing.task()))) end)

  it("has no agent for another project", function()
    assert.equal("no_agent", (routed(A { project = { key = "OPS", id = "another" } })))
  end)
end)

describe("by-priority", function()
  local routed = deployed("by-priority", "strong", "cheap")

  it("gives urgent work an hour of the strong agent, and low priority to the cheap one", function()
    assert.same({ "strong", "urgent", 3600000 }, { routed(A { priority = "urgent" }) })
    assert.same({ "cheap", "cheap", 600000 }, { routed(A { priority = "low" }) })
    assert.same({ "strong", "the rest" }, { routed(A { priority = "low", labels = { "large" } }) })
    assert.same({ "strong", "the rest" }, { routed(A { priority = "high" }) })
    assert.same({ "strong", "the rest" }, { routed(M()) })
  end)
end)

describe("by-person", function()
  local routed, policies = deployed("by-person", "codex", "reviewer", "default")
  local function by(name) return { actor = { id = "0c0ffee0-0000-4000-8000-000000000001", name = name } } end

  it("gives people the agent of their choice", function()
    assert.same({ "codex", "route.lua" }, { routed(A()) })
    assert.equal("reviewer", (routed(M(by "Bo"))))
    assert.equal("reviewer", (routed(testing.created(by "Bo"))))
    assert.equal("default", (routed(testing.task())))
  end)

  it("does nothing for others, and says so", function()
    for _, make in ipairs { A, M, testing.created } do
      assert.same({ "ignore", "may not ask" }, { routed(make(by "Eve")) })
    end
    assert.same({ "ignore", "no work" }, { routed(testing.other("issue.updated", "assigned")) })
    assert.same({ "ignore", "no work" }, { routed(A { bot = false }) })
  end)

  it("stops what is void, whoever did it", function()
    assert.same({ "cancel", "issue deleted" }, { routed(testing.other("issue.deleted", nil, by "Eve")) })
    assert.equal("cancel", policies.decide(A { bot = false, added = {}, removed = { testing.BOT } }).action)
    local own = { id = testing.BOT, entity_type = "bot" }
    assert.equal("our own change", policies.decide(A { actor = own }).rule)
    assert.equal("void AI task", policies.decide(testing.task(nil, { completion = { missing = "issue" } })).rule)
  end)
end)

describe("working-hours", function()
  local routed = deployed("working-hours", "fast", "thorough")

  -- 1970-01-01 was a Thursday; `day` 0 is a Monday, `hour` is local, two hours before UTC.
  local function at(day, hour)
    local event = A()
    event.now = (day + 4) * 86400 + (hour - 2) * 3600
    return (routed(event))
  end

  it("gives to the fast agent in working hours, to the thorough one else", function()
    for day = 0, 4 do
      assert.equal("thorough", at(day, 7.99))
      assert.equal("fast", at(day, 8))
      assert.equal("fast", at(day, 17.99))
      assert.equal("thorough", at(day, 18))
      assert.equal("thorough", at(day, 23))
    end
    for day = 5, 6 do assert.equal("thorough", at(day, 12)) end
    assert.equal("fast", at(7, 12))
  end)

  it("gives it two hours", function()
    local night = A()
    night.now = 4 * 86400
    assert.same({ "thorough", "off hours", 7200000 }, { routed(night) })
  end)
end)

describe("several-repositories", function()
  local routed = deployed("several-repositories", "web", "api")

  it("goes by the issue, then by the project, then asks all", function()
    local api = { key = "API" }
    assert.same({ "web", "named in the issue" },
      { routed(A { description = "Broken.\nrepository: web\n", project = api }) })
    assert.same({ "api", "by project" }, { routed(A { description = "repository: nowhere", project = api }) })
    assert.same({ "api", "by project" }, { routed(M { project = api }) })
    assert.same({ "web api", "all repositories" }, { routed(A()) })
    assert.same({ "web api", "all repositories" }, { routed(testing.task()) })
  end)
end)

describe("long-work", function()
  local routed = deployed("long-work", "codex")

  it("gives time by label, by length, and little to a question", function()
    assert.same({ "codex", "refactoring", 7200000 }, { routed(A { labels = { "refactor" } }) })
    assert.same({ "codex", "large", 3600000 }, { routed(A { labels = { "large" } }) })
    assert.same({ "codex", "large", 3600000 }, { routed(A { description = ("x"):rep(4001) }) })
    assert.same({ "codex", "question", 300000 }, { routed(M()) })
    assert.same({ "codex", "the rest" }, { routed(A { description = ("x"):rep(4000) }) })
  end)
end)

describe("second-opinion", function()
  local routed, policies = deployed("second-opinion", "codex", "reviewer")

  it("asks two agents about what is delicate", function()
    assert.same({ "codex reviewer", "second opinion" }, { routed(A { priority = "urgent" }) })
    assert.same({ "codex reviewer", "second opinion" }, { routed(A { labels = { "security" } }) })
    assert.equal("codex", (routed(A())))
    assert.equal("codex", (routed(M { priority = "urgent" })))
  end)

  it("asks the reviewer to read only", function()
    assert.matches("^You are the coding agent codex", policies.render(A(), "codex").prompt)
    local prompt = policies.render(A(), "reviewer").prompt
    assert.matches("^Review, do not change: ", prompt)
    assert.is_truthy(prompt:find("```text\nLogin fails\n```", 1, true))
    local mention = M { completion = testing.completion() }
    assert.matches("mentioned you in a comment", policies.render(mention, "codex").prompt)
  end)

  it("lets the first agent move the issue, and both say who they are", function()
    local function told(fields) return policies.callback(testing.run(fields), A()) end
    assert.same({ state = "in_progress" }, told { agent = "codex", status = "started" })
    assert.same({}, told { agent = "reviewer", status = "started" })
    assert.same({ state = "in_review", comment = "**codex**\n\nFixed it." }, told { agent = "codex" })
    assert.same({ comment = "**reviewer**\n\nIt stays." }, told { agent = "reviewer", final_text = "It stays.\n" })
    assert.same({ comment = "**codex**\n\nNo answer (timeout)." }, told { agent = "codex", status = "timeout" })
  end)
end)
