local event = require "openpr.event"
local examined = require "openpr.examine"
local match = require "openpr.match"
local testing = require "openpr.testing"

local function made(input) return event.new(input, {}) end

describe("examine", function()
  local when
  before_each(function() when = match.new { complain = error, fail = error } end)

  local function list(value) return value end
  local function examine(condition, one)
    return examined(condition, one, { nodes = 1000 }, list)
  end

  it("shows what it looked at", function()
    local one = made(testing.assigned { actor = { id = "p1", entity_type = "bot" } })
    assert.same({ words = 'event "issue.c*"', holds = false,
                  values = { { path = "name", value = "issue.assigned" } } }, examine(when.event "issue.c*", one))
    assert.same({ words = "human", holds = false, values = { { path = "actor.kind", value = "bot" } } },
      examine(when.human, one))
    assert.same({ words = "added", holds = true, values = {
      { path = "changes.assignee_ids.added", value = { testing.BOT } }, { path = "bot.id", value = testing.BOT } } },
      examine(when.added, one))
    assert.same({ words = 'field("issue.key", "X")', holds = false, values = {
      { path = "issue.key", value = "CORE-A1B2C3D4" } } }, examine(when.field("issue.key", "X"), one))
    assert.same({ words = "mentioned", holds = false, values = {
      { path = "mentions", value = {} }, { path = "bot.id", value = testing.BOT } } }, examine(when.mentioned, one))
    assert.same({ { path = "task.id" } }, examine(when.ai_task, one).values)
  end)

  it("shows the fields of every condition there is", function()
    local one = made(testing.assigned())
    for name in pairs { for_bot = 1, ai_task = 1, human = 1, own_echo = 1, ours = 1, added = 1, removed = 1,
                        assigned = 1, unassigned = 1, mentioned = 1, gone = 1 } do
      assert.is_true(#examine(when[name], one).values > 0, name)
    end
    for name in pairs { event = 1, kind = 1, reason = 1, state = 1, priority = 1, project = 1, actor = 1, bot = 1,
                        label = 1 } do
      assert.is_true(#examine(when[name] "x", one).values > 0, name)
    end
  end)

  it("looks at the parts as far as the condition does", function()
    local one, asked = made(testing.assigned()), 0
    local function count() asked = asked + 1 return true end
    local told = examine(when.gone & count, one)
    assert.same({ "&", false, 1, 0 }, { told.joint, told.holds, #told.parts, asked })
    told = examine(when.human | count, one)
    assert.same({ "|", true, 1, 0 }, { told.joint, told.holds, #told.parts, asked })
    told = examine(~when.gone & count, one)
    assert.same({ true, "~", "function", 1 }, { told.holds, told.parts[1].joint, told.parts[2].words, asked })
  end)

  it("is bounded", function()
    local one = made(testing.assigned { title = ("é"):rep(100000), labels = { "a", "b", "c", "d", "e", "f", "g", "h",
                                                                           "i", "j" } })
    local told = examine(when.field("issue.title", ("x"):rep(5000)), one)
    assert.is_true(#told.words <= 1010 and #told.values[1].value <= 210)
    assert.is_truthy(utf8.len(told.values[1].value))
    told = examine(when.label "z", one)
    assert.equal("(2 more)", told.values[1].value[9])
    local deep = when.always
    for _ = 1, 100 do deep = ~deep end
    local node, depth = examine(deep, one), 0
    assert.is_true(node.holds)
    while node do node, depth = node.parts and node.parts[1], depth + 1 end
    assert.equal(16, depth)
    local wide = when.gone
    for _ = 1, 100 do wide = wide | when.gone end
    local room = { nodes = 10 }
    assert.is_false(examined(wide, one, room, list).holds)
    assert.is_true(room.nodes > -20)
  end)

  it("shows values that are no texts", function()
    local one = made(testing.assigned())
    one.issue.odd = { t = { a = 1 }, f = 0 / 0, b = true, fn = print, n = 7 }
    local shown = {}
    for _, name in ipairs { "t", "f", "b", "fn", "n" } do
      shown[#shown + 1] = examine(when.field("issue.odd." .. name), one).values[1].value
    end
    assert.same({ "(a table)", true, "(a function)", 7 }, { shown[1], shown[3], shown[4], shown[5] })
    assert.matches("nan", shown[2])
  end)
end)
