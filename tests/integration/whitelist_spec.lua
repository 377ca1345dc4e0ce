-- Nothing that config.lua, a policy, a template, a handler or an issue says starts a program outside of the whitelist.
--
-- Each row is one attempt and what must come of it.  Whatever it is, the program in evil/ must not have run.  What is
-- said to a runner by hand, past the daemon, is tried in tests/unit/exec/start_test.c; every spelling of dangerous
-- arguments in tests/unit/exec/permit_test.c.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

local NAMES = { "claude", "codex", "lua5.4", "env", "node", "git", "sh", "evil", "touch" }

-- evil/ holds programs under every name that anybody could look for; any of them leaves a trace.
local function set_trap(d)
  assert(uv.fs_mkdir(d.dir .. "/evil", 448))
  for _, name in ipairs(NAMES) do
    daemon.write(d.dir .. "/evil/" .. name, ("#!/bin/sh\necho ran >>'%s/EVIL-RAN'\n"):format(d.dir), 448)
  end
end

local function check_trap(d)
  local trace = d.dir .. "/EVIL-RAN"
  local ran = uv.fs_stat(trace) ~= nil
  os.remove(trace)
  assert.is_false(ran, "a program outside of the whitelist was started")
end

-- ---- what config.lua may not say: the whole of it, or what is laid over a good one; DIR is the daemon's folder ----

local cli = { type = "cli", cli = "codex" }
local function agent(more)
  local made = {}
  for name, value in pairs(cli) do made[name] = value end
  for name, value in pairs(more) do made[name] = value end
  return { agents = { default = made } }
end

local refused = {
  { "a program's path as cli", agent { cli = "/bin/sh" }, "is not one of codex, claude%-code, opencode" },
  { "a path into evil/ as cli", agent { cli = "DIR/evil/evil" }, "is not one of" },
  { "a relative path as cli", agent { cli = "../evil/evil" }, "is not one of" },
  { "a shell's name as cli", agent { cli = "sh" }, "is not one of" },
  { "a program's name that is no executor's", agent { cli = "claude" }, "is not one of" },
  { "an executor with arguments", agent { cli = "codex exec" }, "is not one of" },
  { "an executor with a shell's words", agent { cli = "codex;evil" }, "is not one of" },
  { "an executor with a line break", agent { cli = "codex\nevil" }, "is not one of" },
  { "an executor in capitals", agent { cli = "Codex" }, "is not one of" },
  { "a list as cli", agent { cli = { "codex", "-c", "x" } }, "agents%.default%.cli: expected a text" },
  { "a type that runs anything", agent { type = "exec" }, "agents%.default%.type: " },
  { "a command beside cli", agent { command = "DIR/evil/evil" }, "agents%.default%.command: is not an option" },
  { "arguments beside cli", agent { args = { "--yolo" } }, "agents%.default%.args: is not an option" },
  { "a relative folder to look in", { executor = { path = "evil" } }, "executor%.path: .* whole paths" },
  { "the working directory to look in", { executor = { path = ".:/usr/bin" } }, "executor%.path: .* whole paths" },
  { "an empty folder to look in", { executor = { path = "/usr/bin::/bin" } }, "executor%.path: .* whole paths" },
  { "a library that is loaded first", agent { env = { LD_PRELOAD = "DIR/evil/x.so" } },
    "env%.LD_PRELOAD: puts foreign" },
  { "a script that node loads first", agent { env = { NODE_OPTIONS = "--require=DIR/evil/x" } }, "puts foreign code" },
  { "a script that bash reads first", agent { env = { BASH_ENV = "DIR/evil/evil" } }, "puts foreign code" },
  { "two variables in one", agent { env = { ["A=B"] = "x" } }, "is no name for an environment variable" },
  { "a handler somewhere else", agent { type = "custom", handler = "DIR/evil/evil" }, "is not the name of a handler" },
  { "a handler above its folder", agent { type = "custom", handler = "policies/agents/../x.lua" }, "not the name of" },
  { "a template somewhere else", agent { prompt_template = "../evil/evil" }, "is not the name of a file" },
}

-- ---- what config.lua may not do: its last line ----

local scripts = {
  { "os.execute", "os.execute 'DIR/evil/evil'" }, { "io.popen", "io.popen 'DIR/evil/evil'" },
  { "require", "require 'os'" }, { "load", "load 'return 1'" }, { "loadfile", "loadfile 'DIR/evil/evil'" },
  { "dofile", "dofile 'DIR/evil/evil'" }, { "package", "package.loadlib('DIR/evil/x.so', 'x')" },
  { "debug", "debug.getregistry()" }, { "string.dump", "string.dump(function() end)" },
  { "a text's methods", "('x'):rep(3)" },
}

