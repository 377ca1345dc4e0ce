-- openpr-webhook(1) says what --help says, no more and no less.

local daemon = require "support.daemon"
local process = require "support.process"

local env = { PATH = os.getenv "PATH", LANG = "C.UTF-8" }
local file = assert(io.open "docs/openpr-webhook.1")
local page = file:read "a"
file:close()

local function help(...)
  local code, out, err = process.run({ daemon.program, ... }, env, "/", 30)
  assert(code == 0, err)
  return out
end

-- Each verb of --help: its argument ("" for none) and what it does.
local function verbs()
  local found = {}
  for verb, rest in help("--help"):gmatch "\n  ([%l-]+) +([^\n]+)" do
    local argument, text = rest:match "^(%[?%u[%u.a-z]+%]?) +(.*)$"
    found[verb] = { argument = argument or "", text = text or rest }
  end
  return found
end

local function plain(text) return (text:gsub("%s+", " "):lower()) end

describe("openpr-webhook(1)", function()
  it("has the verbs of --help, in its words", function()
    local known, count = verbs(), 0
    for verb, operand, text in page:gmatch "\n%.It Cm ([%l-]+) ?([^\n]*)\n(%u[^\n]*)" do
      assert.is_truthy(known[verb], verb)
      local argument = operand:gsub("^Op Ar (.*)$", "[%1]"):gsub("^Ar ", "")
      assert.equal(known[verb].argument, argument, verb)
      assert.equal(plain(known[verb].text) .. ".", plain(text), verb)
      known[verb] = nil
      count = count + 1
    end
    assert.same({}, known)
    assert.is_true(count >= 12)
  end)

  it("has the options, each with the verbs that take it", function()
    local takes = {} -- option -> verbs
    for verb in pairs(verbs()) do
      for option in help(verb, "--help"):gmatch "\n  %-%-([%l-]+)" do
        takes[option] = takes[option] or {}
        takes[option][verb] = true
      end
    end
    for option, names in page:gmatch "\n%.It Fl Fl ([%l-]+)[^\n]*\n%.Pq Cm ([^\n]+)" do
      for verb in names:gmatch "%l+" do
        assert.is_true(takes[option] and takes[option][verb], option .. " of " .. verb)
        takes[option][verb] = nil
      end
      assert.same({}, takes[option], option)
      takes[option] = nil
    end
    assert.same({}, takes)
  end)

  it("is set without a complaint", function()
    if process.run({ "sh", "-c", "command -v groff" }, env, "/", 10) ~= 0 then
      return pending "no groff here"
    end
    local code, out, err = process.run({ "groff", "-mandoc", "-Tutf8", "-ww", "docs/openpr-webhook.1" }, env, nil, 30)
    assert.equal(0, code)
    assert.equal("", err)
    assert.is_true(#out > 2000)
  end)
end)
