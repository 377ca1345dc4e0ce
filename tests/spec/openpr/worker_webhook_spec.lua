-- What render gives for agents of type webhook.

local testing = require "openpr.testing"

local function with(files, opts)
  opts.files = {}
  for name, source in pairs(files) do opts.files["policies/" .. name .. ".lua"] = source end
  local policies = testing.deploy(opts)
  assert.same({}, policies.mistakes)
  return policies
end

describe("render for a webhook", function()
  local agents = { hook = { type = "webhook" } }

  local function body(returned)
    local policies = with({ render = "return function(event, agent) return " .. returned .. " end" },
                          { agents = agents })
    return policies.render(testing.assigned(), "hook")
  end

  it("gives the event as it came, a table as JSON, or a text", function()
    assert.same({ forward = "event" }, body "nil")
    assert.same({ forward = "event" }, testing.deploy({ agents = agents }).render(testing.assigned(), "hook"))
    assert.same({ json = '{"key":"CORE-A1B2C3D4"}' }, body "{ key = event.issue.key }")
    assert.same({ json = "[1,2]" }, body "{ 1, 2 }")
    assert.same({ prompt = "-x" }, body "'-x'")
  end)

  it("refuses what cannot be sent", function()
    for returned, why in pairs { ["''"] = "an empty text", ["1"] = "a number", ["true"] = "a boolean",
                                 ["{ f = error }"] = "cannot be written as JSON",
                                 ["('x'):rep(600000)"] = "bytes, more than" } do
      local ok, told = pcall(body, returned)
      assert.is_false(ok, returned)
      assert.is_truthy(tostring(told):find(why, 1, true), tostring(told))
    end
  end)

  it("asks for the issue as for a prompt", function()
    local policies = with({ render = "return function(event) return { d = event.issue.description } end" },
                          { agents = agents })
    assert.same({ needs = "issue" }, policies.render(testing.task(), "hook"))
  end)
end)
