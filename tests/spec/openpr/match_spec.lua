local event = require "openpr.event"
local match = require "openpr.match"
local testing = require "openpr.testing"

local mistakes
local policy = {
  complain = function(why) mistakes[#mistakes + 1] = why end,
  fail = function(why) error(why, 0) end,
}

local function made(input, labels) return event.new(input, labels or {}) end

describe("a condition", function()
  local when
  before_each(function()
    mistakes = {}
    when = match.new(policy)
  end)

  local cases = {
    { "for_bot", testing.assigned(), testing.assigned { bot = false } },
    { "human", testing.assigned(), testing.assigned { actor = { entity_type = "bot" } } },
    { "human", testing.assigned(), testing.task() },
    { "own_echo", testing.assigned { actor = { id = testing.BOT:upper() } }, testing.assigned() },
    { "own_echo", testing.assigned { actor = { id = testing.BOT } }, testing.task() },
    { "ours", testing.assigned { ours = { testing.PERSON } }, testing.assigned { ours = { "x" } } },
    { "added", testing.assigned(), testing.assigned { added = {} } },
    { "added", testing.assigned(), testing.created() },
    { "removed", testing.assigned { removed = { "x" } }, testing.assigned() },
    { "removed", testing.assigned { removed = { "x" } }, testing.mentioned() },
    { "assigned", testing.created(), testing.created { assignees = {} } },
    { "assigned", testing.task(nil, { completion = testing.completion() }), testing.task() },
    { "unassigned", testing.created { assignees = {} }, testing.created() },
    { "unassigned", testing.task(nil, { completion = testing.completion { assignee_id = "x" } }), testing.task() },
    { "mentioned", testing.mentioned(), testing.mentioned { mentions = { "x" } } },
    { "mentioned", testing.mentioned(), testing.assigned() },
    { "ai_task", testing.task(), testing.assigned() },
    { "dispatched", testing.dispatched(testing.assigned()), testing.assigned() },
    { "gone", testing.task(nil, { completion = { missing = "issue" } }), testing.task() },
  }
  for n, case in ipairs(cases) do
    it(("when.%s tells one event from another: %d"):format(case[1], n), function()
      assert.is_true(when[case[1]](made(case[2])))
      assert.is_false(when[case[1]](made(case[3])))
    end)
  end

  local globs = {
    { "event", "issue.*", true }, { "event", "issue", false }, { "event", "*assigned", true }, { "event", "*", true },
    { "event", "i*e.as*d", true }, { "event", "issue.assigned*assigned", false }, { "event", "issue?assigned", false },
    { "kind", "assignment", true }, { "reason", "assigned", true }, { "state", "to*", true },
    { "priority", "medium", true }, { "project", "CORE", true }, { "project", "Core", true },
    { "project", "core", false },
    { "actor", "Ann", true }, { "bot", "default", true }, { "bot", testing.BOT, true }, { "bot", "", false },
  }
  for n, case in ipairs(globs) do
    it(("when.%s %q is %s: %d"):format(case[1], case[2], case[3], n), function()
      assert.equal(case[3], when[case[1]](case[2])(made(testing.assigned())))
    end)
  end

  -- A star against each way to fill it.
  local function fits(s, pattern)
    local at = pattern:find("*", 1, true)
    if not at then return s == pattern end
    if s:sub(1, at - 1) ~= pattern:sub(1, at - 1) then return false end
    for from = at, #s + 1 do
      if fits(s:sub(from), pattern:sub(at + 1)) then return true end
    end
    return false
  end

  it("matches a star as a plain search for it does", function()
    local patterns = { "*", "**", "a*", "*a", "a*a", "*a*", "a*b*a", "*ab*ba*", "*aa*a", "ab*ab", "a*ba*b", "*.*",
                       "a.*", "%a*", "*b*a*b*", "" }
    local texts = { "" }
    for n = 1, 62 do
      for _, letter in ipairs { "a", "b" } do texts[#texts + 1] = texts[n] .. letter end
    end
    texts[#texts + 1], texts[#texts + 2], texts[#texts + 3] = "a.b", ".", "%a"
    for _, pattern in ipairs(patterns) do
      local condition = when.actor(pattern)
      for _, s in ipairs(texts) do
        assert.equal(fits(s, pattern), condition { actor = { name = s } }, ("%q against %q"):format(s, pattern))
      end
    end
  end)

  it("matches a star in time that grows with the text", function()
    local hostile = made(testing.assigned { actor = { name = ("a"):rep(200000) } })
    local began = os.clock()
    assert.is_false((when.actor "*a*a*a*a*a*a*a*a*b")(hostile))
    assert.is_true(os.clock() - began < 1)
  end)

  it("knows a label by id, and by the name that config.lua gives it", function()
    local bug = made(testing.assigned { labels = { "id-1", "id-2" } }, { ["id-1"] = "bug" })
    assert.is_true((when.label "bug")(bug))
    assert.is_true((when.label "id-1")(bug))
    assert.is_true((when.label "id-2")(bug))
    assert.is_false((when.label "css")(bug))
    assert.is_false((when.label "bug")(made(testing.mentioned())))
  end)

  it("compares any field", function()
    local one = made(testing.assigned())
    assert.is_true((when.field("payload.data.issue.priority", "medium"))(one))
    assert.is_true((when.field "issue.key")(one))
    assert.is_false((when.field "issue.key.deeper")(one))
    assert.is_false((when.field "comment.body")(one))
    assert.is_false((when.field("issue.state", "done"))(one))
  end)

  it("joins with others and with functions", function()
    local one = made(testing.assigned())
    local function yes() return "yes" end
    local function no() return nil end
    assert.is_true((when.human & yes)(one))
    assert.is_false((when.human & no)(one))
    assert.is_true((no | when.human)(one))
    assert.is_true((~when.removed & ~when.gone)(one))
    assert.error_matches(function() return when.human & 7 end, "join conditions")
  end)

  it("prints itself as it was written, with no more brackets than it needs", function()
    local cases_of_print = {
      { when.project "WEB" | when.label "css", 'project "WEB" | label "css"' },
      { (when.project "WEB" | when.label "css") & ~when.human, '(project "WEB" | label "css") & ~human' },
      { when.human & when.added | when.gone, "human & added | gone" },
      { when.human & (when.added | when.gone), "human & (added | gone)" },
      { ~(when.human & when.added), "~(human & added)" },
      { ~~when.human, "~~human" },
      { when.human & function() end, "human & function" },
      { when.field("issue.state", "done"), 'field("issue.state", "done")' },
      { when.actor 'An"n\n', 'actor "An\\"n\\n"' },
    }
    for _, case in ipairs(cases_of_print) do assert.equal(case[2], tostring(case[1])) end
  end)

  it("refuses a wrong argument", function()
    when.event(7)
    when.label()
    when.field {}
    assert.equal(3, #mistakes)
    assert.matches("when.event takes a text", mistakes[1])
  end)

  it("names the nearest one for a name that there is not", function()
    assert.error_matches(function() return when.lable end, "there is no when.lable %(did you mean when.label%?%)")
    assert.error_matches(function() return when.zzzzzzzz end, "have: actor, added, ai_task")
    assert.error_matches(function() when.mine = 1 end, "when.mine cannot be set")
  end)

  it("is made anew for each policy", function()
    when.always.test = function() return false end
    assert.is_true(match.new(policy).always(made(testing.assigned())))
  end)
end)
