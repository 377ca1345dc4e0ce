local testing = require "openpr.testing"

local FILE = "policies/agents/triage.lua"

local function deploy(source)
  return testing.deploy { files = { [FILE] = source },
                          agents = { default = { type = "custom", handler = FILE } } }
end

-- What becomes of the list that this Lua is.
local function handled(list, event)
  local policies = deploy("return function(event, agent) return " .. list .. " end")
  assert.same({}, policies.mistakes)
  return policies.handle(event or testing.assigned()).actions
end

local function why_not(list)
  local ok, why = pcall(handled, list)
  assert.is_false(ok, list)
  return why
end

describe("the handler of a custom agent", function()
  it("returns requests, one program, a comment and a state, in order", function()
    local list = handled [[{
      { http = "https://ci.example.com/hook?x=1", headers = { ["X-Key"] = "v" }, body = { issue = event.issue.key },
        bearer = "CI_TOKEN", timeout = 10 * seconds },
      { run = "codex", prompt = template "default.txt", args = { "--ephemeral", 7 }, env = { ISSUE = event.issue.id },
        model = "m", timeout = 1 * minutes },
      { http = "http://10.0.0.1/x", method = "DELETE" },
      { comment = "Done: " .. event.issue.title },
      { state = "in_review" } }]]
    assert.equal(5, #list)
    assert.same({ kind = "http", url = "https://ci.example.com/hook?x=1", method = "POST", timeout = 10000,
                  headers = { { name = "X-Key", value = "v" } }, body = '{"issue":"CORE-A1B2C3D4"}',
                  bearer = "CI_TOKEN" }, list[1])
    assert.matches("^You are the coding agent default%.", list[2].prompt)
    list[2].prompt = nil
    assert.same({ kind = "run", executor = "codex", arguments = { "--ephemeral", "7" }, model = "m", timeout = 60000,
                  environment = { { name = "ISSUE", value = "a1b2c3d4-1111-4222-8333-444455556666" } } }, list[2])
    assert.equal("DELETE", list[3].method)
    assert.same({ kind = "comment", text = "Done: Login fails" }, list[4])
    assert.same({ kind = "state", text = "in_review" }, list[5])
  end)

  it("reads a GET where nothing is sent", function()
    assert.equal("GET", handled('{ { http = "http://h/x" } }')[1].method)
    assert.equal("POST", handled('{ { http = "http://h/x", body = "" } }')[1].method)
  end)

  it("has the issue asked of OpenPR first where it reads what the event lacks", function()
    local source = "return function(event) return { { comment = event.issue.description } } end"
    assert.same({ needs = "issue" }, deploy(source).handle(testing.mentioned()))
    local whole = testing.mentioned { completion = testing.completion() }
    assert.equal("On every page.", deploy(source).handle(whole).actions[1].text)
  end)

  it("puts a word in front of a prompt that begins with none", function()
    assert.equal("Task:\n\n/cost", handled('{ { run = "claude-code", prompt = "/cost" } }')[1].prompt)
  end)

  -- What is returned -> what is said of it.
  local mistakes = {
    { "nil", "returned nothing; it returns a list of actions" },
    { "{}", "returned no action" },
    { '"codex"', "returned a string" },
    { '{ run = "codex", prompt = "x" }', "returned no action" },
    { '{ "codex" }', "action 1: it is a string; an action is a table" },
    { "{ {} }", "action 1: it has none of http, run, comment and state" },
    { '{ { run = "codex", prompt = "x", comment = "y" } }', "action 1: one action is one of" },
    { '{ { run = "codex" } }', "action 1: prompt is nothing; the prompt is a text" },
    { '{ { run = "codex", prompt = " " } }', "action 1: prompt is an empty text" },
    { '{ { run = "codex", prompt = ("x"):rep(600 * KiB) } }', "action 1: prompt is a prompt of" },
    { '{ { run = "", prompt = "x" } }', "action 1: run is empty" },
    { '{ { run = { "codex" }, prompt = "x" } }', "action 1: run is a table, not a text" },
    { '{ { run = "codex", prompt = "x", argv = {} } }', 'action 1: run has no "argv" %(did you mean "args"%?%)' },
    { '{ { run = "codex", prompt = "x", shell = true } }', 'action 1: run has no "shell"' },
    { '{ { run = "codex", prompt = "x", program = "/bin/sh" } }', 'action 1: run has no "program"' },
    { '{ { run = "codex", prompt = "x", args = "--x" } }', "action 1: args is a string, not a list" },
    { '{ { run = "codex", prompt = "x", args = { a = "--x" } } }', "action 1: args is a list" },
    { '{ { run = "codex", prompt = "x", args = { {} } } }', "action 1: args%[1%] is a table, not a text" },
    { '{ { run = "codex", prompt = "x", env = { ["A=B"] = "x" } } }', 'action 1: env: "A=B" is no name' },
    { '{ { run = "codex", prompt = "x", env = { "A=B" } } }', "action 1: env has names" },
    { '{ { run = "codex", prompt = "x", timeout = 0 } }', "action 1: timeout is a number of seconds" },
    { '{ { run = "codex", prompt = "x", timeout = 0/0 } }', "action 1: timeout is a number of seconds" },
    { '{ { run = "codex", prompt = "x" }, { run = "codex", prompt = "x" } }', "action 2: a second run" },
    { '{ { comment = "x" }, { comment = "y" } }', "action 2: a second comment" },
    { '{ { comment = "x" }, { run = "codex", prompt = "x" } }', "action 2: run stands behind comment or state" },
    { '{ { state = "x" }, { http = "http://h" } }', "action 2: http stands behind comment or state" },
    { '{ { state = "in review" } }', 'action 1: "in review" is no state' },
    { '{ { comment = "" } }', "action 1: comment is empty" },
    { '{ { comment = ("x"):rep(65 * KiB) } }', "action 1: comment has 66560 bytes" },
    { '{ { http = "file:///etc/passwd" } }', "action 1: http: .* is not a URL" },
    { '{ { http = "http://user:pass@h/" } }', "action 1: http: .* is not a URL" },
    { '{ { http = "http:///x" } }', "action 1: http: .* is not a URL" },
    { '{ { http = "http://h/a b" } }', "action 1: http: .* is not a URL" },
    { '{ { http = "http://h\\\\@g/" } }', "action 1: http: .* is not a URL" },
    { '{ { http = "http://h/", method = "get" } }', "action 1: method is GET" },
    { '{ { http = "http://h/", method = "CONNECT" } }', "action 1: method is GET" },
    { '{ { http = "http://h/", headers = { ["a b"] = "x" } } }', 'action 1: headers: "a b" is no name' },
    { '{ { http = "http://h/", headers = { Host = "x" } } }', "action 1: headers: Host is set by the daemon" },
    { '{ { http = "http://h/", headers = { ["Idempotency-Key"] = "x" } } }', "is set by the daemon" },
    { '{ { http = "http://h/", headers = { A = "x\\r\\nB: y" } } }', "action 1: headers.A: a header is one line" },
    { '{ { http = "http://h/", body = ("x"):rep(300 * KiB) } }', "action 1: body has 307200 bytes" },
    { '{ { http = "http://h/", body = { f = print and 1 } } }', 'no such name "print"' },
    { '{ { http = "http://h/", body = { f = function() end } } }', "action 1: body: " },
    { '{ { http = "http://h/", bearer = "a-b" } }', 'action 1: env: "a%-b" is no name' },
    { '{ { comment = "a" }, { state = "b" }, {}, {}, {}, {}, {}, {}, {} }', "returned 9 actions, more than 8" },
  }
  for _, case in ipairs(mistakes) do
    it("is refused: " .. case[1]:sub(1, 70), function()
      local why = why_not(case[1])
      assert.matches("^policies/agents/triage%.lua:", why)
      assert.matches(case[2], why)
    end)
  end

  it("is loaded and checked with the policies", function()
    assert.matches("^policies/agents/triage%.lua:1: ", deploy("return function(event").mistakes[1])
    assert.matches("its end is: return function%(event, agent%) %.%.%. end", deploy("return 1").mistakes[1])
    assert.matches("rules are for filter%.lua and route%.lua", deploy("return rules {}").mistakes[1])
    assert.matches('no such name "os"', deploy("return os").mistakes[1])
    local missing = testing.deploy { agents = { default = { type = "custom", handler = "policies/agents/none.lua" } } }
    assert.same({ "policies/agents/none.lua: is missing" }, missing.mistakes)
  end)

  it("is loaded once for several agents, and may tell them apart", function()
    local policies = testing.deploy {
      files = { [FILE] = "return function(event, agent) return { { comment = agent.name } } end" },
      agents = { a = { type = "custom", handler = FILE }, b = { type = "custom", handler = FILE } } }
    assert.equal("a", policies.handle(testing.assigned(), "a").actions[1].text)
    assert.equal("b", policies.handle(testing.assigned(), "b").actions[1].text)
  end)

  -- Ways out of the sandbox.
  for _, escape in ipairs {
    "load 'return 1'", "string.dump(function() end)", "os.execute 'touch x'", "io.popen 'touch x'", "require 'luv'",
    "package.loadlib('x', 'y')", "debug.getregistry()", "dofile '/etc/passwd'", "loadstring 'x'", "loadfile 'x'",
    "collectgarbage()", "coroutine.wrap(function() end)()", "rawset(string, 'x', 1)", "print 'x'", "_G.os",
    "getmetatable('').__index.dump(function() end)",
    "setmetatable({}, { __gc = function() end })", "xpcall(error, print)",
  } do
    it("cannot do: " .. escape, function()
      local policies = deploy("return function() local x = " .. escape .. " return { { comment = tostring(x) } } end")
      assert.same({}, policies.mistakes)
      local ok, answer = pcall(policies.handle, testing.assigned())
      assert.is_false(ok, ok and answer.actions and answer.actions[1].text)
    end)
  end
end)
