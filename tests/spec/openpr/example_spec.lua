-- Examples against events that OpenPR sent: the same fields in the same places.

local example = require "openpr.example"
local testing = require "openpr.testing"

local host = testing.host {}

local function make(name)
  local ids = { "0d000000-0000-7000-8000-00000000000a", "0d000000-0000-7000-8000-00000000000b",
                "0d000000-0000-7000-8000-00000000000c" }
  local input = { name = name, bot = "fixer", now = "2026-09-30T08:20:01.123Z", ids = ids }
  return host.json_decode(example.make(host.json_encode(input), host))
end

local function read(name)
  local file = assert(io.open("tests/fixtures/events/" .. name .. ".json"))
  local value = host.json_decode(file:read "a")
  file:close()
  return value
end

-- Every path of objects in it, but for the two that are null and so nowhere in a table.
local function paths(value, prefix, found)
  for key, item in pairs(value) do
    local path = prefix .. "." .. key
    if type(key) == "string" then found[path] = true end
    if type(item) == "table" then paths(item, path, found) end
  end
  return found
end

describe("an example", function()
  for _, name in ipairs { "issue.assigned", "issue.state_changed", "issue.deleted", "comment.created", "label.added",
                          "ai-task.issue_assigned" } do
    it("has what OpenPR's own has: " .. name, function()
      assert.same(paths(read(name), "", {}), paths(make(name).event, "", {}))
    end)
  end

  it("takes the bot off in issue.unassigned, with nobody's context", function()
    local event = make("issue.unassigned").event
    assert.equal(1, #event.data.changes.assignee_ids.removed)
    assert.equal(0, #event.data.issue.assignee_ids)
    assert.is_nil(event.bot_context)
  end)

  it("is none of another name", function()
    assert.is_nil(make("issue.exploded").event)
    assert.matches("issue%.assigned, issue%.created", make("issue.exploded").names)
  end)
end)