-- ---- what a handler may not do: a Lua expression that it returns, and why the task is held ----

local handlers = {
  { '{ { run = "/bin/sh", prompt = "x" } }', "is not on the whitelist" },
  { '{ { run = "sh", prompt = "x" } }', "is not on the whitelist" },
  { '{ { run = "DIR/evil/codex", prompt = "x" } }', "is not on the whitelist" },
  { '{ { run = "../evil/codex", prompt = "x" } }', "is not on the whitelist" },
  { '{ { run = "claude", prompt = "x" } }', "is not on the whitelist" },
  { '{ { run = "codex\\n", prompt = "x" } }', "is not on the whitelist" },
  { '{ { run = "codex exec", prompt = "x" } }', "is not on the whitelist" },
  { '{ { run = event.issue.description, prompt = "x" } }', "is not on the whitelist" },
  { '{ { run = { "codex", "-c" }, prompt = "x" } }', "run is a table" },
  { '{ { run = "codex", prompt = "x", program = "DIR/evil/evil" } }', 'run has no "program"' },
  { '{ { run = "codex", prompt = "x", path = "DIR/evil" } }', 'run has no "path"' },
  { '{ { run = "codex", prompt = "x", permissions = "full" } }', 'run has no "permissions"' },
  { '{ { run = "codex", prompt = "x", working_dir = "/" } }', 'run has no "working_dir"' },
  { '{ { run = "codex", prompt = "x", model = "--yolo" } }', "is not the name of a model" },
  { '{ { run = "codex", prompt = "x", args = { "-c", \'mcp_servers.x={command="DIR/evil/evil"}\' } } }',
    'needs permissions' },
  { '{ { run = "codex", prompt = "x", args = { "-cnotify=[\\"DIR/evil/evil\\"]" } } }', "needs permissions" },
  { '{ { run = "codex", prompt = "x", args = { "--dangerously-bypass-approvals-and-sandbox" } } }',
    "needs permissions" },
  { '{ { run = "codex", prompt = "x", args = { "resume", "1" } } }', "needs permissions" },
  { '{ { run = "claude-code", prompt = "x", args = { "--mcp-config=DIR/x.json" } } }', "needs permissions" },
  { '{ { run = "claude-code", prompt = "x", args = { "--settings", \'{"hooks":{}}\' } } }', "needs permissions" },
  { '{ { run = "claude-code", prompt = "x", args = { "--permission-mode", "bypassPermissions" } } }',
    "needs permissions" },
  { '{ { run = "opencode", prompt = "x", args = { "--attach", "http://127.0.0.1:1" } } }', "needs permissions" },
  { '{ { run = "codex", prompt = "x", args = { event.issue.description } } }', "needs permissions" },
  { '{ { run = "codex", prompt = "x", env = { PATH = "DIR/evil" } } }', "PATH .* needs permissions" },
  { '{ { run = "codex", prompt = "x", env = { LD_PRELOAD = "DIR/evil/x.so" } } }', "LD_PRELOAD .* needs permissions" },
  { '{ { run = "codex", prompt = "x", env = { CODEX_HOME = "DIR/evil" } } }', "CODEX_HOME .* needs permissions" },
  { '{ { run = "codex", prompt = "x", env = { HOME = "DIR/evil" } } }', "HOME .* needs permissions" },
  { '{ { run = "opencode", prompt = "x", env = { OPENCODE_CONFIG_CONTENT = "{}" } } }', "needs permissions" },
  { '{ { run = "codex", prompt = "x" }, { run = "codex", prompt = "x" } }', "a second run" },
  { '{ { http = "file://DIR/evil/evil" } }', "is not a URL" },
  { '{ { http = "unix:///run/x.sock" } }', "is not a URL" },
  { 'os.execute "DIR/evil/evil"', 'no such name "os"' },
  { 'io.popen("DIR/evil/evil"):read "a"', 'no such name "io"' },
  { 'require "os"', 'no such name "require"' },
  { 'package.loadlib("DIR/evil/x.so", "x")', 'no such name "package"' },
  { 'debug.getregistry()', 'no such name "debug"' },
  { 'load "return os"', 'no such name "load"' },
  { 'loadfile "DIR/evil/evil"', 'no such name "loadfile"' },
  { 'dofile "DIR/evil/evil"', 'no such name "dofile"' },
  { 'string.dump(function() end)', "attempt to call a nil value" },
  { '(""):dump(function() end)', "attempt to call a nil value" },
  { 'getmetatable("").__index.dump', "attempt to index a nil value" },
  { 'coroutine.create(function() end)', 'no such name "coroutine"' },
  { 'collectgarbage "stop"', 'no such name "collectgarbage"' },
  { 'setmetatable({}, { __gc = function() end })', "no finalizers" },
  { '_G.os.execute "DIR/evil/evil"', 'no such name "_G"' },
}

