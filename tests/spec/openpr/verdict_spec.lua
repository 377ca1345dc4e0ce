local verdict = require "openpr.verdict"

-- The verdicts of a policy.
local function made(policy, agents)
  local all = {}
  for name, make in pairs(verdict.MAKERS) do all[name] = make(policy, agents) end
  return all
end

local mistakes
local policy = { complain = function(why) mistakes[#mistakes + 1] = why end }

describe("a verdict", function()
  local v
  before_each(function()
    mistakes = {}
    v = made(policy, { codex = {}, reviewer = {}, opencode = {} })
  end)

  it("may carry a reason", function()
    assert.same({ "cancel", "gone" }, { (v.cancel "gone").action, (v.cancel "gone").reason })
    assert.is_nil(v.cancel.reason)
    assert.equal("ignore", v.drop.action)
    assert.error_matches(function() v.ignore {} end, "the reason to ignore is a text, not a table")
  end)

  it("prints itself as it was written", function()
    assert.equal("accept", tostring(v.accept))
    assert.equal('ignore "why"', tostring(v.drop "why"))
    assert.equal('to "codex"', tostring(v.to "codex"))
    assert.equal('to { "codex", "opencode" }', tostring(v.to { "codex", "opencode" }))
    assert.equal('to("codex", { timeout = 3600 * seconds })', tostring(v.to("codex", { timeout = 3600 })))
  end)

  local bad = {
    { "an unknown agent", { "reviwer" },
      'no agent "reviwer" in config.lua %(did you mean "reviewer"%? have: codex, opencode, reviewer%)' },
    { "one of several", { { "codex", "nobody" } }, 'no agent "nobody" in config.lua %(have: codex' },
    { "no agent", { {} }, "needs the name of an agent" },
    { "something else", { 7 }, "not a number" },
    { "the same agent twice", { { "codex", "codex" } }, 'agent "codex" twice' },
    { "more than eight", { { "codex", "a", "b", "c", "d", "e", "f", "g", "h" } }, "at most 8" },
    { "an unknown option", { "codex", { timeuot = 5 } }, 'no option "timeuot"' },
    { "options that are no table", { "codex", 60 }, "options of to are a table" },
    { "a text for a timeout", { "codex", { timeout = "1h" } }, "timeout is a number of seconds" },
    { "no time at all", { "codex", { timeout = 0 } }, "timeout is a number" },
    { "an endless time", { "codex", { timeout = math.huge } }, "timeout is a number" },
    { "a time that is no number", { "codex", { timeout = 0 / 0 } }, "timeout is a number" },
  }
  for _, case in ipairs(bad) do
    it("to refuses " .. case[1], function()
      v.to(table.unpack(case[2]))
      assert.matches(case[3], table.concat(mistakes, "\n"))
    end)
  end

  it("to takes what is just allowed", function()
    local agents, names = {}, {}
    for n = 1, 8 do agents["a" .. n], names[n] = {}, "a" .. n end
    local many = made(policy, agents).to(names, { timeout = 30 * 24 * 3600 })
    assert.same({}, mistakes)
    assert.same({ agent = "a8", timeout = 2592000 }, many.targets[8])
    v.to("codex", {})
    assert.same({}, mistakes)
  end)

  it("to says when there are no agents at all", function()
    made(policy, {}).to "x"
    assert.equal('no agent "x" in config.lua (have: none)', mistakes[1])
  end)

  it("belongs to its hook", function()
    assert.matches("route.lua", verdict.refused(v.to "codex", "filter"))
    assert.matches("filter.lua", verdict.refused(v.accept, "route"))
    assert.is_nil(verdict.refused(v.cancel, "route"))
  end)
end)
