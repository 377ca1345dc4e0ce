local loader = require "openpr.loader"
local rules = require "openpr.rules"
local testing = require "openpr.testing"

local event = require "openpr.event"

local agents = { codex = { type = "cli" }, reviewer = { type = "cli" } }

-- Every mistake in a filter or route of this source.
local function mistakes_in(hook, source)
  local files = { ["policies/" .. hook .. ".lua"] = source }
  return testing.deploy({ files = files, agents = agents }).mistakes
end

local function list_of(hook, source)
  local input = { files = { ["policies/" .. hook .. ".lua"] = source }, agents = agents, templates = {} }
  local host = testing.host {}
  local bundle = loader.load(input, host)
  return loader.run(loader.policy(hook, source, host), bundle)
end

describe("rules", function()
  local assigned = event.new(testing.assigned(), {})

  it("decide by the first that holds", function()
    local list = list_of("filter", [[return rules {
      { "no", ~when.always, accept },
      { "yes", when.always, ignore "why" },
      { "late", when.always, accept },
    }]])
    local verdict = list(assigned)
    assert.same({ "ignore", "yes", "why" }, { verdict.action, verdict.rule, verdict.reason })
  end)

  it("pass when a function returns nil, and give nil when none decides", function()
    local list = list_of("filter", [[return rules {
      { "pass", when.always, function() end },
      { "function", when.always, function(event) if event.kind == "mention" then return accept end end },
    }]])
    assert.is_nil(list(assigned))
    assert.equal("function", list(event.new(testing.mentioned(), {})).rule)
  end)

  it("take plain functions for conditions", function()
    local list = list_of("filter", [[return rules { { "x", function(e) return e.issue.title end, accept } }]])
    assert.equal("accept", list(assigned).action)
  end)

  it("tell what was tried", function()
    local trace = {}
    rules.decide(list_of("route", [[return rules {
      { "no", when.state "done", to "codex" },
      { "pass", when.always, function() end },
      { "yes", when.always, to "reviewer" },
      { "late", when.always, to "codex" },
    }]]), assigned, trace)
    assert.same({
      { rule = "no", holds = false }, { rule = "pass", holds = true },
      { rule = "yes", holds = true, verdict = 'to "reviewer"' },
    }, trace)
  end)

  it("print themselves as they were written", function()
    local list = list_of("route", [[return rules {
      { "security", when.label "security", to "reviewer" },
      { "größer", when.project "WEB" & ~when.kind "mention", to("codex", { timeout = 1 * hours }) },
      { "rest", when.always, function() end },
    }]])
    assert.equal('  1  security  when label "security"                 to "reviewer"\n'
      .. '  2  größer    when project "WEB" & ~kind "mention"  to("codex", { timeout = 3600 * seconds })\n'
      .. '  3  rest      when always                           function', rules.describe(list))
  end)

  it("end the policy when a function returns what is no verdict", function()
    local wrong = { ["true"] = "a boolean", ['"codex"'] = "a string", ["accept"] = "accept is for filter.lua" }
    for given, why in pairs(wrong) do
      local list = list_of("route", ("return rules { { 'odd', when.always, function() return %s end } }"):format(given))
      assert.error_matches(function() list(assigned) end, 'policies/route.lua: rule "odd": .*' .. why)
    end
  end)

  local bad = {
    { "no name", "{ when.always, accept }", "the first item is its name" },
    { "an empty name", '{ "", when.always, accept }', "the first item is its name" },
    { "a long name", '{ ("x"):rep(101), when.always, accept }', "one line of at most 100 bytes" },
    { "a name of two lines", '{ "a\\nb", when.always, accept }', "one line" },
    { "no condition", '{ "x", accept }', "the second item is its condition" },
    { "a condition that is a text", '{ "x", "always", accept }', "the second item is its condition" },
    { "no action", '{ "x", when.always }', "the third item is its action" },
    { "an action that is a text", '{ "x", when.always, "accept" }', "the third item is its action" },
    { "too much", '{ "x", when.always, accept, 1 }', "a further item, 4" },
    { "a key", '{ "x", when.always, accept, timeout = 1 }', "a further item, timeout" },
    { "no table", '"x"', "a rule is { name, condition, action }" },
    { "a condition for a rule", "when.always", "a rule is { name, condition, action }" },
    { "another hook's verdict", '{ "x", when.always, to "codex" }', "to%(...%) is for route.lua" },
  }
  for _, case in ipairs(bad) do
    it("refuse a rule with " .. case[1], function()
      local mistakes = mistakes_in("filter", "return rules {\n\n" .. case[2] .. "\n}")
      assert.equal(1, #mistakes)
      assert.matches("^policies/filter.lua:%d: rule 1", mistakes[1])
      assert.matches(case[3], mistakes[1])
    end)
  end

  it("take a name of 100 bytes", function()
    assert.same({}, mistakes_in("filter", 'return rules { { ("x"):rep(100), when.always, accept } }'))
  end)

  it("refuse two of a name, at the second one's line", function()
    assert.same({ 'policies/filter.lua:3: rule 2 "x": another rule has this name' },
      mistakes_in("filter", 'return rules {\n{ "x", when.always, accept },\n{ "x", when.always, ignore },\n}'))
  end)

  it("refuse everything that is wrong at once, each at its line", function()
    assert.same({
      'policies/route.lua:3: no agent "reviwer" in config.lua (did you mean "reviewer"? have: codex, reviewer)',
      'policies/route.lua:4: rule 2 "second": the second item is its condition: when.* or a function',
      "policies/route.lua:6: timeout is a number of seconds between 0 and 30 days, such as 1 * hours",
      'policies/route.lua:7: rule 4 "fourth": accept is for filter.lua; a route says to "agent"',
    }, mistakes_in("route", [[

return rules {
  { "first", when.always, to "reviwer" },
  { "second", "always", to "codex" },
  { "third", when.always,
    to("codex", { timeout = "an hour" }) },
  { "fourth", when.always, accept },
}]]))
  end)

  it("refuse a list that is none", function()
    assert.matches("filter.lua: rules { } has no rules", mistakes_in("filter", "return rules {}")[1], 1, true)
    assert.matches("rules { } has no rules", mistakes_in("filter", "return rules(7)")[1], 1, true)
    assert.matches('an item "x" that is no rule',
      mistakes_in("filter", 'return rules { { "a", when.always, accept }, x = 1 }')[1])
    assert.matches("rules are for filter.lua and route.lua",
      mistakes_in("render", 'return rules { { "a", when.always, accept } }')[1])
  end)

  it("can be called by a function", function()
    local source = [[
      local base = rules { { "mine", when.kind "mention", accept } }
      return function(event) return base(event) or ignore "nothing of mine" end]]
    local policies = testing.deploy { files = { ["policies/filter.lua"] = source } }
    assert.same({ "mine", "filter.lua", "nothing of mine" }, {
      policies.decide(testing.mentioned()).filter_rule, policies.decide(testing.assigned()).rule,
      policies.decide(testing.assigned()).reason })
  end)
end)