-- ---- what an issue may not bring about: its title, of which every part reaches the prompt ----

local titles = {
  '-cmcp_servers.x={command="DIR/evil/evil"}', "--dangerously-skip-permissions", "$(DIR/evil/evil)", "`DIR/evil/evil`",
  "; DIR/evil/evil;", "| DIR/evil/evil", "\n!DIR/evil/evil\n", "/init", "@DIR/evil/evil",
  "{{my_x}} {{issue_id}} {evil}",
  "--", "resume", "mcp",
}

describe("the whitelist", function()
  local d, o

  local function at(text) return (text:gsub("DIR", (d.dir:gsub("%%", "%%%%")))) end
  local function placed(value)
    if type(value) == "string" then return at(value) end
    if type(value) ~= "table" then return value end
    local made = {}
    for key, item in pairs(value) do made[key] = placed(item) end
    return made
  end

  describe("keeps config.lua", function()
    before_each(function()
      d = daemon.prepare { agents = { default = daemon.source "nil" } }
      set_trap(d)
    end)
    after_each(function()
      check_trap(d)
      d:close()
    end)

    for _, row in ipairs(refused) do
      it("from saying " .. row[1], function()
        d:configure(placed(row[2]))
        for _, verb in ipairs { "check", "serve" } do
          local code, _, why = d:verb(verb)
          assert.equal(2, code)
          assert.matches(row[3], why)
        end
      end)
    end

    for _, row in ipairs(scripts) do
      it("from using " .. row[1], function()
        daemon.write(d.dir .. "/config.lua", at("local x = " .. row[2] .. "\nreturn {}\n"))
        local code, _, why = d:verb "check"
        assert.equal(2, code)
        assert.matches("config%.lua:1: ", why)
      end)
    end
  end)

  describe("keeps a handler", function()
    setup(function()
      o = openpr.start()
      d = daemon.prepare({ features = { custom_agent = true }, policies = { dir = "policies" } }, o)
      set_trap(d)
      d.config.agents = { default = { type = "custom", handler = "policies/agents/tries.lua",
                                              env = { OPW_MARK = d.dir } } }
      d:configure()
      assert(uv.fs_mkdir(d.dir .. "/policies", 448))
      assert(uv.fs_mkdir(d.dir .. "/policies/agents", 448))
      local tries = {}
      for n, row in ipairs(handlers) do tries[n] = ("function(event) return %s end,\n"):format(at(row[1])) end
      daemon.write(d.dir .. "/policies/agents/tries.lua", "local tries = {\n" .. table.concat(tries) .. "}\n"
        .. "return function(event) return tries[tonumber(event.issue.title)](event) end\n")
      d:start()
    end)
    teardown(function()
      d:close()
      o:stop()
    end)

    for n, row in ipairs(handlers) do
      it("from " .. row[1], function()
        local issue = o:knows(event.issue { title = tostring(n), description = d.dir .. "/evil/evil" })
        local id = d:post((issue:assigned())).json.run_id
        local run = wait.eventually(function() return "it is held\n" .. d:log() end, function()
          return d:run(function(one) return one.run_id == id and (one.held or one.state == "ended") end)
        end)
        assert.is_true(run.held, event.json.encode(run))
        assert.matches(row[2], run.note)
        check_trap(d)
      end)
    end
  end)

  describe("starts what it means", function()
    local function start(over)
      o = openpr.start()
      d = daemon.prepare(nil, o)
      set_trap(d)
      d:configure(placed(over or {}))
      d:start()
    end
    after_each(function()
      check_trap(d)
      d:close()
      o:stop()
    end)

    local function run(fields)
      local issue = o:knows(event.issue(fields or { description = "Please" }))
      local answer = d:post((issue:assigned())).json
      assert.equal("dispatched", answer.status, event.json.encode(answer))
      return d:ended(answer.run_id)
    end

    it("whatever PATH the agent is given", function()
      start(agent { cli = "claude-code", env = { PATH = "DIR/evil:/usr/bin:/bin" } })
      local ended = run { description = ("STAND-IN: print-env %s/env"):format(d.dir) }
      assert.equal("success", ended.outcome, ended.cause)
      local file = assert(io.open(d.dir .. "/env"))
      local env = file:read "a"
      file:close()
      assert.is_truthy(env:find("\nPATH=" .. d.dir .. "/evil:", 1, true)) -- the agent has it, its start had not
    end)

    it("whatever PATH the daemon itself has", function()
      o = openpr.start()
      d = daemon.prepare(nil, o)
      set_trap(d)
      d.env.PATH = d.dir .. "/evil:" .. d.env.PATH
      d:start()
      assert.equal("success", run().outcome)
    end)

    it("and nothing else when the program is not there", function()
      start { executor = { path = "/usr/local/bin:/usr/bin:/bin" } }
      local ended = run()
      assert.equal("failure", ended.outcome)
      assert.matches('claude%-code: no program "claude" in', ended.cause)
    end)

    -- Between the load of config.lua and the start: what the name leads to in executor.path.
    for _, change in ipairs {
      { "a link that leads nowhere", function(path) assert(uv.fs_symlink("/nowhere", path)) end, "no program" },
      { "a link to a folder", function(path) assert(uv.fs_symlink(d.dir .. "/evil", path)) end, "no program" },
      { "a folder", function(path) assert(uv.fs_mkdir(path, 448)) end, "no program" },
      { "a file that cannot be executed", function(path) daemon.write(path, "#!/bin/sh\n", 384) end, "no program" },
      { "a script with an interpreter of another folder", function(path)
        daemon.write(path, "#!/usr/bin/env evil\n", 448)
      end, 'is run by "evil", which is not in' },
      { "a script whose interpreter is a path for env", function(path)
        daemon.write(path, "#!/usr/bin/env -S " .. d.dir .. "/evil/evil\n", 448)
      end, "names no interpreter" },
    } do
      it("after its name has become " .. change[1], function()
        start(agent { cli = "claude-code", env = { PATH = "DIR/evil:/usr/bin:/bin" } })
        local path = d.dir .. "/bin/claude"
        assert(uv.fs_unlink(path))
        change[2](path)
        local ended = run()
        assert.equal("failure", ended.outcome)
        assert.matches(change[3], ended.cause)
      end)
    end

    it("and no model that is an option", function()
      start(agent { model = '-cmcp_servers.x={command="DIR/evil/evil"}' })
      local ended = run()
      assert.equal("failure", ended.outcome)
      assert.matches("is not the name of a model", ended.cause)
    end)

    for _, cli_name in ipairs { "claude-code", "codex", "opencode" } do
      it(("and not what titles say: %s"):format(cli_name), function()
        start(agent { cli = cli_name })
        for _, title in ipairs(titles) do
          local ended = run { title = at(title), description = ("STAND-IN: print-argv %s/argv"):format(d.dir) }
          assert.equal("success", ended.outcome, title .. ": " .. tostring(ended.cause))
          local file = assert(io.open(d.dir .. "/argv"))
          local argv = file:read "a"
          file:close()
          assert.is_nil(("\n" .. argv):find("\n" .. at(title) .. "\n", 1, true), argv)
        end
      end)
    end

    it("and no prompt of a policy that begins as an option or a command", function()
      o = openpr.start()
      d = daemon.prepare(nil, o)
      set_trap(d)
      daemon.write(d.dir .. "/render.lua",
        "return function(event) return event.issue.title .. '\\n' .. event.issue.description end")
      d:configure { policies = { dir = d.dir } }
      d:start()
      for _, title in ipairs(titles) do
        local ended = run { title = at(title), description = ("STAND-IN: print-prompt %s/prompt"):format(d.dir) }
        assert.equal("success", ended.outcome, title)
        local file = assert(io.open(d.dir .. "/prompt"))
        assert.matches("^%a", file:read "a")
        file:close()
      end
    end)

    it("and nothing for who plays the daemon to a runner", function()
      start()
      for _, argv in ipairs { { "--internal-runner" }, { "--internal-runner", d.dir .. "/evil/evil" } } do
        process.run({ daemon.program, table.unpack(argv) }, d.env, "/", 20)
      end
    end)
  end)
end)
