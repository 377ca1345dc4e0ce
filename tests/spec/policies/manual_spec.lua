-- docs/policies.md: every Lua example in it is loaded and does what the text around it says, and its tables name what
-- there is.

local match = require "openpr.match"
local template = require "openpr.template"
local testing = require "openpr.testing"
local text = require "openpr.text"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local data = file:read "a"
  file:close()
  return data
end

local manual = read "docs/policies.md"

-- Blocks in their order: { heading, mark, source, language, line }.
local function blocks()
  local list, heading, mark, open, line = {}, nil, nil, nil, 0
  for words in manual:gmatch "([^\n]*)\n" do
    line = line + 1
    if open then
      if words == "```" then
        open.source = table.concat(open, "\n") .. "\n"
        list[#list + 1], open, mark = open, nil, nil
      else
        open[#open + 1] = words
      end
    elseif words:match "^```" then
      open = { heading = heading, mark = mark, language = words:sub(4), line = line }
    else
      heading = words:match "^#+ (.*)$" or heading
      mark = words:match "^<!%-%- (.-) %-%->$" or mark
    end
  end
  assert(not open)
  return list
end

local agents = { default = { type = "cli" }, codex = { type = "cli" }, reviewer = { type = "cli" },
                 opencode = { type = "cli" }, hook = { type = "webhook" } }
local labels = { l1 = "security", l2 = "refactor", l3 = "css", l4 = "no-bots" }

-- The shipped file with rules put before one of its own.
local function inserted(hook, before, lines)
  local source = read(("policies/%s.lua"):format(hook))
  local at = assert(source:find('\n  { "' .. before .. '"', 1, true))
  return source:sub(1, at) .. lines .. source:sub(at + 1)
end

local function deployed(files, templates)
  local policies = testing.deploy { files = files, templates = templates, agents = agents, labels = labels }
  assert.same({}, policies.mistakes)
  return policies
end

local A, M, O = testing.assigned, testing.mentioned, testing.other

-- What the examples under a heading must do.
local checks = {
  ["Rules"] = function(policies, hook)
    local function decided(event)
      local answer = policies.decide(event)
      return answer.filter_rule, answer.rule, answer.targets and #answer.targets
    end
    if hook == "filter" then
      assert.same({ "filter.lua", "bot name", 1 }, { decided(M()) })
      assert.equal("only mentions are work here", policies.decide(A()).reason)
      return
    end
    assert.equal("security", (select(2, decided(A { labels = { "l1" } }))))
    assert.equal(3600000, policies.decide(A { labels = { "l2" } }).targets[1].timeout)
    assert.same({ "frontend", 2 }, { select(2, decided(A { labels = { "l3" } })) })
    assert.same({ "frontend", 2 }, { select(2, decided(A { project = { key = "WEB" } })) })
    local day, night = M { project = { key = "WEB" } }, M()
    day.now, night.now = 12 * 3600, 5 * 3600
    assert.same({ "the rest", 1 }, { select(2, decided(day)) })
    assert.equal("reviewer", policies.decide(night).targets[1].agent)
  end,
  ["Prompts"] = function(policies)
    assert.equal(testing.deploy().render(A()).prompt, policies.render(A()).prompt)
    local mention = M { completion = testing.completion() }
    assert.equal(testing.deploy().render(mention).prompt, policies.render(mention).prompt)
  end,
  ["What a webhook gets"] = function(policies)
    assert.equal('{"text":"CORE-A1B2C3D4: Login fails"}', policies.render(A(), "hook").json)
    assert.equal(testing.deploy().render(A()).prompt, policies.render(A()).prompt)
  end,
  ['Start when an issue is moved to "todo"'] = function(policies)
    assert.equal("ready for the bot", policies.decide(O("issue.state_changed", "status_changed")).filter_rule)
    assert.equal("state change", policies.decide(O("issue.state_changed", "status_changed", { state = "done" })).rule)
    local own = { actor = { id = testing.BOT, entity_type = "bot" } }
    assert.equal("our own change", policies.decide(O("issue.state_changed", "status_changed", own)).rule)
  end,
  ["Leave some issues to people"] = function(policies)
    assert.equal("people only", policies.decide(A { labels = { "l4" } }).rule)
    assert.equal("accept", policies.decide(A()).action)
  end,
  ["Only some people may ask"] = function(policies)
    assert.equal("accept", policies.decide(A()).action)
    assert.equal("accept", policies.decide(M { actor = { id = "x", name = "Bo" } }).action)
    assert.equal("may not ask", policies.decide(A { actor = { id = "x", name = "Eve" } }).rule)
  end,
  ["Let one bot give work to another"] = function(policies)
    local function by(name) return A { actor = { id = "x", name = name, entity_type = "bot" } } end
    assert.equal("triage may assign", policies.decide(by "triage").filter_rule)
    assert.equal("not a person", policies.decide(by "another").rule)
  end,
  ["Two agents for urgent work"] = function(policies)
    assert.same({ { agent = "codex", timeout = 1800000 }, { agent = "reviewer", timeout = 1800000 } },
      policies.decide(A { priority = "urgent" }).targets)
    assert.equal("bot name", policies.decide(A()).rule)
  end,
  ["An agent that the issue names"] = function(policies)
    assert.equal("reviewer", policies.decide(A { description = "Please.\nagent: reviewer\n" }).targets[1].agent)
    assert.equal("bot name", policies.decide(A { description = "agent: nobody" }).rule)
    assert.equal("bot name", policies.decide(M()).rule)
  end,
  ["Instructions for one project"] = function(policies)
    local prompt = policies.render(A { project = { key = "WEB" } }).prompt
    assert.is_truthy(prompt:find("of Core. Run `npm test` before you end.\n\n```text\nLogin fails\n```", 1, true))
    assert.is_truthy(policies.render(A()).prompt:find("Run the tests", 1, true))
  end,
  ["Hand over to a reviewer, and put failures back"] = function(policies)
    assert.same({ state = "in_progress" }, policies.callback(testing.run { status = "started" }, A()))
    assert.same({ state = "in_review", comment = "Fixed it." }, policies.callback(testing.run(), A()))
    local failed = policies.callback(testing.run { status = "failure", tail = "no" }, A())
    assert.same({ "todo", "It did not work (failure).\n\n```text\nno\n```" }, { failed.state, failed.comment })
    assert.same({ comment = "Fixed it." }, policies.callback(testing.run { kind = "mention" }, M()))
  end,
}

describe("docs/policies.md", function()
  local all, checked = blocks(), {}
  local templates = {}
  for _, block in ipairs(all) do
    local name = (block.mark or ""):match "^templates/(.+)$"
    if name then templates[name] = block.source end
  end

  for _, block in ipairs(all) do
    local place = ("%s, line %d"):format(block.heading, block.line)
    if block.language == "lua" and block.mark == "spec" then
      assert(load(block.source, "=docs/policies.md", "t", _ENV))()
      checked[block.heading] = true
    elseif block.mark == "luacheckrc" then -- tests/spec/openpr/meta_spec.lua
      assert(load(block.source))
    elseif (block.mark or ""):match "^example " then
      it("shows what stands there: " .. place, function()
        local source = read("policies/examples/" .. block.mark:match "^example (.+)$")
        assert.is_truthy(source:find("\n" .. block.source, 1, true))
      end)
    elseif block.language == "lua" then
      it("keeps its word: " .. place, function()
        local hook, before = (block.mark or ""):match '^(%l+) before "(.+)"$'
        hook = hook or block.mark
        local source = before and inserted(hook, before, block.source) or block.source
        local policies = deployed({ [("policies/%s.lua"):format(hook)] = source }, templates)
        assert.is_function(checks[block.heading], "nothing checks this example")
        checks[block.heading](policies, hook)
      end)
      checked[block.heading] = true
    end
  end

  it("has an example for each check", function()
    for heading in pairs(checks) do assert.is_true(checked[heading], heading) end
  end)

  local function section(heading)
    return assert(manual:match("\n## " .. heading:gsub("%p", "%%%0") .. "\n(.-)\n## "))
  end

  it("names every condition, and no other", function()
    local named, there = {}, {}
    for name in section("Conditions"):gmatch "when%.([%l_]+)" do named[name] = true end
    for name in pairs(match.new {}) do there[name] = true end
    assert.same(there, named)
  end)

  it("names every placeholder, and no other", function()
    local named, there = {}, {}
    for name in section("Prompts"):gmatch "{{([%l_]+)}}" do named[name] = true end
    for _, name in ipairs(template.NAMES) do there[name] = true end
    assert.same(there, named)
  end)

  it("names every text helper, and no other", function()
    local named, there = {}, {}
    for name in section("What else there is"):gmatch "text%.(%l+)%(" do named[name] = true end
    for name in pairs(text) do there[name] = true end
    assert.same(there, named)
  end)

  it("lists every recipe of policies/examples, and no other", function()
    local listed, there = {}, {}
    for name in section("Recipes"):gmatch "\n| %[([%l-]+)%]%(" do listed[#listed + 1] = name end
    local pipe = assert(io.popen "ls policies/examples")
    for name in pipe:lines() do
      if name ~= "spec" then there[#there + 1] = name end
    end
    pipe:close()
    table.sort(listed)
    table.sort(there)
    assert.same(there, listed)
    assert.is_true(#there >= 10)
  end)

  it("lists the rules of the shipped filter, in their order and with their verdicts", function()
    local listed, there = {}, {}
    for name, verdict in section("The shipped filter"):gmatch "\n| `([^`]+)` | (%l+) |" do
      listed[#listed + 1] = name .. ": " .. verdict
    end
    for line in testing.deploy().rules():match("^[^\n]*\n(.-)\n\n"):gmatch "[^\n]+" do
      local name, verdict = line:match "^%s*%d+  (.-)%s+when .-  +(%l+)[^\"]*\"?[^\"]*\"?$"
      there[#there + 1] = ("%s: %s"):format(name, verdict)
    end
    assert.same(there, listed)
  end)
end)
