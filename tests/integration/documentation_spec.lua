-- README.md says nothing that the program does not know.

local daemon = require "support.daemon"
local event = require "support.event"
local process = require "support.process"

local file = assert(io.open "README.md")
local readme = file:read "a"
file:close()

local function block(name)
  return assert(readme:match("```sh " .. name .. "\n(.-)```"), name)
end

describe("README.md", function()
  local d
  setup(function() d = daemon.prepare() end)
  teardown(function() d:close() end)

  for line in block("verbs"):gmatch "[^\n]+" do
    it("knows: " .. line, function()
      local verb = line:match "^openpr%-webhook ([%l-]+)"
      local code, help = d:verb(verb, "--help")
      assert.equal(0, code)
      for option in line:gmatch "%-%-[%l-]+" do
        assert.is_truthy(help:find(option, 1, true), option)
      end
    end)
  end

  it("names every verb that steers", function()
    for verb in select(2, d:verb "--help"):gmatch "\n  ([%l-]+) " do
      if verb ~= "serve" and verb ~= "print-reference" then
        assert.is_truthy(block("verbs"):find("openpr-webhook " .. verb, 1, true), verb)
      end
    end
  end)

  it("has a set-up that is shell, in ten lines, with JSON that is JSON", function()
    local text = block "setup"
    assert.is_true(select(2, text:gsub("\n", "")) <= 10)
    local code, _, why = process.run({ "bash", "-nc", text }, { PATH = os.getenv "PATH" })
    assert.equal(0, code, why)
    local count = 0
    for json in text:gsub("'%$%u[%u_]*'", "x"):gmatch "'({.-})'" do
      event.json.decode(json)
      assert.is_table(event.json.decode(json), json)
      count = count + 1
    end
    assert.equal(4, count)
  end)
end)
