local testing = require "openpr.testing"

local function mistakes(files, opts)
  opts = opts or {}
  opts.files = {}
  for name, source in pairs(files) do opts.files["policies/" .. name .. ".lua"] = source end
  return testing.deploy(opts).mistakes
end

describe("loading", function()
  it("finds nothing wrong with the shipped policies and templates", function()
    assert.same({}, testing.deploy().mistakes)
  end)

  it("works without any agent", function()
    local policies = testing.deploy { agents = {} }
    assert.same({}, policies.mistakes)
    assert.equal("no_agent", policies.decide(testing.assigned()).action)
  end)

  it("reports the mistakes of all files at once, by file and line", function()
    assert.same({
      "templates/default.txt:2: no placeholder {{isue_key}} (did you mean {{issue_key}}?)",
      "policies/filter.lua:2: there is no when.lable (did you mean when.label?)",
      'policies/route.lua:1: no agent "nobody" in config.lua (have: default)',
      'policies/route.lua:2: no agent "none" in config.lua (have: default)',
      "policies/render.lua: returns nothing; its end is: return function(event, agent) ... end",
      "policies/callback.lua:1: unexpected symbol near '='",
      "config.lua: agents.default.mention_template: there is no templates/gone.txt",
    }, mistakes({
      filter = "\nreturn rules { { 'x', when.lable 'y', accept } }",
      route = "local a = to 'nobody'\nlocal b = to 'none'\nreturn function() return a or b end",
      render = "local x = 1",
      callback = "= 1",
    }, {
      agents = { default = { type = "cli", mention_template = "gone.txt" } },
      templates = { ["default.txt"] = "one\n{{isue_key}}\n" },
    }))
  end)

  it("puts mistakes in the order of their lines, which are numbers", function()
    local lines = {}
    for n = 1, 11 do lines[n] = ("local a%d = %s"):format(n, (n == 2 or n == 10) and "to 'nobody'" or "1") end
    local found = mistakes { route = table.concat(lines, "\n") .. "\nreturn function() end" }
    assert.matches("^policies/route.lua:2: ", found[1])
    assert.matches("^policies/route.lua:10: ", found[2])
    found = mistakes { filter = "return rules {\n{ 'x', when.event(7), accept },\n{ 'x', when.always, accept },"
      .. ("\n"):rep(8) .. "{ 'y', when.state(7), accept } }" }
    for n, line in ipairs { 2, 3, 11 } do assert.matches("^policies/filter.lua:" .. line .. ": ", found[n]) end
  end)

  local ends = {
    { "filter", "return 42", "returns a number; its end is: return rules { ... } or return function(event) ... end" },
    { "filter", "return { }", "returns a table" },
    { "filter", "return accept", "returns a table" },
    { "callback", "return {}", "returns a table; its end is: return function(run, event, agent) ... end" },
    { "callback", "", "returns nothing" },
  }
  for n, case in ipairs(ends) do
    it("wants a policy to return its function: " .. n, function()
      local found = mistakes { [case[1]] = case[2] }
      assert.equal(1, #found)
      assert.is_truthy(found[1]:find("policies/" .. case[1] .. ".lua: " .. case[3], 1, true))
    end)
  end

  it("names the file of an error that is no text", function()
    assert.same({ "policies/filter.lua: raised a table" }, mistakes { filter = "error {}" })
    assert.same({ "policies/filter.lua: raised a nil" }, mistakes { filter = "error()" })
  end)

  it("wants template() where there is an event", function()
    assert.matches("policies/render.lua:1: template%(%) works inside",
      mistakes({ render = "local t = template 'default.txt' return function() return t end" })[1])
  end)

  it("refuses a template that is too large", function()
    assert.same({ "templates/x.txt: is larger than 64 KiB" },
      mistakes({}, { templates = { ["x.txt"] = ("x"):rep(65 * 1024) } }))
  end)

  it("says which file is missing", function()
    local policies = testing.deploy()
    assert.same({ "policies/filter.lua: is missing", "policies/route.lua: is missing",
                  "policies/render.lua: is missing", "policies/callback.lua: is missing" },
      policies.ask("load", {}).mistakes)
  end)

  it("leaves the policies in force that were there, when new ones are wrong", function()
    local policies = testing.deploy()
    assert.is_true(#policies.ask("load", {}).mistakes > 0)
    assert.equal("accept", policies.decide(testing.assigned()).action)
  end)

  it("finds the line of a rule whose name is written elsewhere too", function()
    assert.matches("^policies/filter.lua:4: rule 1 \"odd%-one\"", mistakes({ filter = [[
local label = when.label "odd-one" -- not { 'other'

return rules {
  { "odd-one", 7, accept } }]] })[1])
  end)

  it("runs each policy's top level once", function()
    local policies = testing.deploy { files = { ["policies/filter.lua"] = "log.info 'loaded'\nreturn function() end" } }
    assert.same({ "info policies/filter.lua: loaded" }, policies.logged)
  end)
end)
