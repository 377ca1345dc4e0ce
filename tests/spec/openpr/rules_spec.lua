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

  -- What rules.trace() tells, and the verdict.
  local function traced(list, one)
    local trace = {}
    local verdict = rules.trace(list, one or assigned, trace, testing.host {})
    return trace, verdict
  end

  it("tell what was tried", function()
    local trace, verdict = traced(list_of("route", [[return rules {
      { "no", when.state "done", to "codex" },
      { "pass", when.always, function() end },
      { "yes", when.always, to "reviewer" },
      { "late", when.always, to "codex" },
    }]]))
    assert.same({ "to", "yes" }, { verdict.action, verdict.rule })
    assert.same({ 0, 1 }, { trace.left_out, trace.untried })
    assert.same({
      { n = 1, rule = "no", holds = false, action = 'to "codex"', condition = { words = 'state "done"', holds = false,
        values = { { path = "issue.state", value = "todo" } } } },
      { n = 2, rule = "pass", holds = true, action = "function", condition = { words = "always", holds = true } },
      { n = 3, rule = "yes", holds = true, action = 'to "reviewer"', verdict = 'to "reviewer"',
        condition = { words = "always", holds = true } },
    }, trace.tried)
  end)

  it("tell where a policy failed", function()
    local trace = {}
    local list = list_of("route", [[return rules {
      { "fine", when.state "done", to "codex" },
      { "bad", function(event) return event.nothing.here end, to "codex" },
      { "late", when.always, to "codex" },
    }]])
    assert.is_false((pcall(rules.trace, list, assigned, trace, testing.host {})))
    assert.same({ 2, "bad", 1 }, { #trace.tried, trace.tried[2].rule, trace.untried })
    assert.is_nil(trace.tried[2].holds)
  end)

  it("decide the same whether they tell or not", function()
    local events = { testing.assigned(), testing.created { labels = { "a", "b" } }, testing.mentioned(),
                     testing.task(), testing.task "comment_requested", testing.other("issue.updated", "assigned"),
                     testing.assigned { actor = { entity_type = "bot" } }, testing.created { bot = false }, {} }
    local file = assert(io.open "policies/filter.lua")
    local shipped = file:read "a"
    file:close()
    for _, source in ipairs { shipped, [[return rules {
        { "and", when.human & when.added & ~when.label "b", accept },
        { "or", when.label "a" | when.mentioned | function(e) return e.task.id end, function(e)
            return e.kind == "mention" and ignore "x" or nil end },
        { "not", ~(when.for_bot | when.human), ignore },
        { "deep", ~~(~when.human & (when.ai_task | ~when.gone)), cancel "y" } }]] } do
      local list = list_of("filter", source)
      for n, input in ipairs(events) do
        local one = event.new(input, {})
        local trace, verdict = traced(list, one)
        local plain = list(one)
        assert.equal(plain and plain.rule, verdict and verdict.rule, n)
        assert.equal(plain and tostring(plain), verdict and tostring(verdict), n)
        for m, tried in ipairs(trace.tried) do
          local entry = list.entries[m]
          assert.equal(entry.test(one), tried.holds, entry.name)
        end
      end
    end
  end)

  it("tell of as many as there is room for, of the last one always", function()
    local parts = { "return rules {" }
    for n = 1, 3000 do parts[#parts + 1] = ("{ 'rule %d', ~(when.always & ~when.gone), accept },"):format(n) end
    parts[#parts + 1] = "{ 'the end', when.always, accept } }"
    local trace, verdict = traced(list_of("filter", table.concat(parts, "\n")))
    assert.equal("the end", verdict.rule)
    assert.same({ rules.LONGEST_TRACE, 3001 - rules.LONGEST_TRACE, 0, "the end" },
      { #trace.tried, trace.left_out, trace.untried, trace.tried[#trace.tried].rule })
  end)

  it("clip what they tell", function()
    local huge = ("x"):rep(100000)
    local source = "return rules { { 'x', when.event %q, ignore %q }, { 'y', when.always, ignore %q } }"
    local list = list_of("filter", source:format(huge, huge, huge))
    local tried = traced(list, event.new(testing.other(huge, nil), {})).tried
    assert.is_true(#testing.host {}.json_encode(tried) < 5000)
    assert.is_true(#testing.host {}.json_encode(rules.list(list)) < 5000)
  end)

  it("list themselves", function()
    assert.same({ { n = 1, name = "a", when = 'label "x" & ~human', action = "accept" },
                  { n = 2, name = "b", when = "function", action = "function" } },
      rules.list(list_of("filter", [[return rules {
        { "a", when.label "x" & ~when.human, accept }, { "b", function() end, function() end } }]])))
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
    assert.matches('an item "3" that is no rule',
      mistakes_in("filter", 'return rules { { "a", when.always, accept }, nil, { "b", when.always, accept } }')[1])
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
