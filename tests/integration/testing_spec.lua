-- `openpr-webhook test`: specs in busted, their policies in real workers, coverage, and what goes wrong with each.

local cjson = require "cjson"
local daemon = require "support.daemon"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

local ROUTE = [[
-- Which agent.
local function by_night()
  if now() % (24 * hours) < 6 * hours then
    return to "reviewer"
  end
end

return rules {
  { "night", when.always, by_night },
  { "bugs", when.label "bug", function(event)
    log.info("a bug in %s", event.project.key)
    return to("codex", { timeout = 1 * hours })
  end },
  { "rest", when.always, to "codex" },
}
]]
local ROUTE_LINES = 11 -- 3 4 6 8-15: a function is made at its `end`
local MISSED = { { 4, 4 } }

local BUG = "1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d"
local HEAD = 'local testing = require "openpr.testing"\n'

describe("openpr-webhook test", function()
  local d

  before_each(function()
    d = daemon.prepare { policies = { dir = "policies" },
                         agents = { codex = { type = "cli", cli = "codex" },
                                    reviewer = { type = "cli", cli = "claude-code" } },
                         labels = { [BUG] = "bug" } }
    d.env.PATH = os.getenv "PATH"
    for _, name in ipairs { "policies", "policies/spec" } do assert(uv.fs_mkdir(d.dir .. "/" .. name, 448)) end
  end)
  after_each(function() d:close() end)

  local function write(name, text) daemon.write(d.dir .. "/" .. name, text) end
  local function spec(text) write("policies/spec/route_spec.lua", HEAD .. text) end

  -- In the folder of config.lua, as an operator would.
  local function run(...)
    return process.run({ daemon.program, "test", ... }, d.env, d.dir, 120)
  end
  local function json(...)
    local code, out, err = run("--json", ...)
    local told = cjson.decode(out)
    return told, code, err
  end

  describe("with policies that are right", function()
    before_each(function()
      write("policies/route.lua", ROUTE)
      spec [[
describe("our route", function()
  local policies = testing.deploy()
  it("loads", function() assert.same({}, policies.mistakes) end)
  it("gives bugs an hour", function()
    assert.same({ { agent = "codex", timeout = 3600000 } },
      policies.decide(testing.assigned { labels = { "1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d" } }).targets)
    assert.same({ "info policies/route.lua: a bug in CORE" }, policies.logged)
  end)
  it("gives the rest to codex", function()
    assert.equal("rest", policies.decide(testing.mentioned()).rule)
  end)
  pending("knows nights")
end)]]
    end)

    it("says what passed, and which lines ran", function()
      local code, out, err = run()
      assert.same({ 0, "" }, { code, err }, out)
      assert.is_truthy(out:find("ok       our route gives bugs an hour\n", 1, true), out)
      assert.is_truthy(out:find("pending  our route knows nights\n", 1, true), out)
      local line = ("policies/route.lua%s%s   90.9 %%  not run: 4; never decided: \"night\"\n")
        :format(("%7d"):format(ROUTE_LINES), ("%9d"):format(ROUTE_LINES - 1))
      assert.is_truthy(out:find(line, 1, true), out)
      assert.matches("\n3 passed, 0 failed, 0 errors, 1 pending\n$", out)
    end)

    it("says it as JSON, and nothing else on standard output", function()
      spec [[print "a word"
describe("our route", function()
  local policies = testing.deploy()
  it("routes", function()
    print "another"
    assert.equal("rest", policies.decide(testing.assigned()).rule)
    assert.equal("bugs", policies.decide(testing.assigned { labels = { "1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d" } }).rule)
  end)
end)]]
      local told, code, err = json()
      assert.equal(0, code)
      assert.same({ true, 1, 0, 0, 0, 90.9 }, { told.ok, told.passed, told.failed, told.errors, told.pending,
                                               told.coverage_percent })
      assert.same({ { file = "policies/route.lua", lines = ROUTE_LINES, covered = ROUTE_LINES - 1, percent = 90.9,
                      missed = MISSED, rules = 3, never_decided = { "night" } } }, told.coverage)
      assert.same({ { name = "our route routes", status = "success", line = 5,
                      file = "policies/spec/route_spec.lua" } }, told.tests)
      assert.matches("a word\nanother", err)
    end)

    it("fails when fewer lines ran than are wanted", function()
      assert.equal(0, (run("--coverage-min", "90")))
      local code, _, err = run("--coverage-min", "91")
      assert.equal(1, code)
      assert.is_truthy(err:find("90.9 % of the lines ran, fewer than 91 %", 1, true), err)
      assert.is_false(json("--coverage-min", "91").ok)
      assert.equal(2, (run("--coverage-min", "101")))
    end)

    it("counts policies that no spec deploys, and those that do not compile", function()
      write("policies/filter.lua", "return function() return accept end\n")
      spec [[it("asks nothing", function() end)]]
      local told, code = json()
      assert.equal(0, code)
      assert.same({ 0, { { 1, 1 } } }, { told.coverage[1].covered, told.coverage[1].missed })
      assert.same({ "policies/filter.lua", "policies/route.lua" }, { told.coverage[1].file, told.coverage[2].file })
      write("policies/filter.lua", "return functoin() end\n")
      told = json()
      assert.matches("^policies/filter.lua:1: ", told.coverage[1].error)
      assert.equal(1, (run("--coverage-min", "1")))
    end)

    it("runs the specs of another folder, or one file, and counts what they deploy", function()
      assert(uv.fs_mkdir(d.dir .. "/else where", 448))
      assert(uv.fs_mkdir(d.dir .. "/else where/night", 448))
      write("else where/night/filter.lua", "return function()\n  return ignore 'night'\nend\n")
      write("else where/a_spec.lua", HEAD .. [[
it("is night", function()
  local policies = testing.deploy { dir = "night" }
  assert.equal("night", policies.decide(testing.assigned()).reason)
end)]])
      for _, place in ipairs { "else where", "else where/a_spec.lua", d.dir .. "/else where" } do
        local told, code, err = json(place)
        assert.same({ 0, 1 }, { code, told.passed }, err)
        assert.same({ { file = "else where/night/filter.lua", lines = 2, covered = 2, percent = 100, missed = {} } },
          told.coverage)
      end
    end)

    it("needs no config.lua", function()
      assert(uv.fs_unlink(d.dir .. "/config.lua"))
      write("policies/route.lua", ROUTE:gsub("codex", "default"):gsub("reviewer", "default"))
      spec [[it("routes", function()
        assert.equal("default", testing.deploy().decide(testing.assigned()).targets[1].agent) end)]]
      local code, out, err = run()
      assert.same({ 0, "" }, { code, err }, out)
    end)
  end)

  describe("tells where it went wrong:", function()
    -- Runs a spec of one test; the message of its failure.
    local function failing(text, ...)
      spec(text)
      local told, code, err = json(...)
      assert.equal(1, code, err)
      assert.is_false(told.ok)
      for _, test in ipairs(told.tests) do
        if test.status ~= "success" then return test.message, test, told, err end
      end
    end

    it("an assertion", function()
      local why, test, told = failing [[
it("is wrong", function()
  assert.equal("x", testing.deploy().decide(testing.assigned()).rule)
end)]]
      assert.matches("^policies/spec/route_spec.lua:3: Expected objects to be equal", why)
      assert.same({ "failure", "policies/spec/route_spec.lua", 3 }, { test.status, test.file, test.line })
      assert.same({ 0, 1, 0 }, { told.passed, told.failed, told.errors })
      local code, out = run()
      assert.equal(1, code)
      assert.is_truthy(out:find("failure  is wrong\n         policies/spec/route_spec.lua:3\n", 1, true), out)
    end)

    it("a spec that raises, one that is no Lua, one that raises outside of its tests", function()
      assert.matches("route_spec.lua:2: .*nothing", (failing [[it("x", function() local y = nothing.at.all end)]]))
      assert.matches("route_spec.lua:3:", (failing "it('x', function()\n!\nend)"))
      assert.matches("route_spec.lua:2: early", (failing "error 'early'"))
      assert.matches("route_spec.lua:3: early", (failing "describe('x', function()\nerror 'early' end)"))
    end)

    it("a policy with mistakes", function()
      write("policies/route.lua", 'return rules {\n  { "x", when.always, to "codec" },\n}\n')
      assert.is_truthy(failing([[
local policies = testing.deploy()
it("loads", function() assert.same({}, policies.mistakes) end)]])
        :find('policies/route.lua:2: no agent "codec" in config.lua (did you mean "codex"?', 1, true))
      assert.equal("no policies are loaded",
        (failing [[it("x", function() testing.deploy().decide(testing.assigned()) end)]]))
    end)

    -- The route of one line does this; it is deployed, then asked, then the next test asks the shipped one.
    local function broken(source)
      write("policies/route.lua", "return function(event)\n" .. source .. "\nend\n")
      local why, test, told = failing [[
local policies = testing.deploy()
it("is asked", function() policies.decide(testing.assigned()) end)
it("goes on", function()
  assert.equal("ignore", testing.deploy().decide(testing.assigned { bot = false }).action)
  assert.equal("ignore", policies.decide(testing.assigned { bot = false }).action)
end)]]
      assert.same({ "error", 3 }, { test.status, test.line })
      assert.same({ 1, 1 }, { told.passed, told.errors })
      return why
    end

    it("a policy that raises", function()
      assert.matches("^policies/route.lua:2: attempt to index a nil value", broken "return event.nothing.more")
    end)

    it("a policy that spins, caught by the hook or killed in a library function", function()
      local why = broken "while true do end"
      assert.is_truthy(why:find "policies/route.lua:2: took longer than 100 ms"
        or why:find "policies/route.lua: took longer than 100 ms"
        or why:find "policies/route.lua: no answer within 2000 ms", why) -- a busy machine's guard
      why = broken "return ('a'):rep(100000):find('.-.-b')"
      assert.is_truthy(why:find "policies/route.lua: took longer than 100 ms, inside a library function"
        or why:find "policies/route.lua: no answer within 2000 ms", why)
    end)

    it("a policy that eats memory", function()
      assert.matches("^policies/route.lua: needs more memory than the 16384 KiB it may have",
        broken "local s = 'x' while true do s = s .. s end")
    end)

    it("a spec that hangs", function()
      local before = uv.hrtime()
      local why, test, _, err = failing("it('waits', function()\nwhile true do end end)", "--timeout", "2")
      assert.is_true((uv.hrtime() - before) / 1e9 < 60)
      assert.matches("^no word for 2 s, so busted was killed", why)
      assert.same({ "waits", "policies/spec/route_spec.lua", 2 }, { test.name, test.file, test.line }, err)
      assert.matches("^no word for 1 s", (failing("while true do end", "--timeout", "1")))
    end)

    it("busted is killed, or ends in the midst of a test", function()
      local why, test = failing [[it("dies", function() os.execute "kill -9 $PPID" end)]]
      assert.same({ "busted was killed by signal 9", "dies" }, { why, test.name })
      assert.equal("busted ended with 3 in the midst of it", (failing [[it("leaves", function() os.exit(3) end)]]))
      assert.equal("busted ended with 0 in the midst of it", (failing [[it("leaves", function() os.exit(0) end)]]))
      write("policies/spec/first_spec.lua", "it('passes', function() end)\n")
      assert.equal("busted ended early, with 0; see above", (failing "os.exit(0)"))
    end)

    it("a spec that speaks for the helper", function()
      for line, why in pairs {
        ["hello there"] = 'a spec said "hello": not JSON', ["end {]"] = 'a spec said "end": not JSON',
        ["decide 7 {}"] = "policies that are not deployed", ["\0"] = "what is nothing to say",
        ["rules x {}"] = "policies that are not deployed",
      } do
        local said = failing(([[
it("speaks", function()
  io.open("/dev/fd/4", "w"):write(%q, "\n"):close()
  while true do end
end)]]):format(line))
        assert.is_truthy(said:find(why, 1, true), said)
      end
    end)

    it("a spec that says too much at once", function()
      assert.matches("more than 40 MiB at once", (failing [[
it("floods", function()
  local out = io.open("/dev/fd/4", "w")
  for _ = 1, 50 do out:write(("x"):rep(1 << 20)) end
end)]]))
    end)

    it("a spec that deploys without end", function()
      assert.matches("more than 500 deployments; deploy once in describe%(%), not in each it%(%)", (failing [[
it("deploys", function()
  for _ = 1, 501 do testing.deploy() end
end)]]))
    end)

    it("an assertion about tables, on a terminal", function()
      spec [[
local function deep(n)
  if n == 0 then assert.same({ 1, 2 }, { "x" }) end
  local a, b, c, d, e, f = 1, 2, 3, 4, 5, 6
  return (deep(n - 1)), a, b, c, d, e, f
end
for depth = 1, 60 do it("goes down " .. depth, function() deep(depth) end) end]]
      local code, out = process.run({ "/usr/bin/script", "-qec", daemon.program .. " test", "/dev/null" }, d.env, d.dir,
                                    120)
      assert.equal(1, code, out)
      assert.is_truthy(out:find("0 passed, 60 failed, 0 errors", 1, true), out)
      assert.is_nil(out:find("\27", 1, true))
    end)

    it("words that would move a terminal's cursor", function()
      spec [[it("paints", function() error("red \27[31m", 0) end)]]
      local _, out = run()
      assert.is_truthy(out:find("red ?[31m", 1, true), out)
      assert.is_nil(out:find("\27", 1, true))
    end)

    it("no test that ran", function()
      spec "describe('nothing', function() end)"
      local code, _, err = run()
      assert.equal(1, code)
      assert.matches("no test that ran", err)
    end)
  end)

  it("leaves nobody behind when it is killed", function()
    for _, signal in ipairs { "sigterm", "sigint", "sigkill" } do
      spec "it('waits', function() while true do end end)"
      local child = process.spawn({ daemon.program, "test" }, d.env, d.dir .. "/log", d.dir)
      wait.eventually("busted runs", function()
        for _, line in ipairs(process.marked(d.dir)) do
          if line:find("busted", 1, true) then return true end
        end
      end, 30)
      child:kill(signal)
      local code = child:wait(30)
      if signal ~= "sigkill" then assert.equal(1, code) end
      wait.eventually("all have ended", function() return #process.marked(d.dir) == 0 end, 30)
    end
  end)

  it("says what to write where there are no specs, and that passes", function()
    for _, place in ipairs { "policies", "." } do
      if place == "." then process.run({ "rm", "-r", d.dir .. "/policies" }, d.env, "/", 10) end
      local code, out, err = run()
      assert.same({ 2, "" }, { code, out })
      assert.is_truthy(err:find("no specs in ", 1, true), err)
      local example = err:match "\n(local testing.-)\n\n"
      assert.equal(5, select(2, (example .. "\n"):gsub("\n", "")))
      write("first_spec.lua", example)
      code, out, err = run "first_spec.lua"
      assert.same({ 0, "" }, { code, err }, out)
      assert.matches("1 passed, 0 failed", out)
    end
  end)

  it("says what to install where there is no busted, or no Lua for it", function()
    spec "it('x', function() end)"
    d.env.PATH = d.dir .. "/bin"
    local code, out, err = run()
    assert.same({ 2, "" }, { code, out })
    assert.matches("apt install lua%-busted", err)
    daemon.write(d.dir .. "/bin/busted", "#!/usr/bin/lua\n", 448)
    code, out, err = run()
    assert.same({ 2, "" }, { code, out })
    assert.matches("apt install lua5.4", err)
  end)

  it("is exit 2 for what cannot be tested", function()
    assert.equal(2, (run "nowhere"))
    assert.equal(2, (run("a", "b")))
    assert.equal(2, (run("--timeout", "0")))
    d:configure { policies = { time_limit = "soon" } }
    local code, _, err = run()
    assert.equal(2, code)
    assert.matches("policies%.time_limit", err)
    assert.equal(2, (process.run({ daemon.program, "--config", "/nowhere/config.lua", "test" }, d.env, d.dir, 30)))
  end)
end)
