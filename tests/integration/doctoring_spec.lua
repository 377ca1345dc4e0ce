-- `doctor`: what is well, what is not, and what helps.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"
local uv = require "luv"

local env = { PATH = os.getenv "PATH", HOME = "/nonexistent", GIT_CONFIG_GLOBAL = "/dev/null",
              GIT_CONFIG_NOSYSTEM = "1" }

local function sh(folder, script)
  local code, out, err = process.run({ "sh", "-euc", script }, env, folder, 60)
  assert(code == 0, out .. err)
  return out
end

local function free_port()
  local tcp = uv.new_tcp()
  assert(tcp:bind("127.0.0.1", 0))
  local port = tcp:getsockname().port
  tcp:close()
  return port
end

describe("doctor", function()
  local d, o, repo

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({ webhook = { listen = "127.0.0.1:" .. free_port(), secret = "a secret of some length" },
                         agents = { default = { env = { ANTHROPIC_API_KEY = "sk-nobody" } } } }, o)
    repo = d.dir .. "/repo"
    sh(repo, [[git init -q -b trunk .; git config user.name x; git config user.email x@localhost
               echo one >file; git add file; git commit -qm one]])
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  -- All checks, those of this name, and the exit code.
  local function examine(name)
    local code, out, err = d:verb("doctor", "--json")
    local answer = event.json.decode(out)
    assert.equal(answer.ok and 0 or 1, code, err)
    local found = {}
    for _, check in ipairs(answer.checks) do
      assert.is_truthy(({ ok = true, warning = true, failure = true })[check.result])
      if not name or check.name == name then found[#found + 1] = check end
    end
    return found, code, out
  end
  local function only(name, result, text)
    for _, check in ipairs((examine(name))) do
      if check.result == result and check.text:find(text, 1, true) then return check end
    end
    error(("no %s of %s with %q in\n%s"):format(result, name, text, event.json.encode((examine()))))
  end

  it("finds nothing wrong where all is well", function()
    d:start()
    local checks, code, out = examine()
    assert.equal(0, code, out)
    for _, check in ipairs(checks) do assert.equal("ok", check.result, event.json.encode(check)) end
    only("daemon", "ok", "runs and is ready")
    only("containment", "ok", "")
    only("agents.default", "ok", "claude is 2.1.330 (Claude Code)")
    only("agents.default", "ok", "ANTHROPIC_API_KEY is set")
    only("checkout of default", "ok", "on trunk is clean and writable")
    only("openpr.token", "ok", ('speaks for "default" (%s)'):format(event.bot.id))
    only("queue.path", "ok", "0600")
    assert.is_nil(out:find("sk-nobody", 1, true) or out:find(o.token, 1, true) or out:find("a secret", 1, true))
  end)

  it("is for people, without colours where there is no terminal", function()
    local code, out = d:verb "doctor"
    assert.equal(0, code) -- a daemon that does not run is a warning
    assert.matches("\nok       webhook%.listen: 127%.0%.0%.1:%d+ is free\n", out)
    assert.matches("\nwarning  daemon: none answers on [^\n]+\n         %-> start it", out)
    assert.is_nil(out:find("\27", 1, true))
    d.env.TERM = "xterm"
    local script = ("script -qec '%s --config %s/config.lua doctor' /dev/null"):format(daemon.program, d.dir)
    local _, coloured = process.run({ "sh", "-c", script }, d.env, "/", 60)
    assert.is_truthy(coloured:find("\27[32mok", 1, true), coloured)
    d.env.NO_COLOR = "1"
    _, coloured = process.run({ "sh", "-c", script }, d.env, "/", 60)
    assert.is_nil(coloured:find("\27[32mok", 1, true))
  end)

  it("lists mistakes in config.lua, as a daemon would meet them, and goes on", function()
    d:configure { executor = { timeout_secs = "soon" }, openpr = { token = daemon.source 'env "OPW_NOT_SET"' } }
    only("config.lua", "failure", "executor.timeout_secs")
    only("config.lua", "failure", "OPW_NOT_SET")
    only("openpr.token", "failure", "there is no token")
    only("containment", "ok", "")
    local code, out = process.run({ daemon.program, "--config", "/nowhere/config.lua", "doctor" }, d.env, "/")
    assert.equal(1, code)
    assert.matches("^failure  config%.lua: ", out)
  end)

  it("says who has the port", function()
    local taken = uv.new_tcp()
    assert(taken:bind("127.0.0.1", 0))
    assert(taken:listen(1, function() end))
    d:configure { webhook = { listen = "127.0.0.1:" .. taken:getsockname().port } }
    assert.matches("ss %-ltnp", only("webhook.listen", "failure", "in use").remedy)
    taken:close()
  end)

  it("says which CLI is not there, does not answer or is not logged in", function()
    assert(uv.fs_unlink(d.dir .. "/bin/codex"))
    daemon.write(d.dir .. "/bin/codex", "#!/bin/sh\necho >&2 no terminal; exit 7\n", 493)
    d:configure { executor = { path = d.dir .. "/bin" }, agents = { a = { type = "cli", cli = "codex" },
                                                                  b = { type = "cli", cli = "opencode" } } }
    only("agents.a", "failure", "ends with 7: no terminal")
    assert(uv.fs_unlink(d.dir .. "/bin/opencode"))
    only("agents.b", "failure", 'no program "opencode"')
    assert.matches("auth login", only("agents.b", "warning", "no login of opencode").remedy)
    -- a login, in the home that agents get
    sh(d.dir .. "/home", "mkdir -p .local/share/opencode other; echo {} >.local/share/opencode/auth.json")
    only("agents.b", "ok", "home/.local/share/opencode/auth.json")
    only("agents.a", "failure", "below /tmp")
    d:configure { agents = { a = { env = { CODEX_HOME = "/nonexistent", CODEX_API_KEY = "sk-codex-key" } } } }
    only("agents.a", "ok", "CODEX_API_KEY is set")
    assert.is_nil(select(3, examine()):find("sk-codex-key", 1, true))
  end)

  it("ends a CLI that hangs, with what it started", function()
    assert(uv.fs_unlink(d.dir .. "/bin/claude"))
    daemon.write(d.dir .. "/bin/claude", "#!/bin/sh\n(setsid sleep 1000 &)\nexec sleep 1000\n", 493)
    local start = uv.hrtime()
    only("agents.default", "failure", "no answer within 20 s")
    assert.is_true((uv.hrtime() - start) / 1e9 < 120)
  end)

  it("leaves the home alone when it asks for versions", function()
    assert(uv.fs_unlink(d.dir .. "/bin/claude"))
    daemon.write(d.dir .. "/bin/claude", "#!/bin/sh\nmkdir -p \"$HOME/.cache/x\"; echo 1; echo $HOME >" .. d.dir ..
                 "/asked\n", 493)
    examine()
    assert.is_nil(uv.fs_stat(d.dir .. "/home/.cache"))
    local file = assert(io.open(d.dir .. "/asked"))
    local home = file:read "l"
    file:close()
    assert.is_nil(uv.fs_stat(home)) -- its own, and gone again
  end)

  it("says what is not committed", function()
    sh(repo, "echo two >>file; echo x >new; mkdir sub; echo y >sub/one; echo z >sub/two")
    local check = only("checkout of default", "warning", "1 changed, 2 untracked")
    assert.matches("tree as it is", check.remedy)
  end)

  it("says which folder is none, is not there, or is no checkout", function()
    sh(repo, "rm -rf .git")
    only("checkout of default", "ok", "no git checkout")
    d:configure { executor = { working_dir = d.dir .. "/gone" } }
    only("checkout of default", "failure", "gone")
    d:configure { executor = { working_dir = d.dir .. "/config.lua" } }
    only("checkout of default", "failure", "is not a folder")
  end)

  -- Each way that git knows to start a program for `status`, from a folder's own configuration.
  it("starts nothing that a checkout names", function()
    local trap = d.dir .. "/trap"
    daemon.write(trap, ('#!/bin/sh\necho "$0 $*" >>%s/sprung\ncat\n'):format(d.dir), 493)
    sh(repo, ([[
      T=%s
      echo '* filter=evil diff=evil' >.gitattributes
      printf 'x filter=a=b.c\n' >.git/info/attributes
      git add .gitattributes; git commit -qm attributes
      git config core.fsmonitor $T
      git config core.fsmonitorHookVersion 2
      git config filter.evil.clean $T; git config filter.evil.smudge $T; git config filter.evil.process $T
      git config filter.evil.required true
      git config 'filter.a=b.c.clean' $T; git config 'filter.a=b.c.required' true
      git config core.pager $T; git config pager.status $T; git config core.editor $T
      git config core.sshCommand $T; git config core.gitProxy $T; git config core.askPass $T
      git config credential.helper $T; git config gpg.program $T; git config log.showSignature true
      git config diff.external $T; git config diff.evil.command $T; git config diff.evil.textconv $T
      git config alias.status "!$T"; git config alias.config "!$T"
      git config status.submoduleSummary true
      mkdir hooks; for h in post-index-change pre-commit post-checkout reference-transaction fsmonitor-watchman; do
        cp $T hooks/$h; cp $T .git/hooks/$h; done
      git config core.hooksPath hooks
      printf '[filter "evil2"]\n\tclean = %%s\n' $T >.git/included; git config include.path included
      echo changed >>file; touch -d '1 hour ago' file .gitattributes; echo x >x
    ]]):format(trap))
    -- the trap works: git itself, without precautions, walks into it
    sh(repo, "git status >/dev/null 2>&1 || true")
    assert.is_truthy(uv.fs_stat(d.dir .. "/sprung"))
    assert(uv.fs_unlink(d.dir .. "/sprung"))
    sh(repo, "touch file .gitattributes")
    d.env.GIT_DIR, d.env.GIT_EXTERNAL_DIFF, d.env.GIT_SSH_COMMAND = "/nowhere", trap, trap
    d.env.GIT_CONFIG_COUNT, d.env.GIT_CONFIG_KEY_0, d.env.GIT_CONFIG_VALUE_0 = "1", "core.fsmonitor", trap
    local before = sh(repo, "cat .git/index | cksum")
    only("checkout of default", "warning", "is not clean")
    assert.is_nil(uv.fs_stat(d.dir .. "/sprung"))
    assert.equal(before, (sh(repo, "cat .git/index | cksum"))) -- nor is anything written
    sh(repo, "git -c core.fsmonitor=false -c core.hooksPath=/dev/null config --remove-section alias")
  end)

  it("fetches nothing that a partial clone lacks", function()
    local trap = d.dir .. "/trap"
    daemon.write(trap, ('#!/bin/sh\necho sprung >>%s/sprung\n'):format(d.dir), 493)
    sh(repo, ([[
      git config extensions.partialClone origin; git config remote.origin.promisor true
      git config remote.origin.partialclonefilter tree:0; git config remote.origin.url "ext::%s"
      git config protocol.ext.allow always; git config remote.origin.uploadpack %s
      rm .git/objects/$(git rev-parse HEAD^{tree} | sed 's,..,&/,')
    ]]):format(trap, trap))
    sh(repo, "git status >/dev/null 2>&1 || true")
    assert.is_truthy(uv.fs_stat(d.dir .. "/sprung")) -- the trap works
    assert(uv.fs_unlink(d.dir .. "/sprung"))
    only("checkout of default", "warning", "git: ")
    assert.is_nil(uv.fs_stat(d.dir .. "/sprung"))
  end)

  it("does not look into submodules, whose configuration is their own", function()
    local trap = d.dir .. "/trap"
    daemon.write(trap, ('#!/bin/sh\necho sprung >>%s/sprung\n'):format(d.dir), 493)
    sh(repo, ([[
      git init -q sub; git -C sub -c user.name=x -c user.email=x@localhost commit -q --allow-empty -m one
      git -c protocol.file.allow=always submodule --quiet add ./sub sub; git commit -qm sub
      git -C sub config core.fsmonitor %s
    ]]):format(trap))
    only("checkout of default", "ok", "is clean")
    assert.is_nil(uv.fs_stat(d.dir .. "/sprung"))
  end)

  it("says which token is not good, and whose one is", function()
    d:configure { openpr = { token = "opr_not_this_one", bots = { helper = { token = o.token } } } }
    local check = only("openpr.token", "failure", "invalid bot token")
    assert.matches("new one", check.remedy)
    only("openpr.bots.helper.token", "warning", 'speaks for "default"')
    assert.is_nil(select(3, examine()):find("opr_not_this_one", 1, true))
    d:configure { openpr = { api_url = "http://127.0.0.1:" .. free_port() } }
    assert.matches("is OpenPR running", only("openpr.token", "failure", "connect").remedy)
  end)

  it("asks the MCP server where that is used", function()
    assert.equal(0, #examine "openpr.mcp_url")
    d:configure { openpr = { callback = "mcp" } }
    only("openpr.mcp_url", "ok", "takes the token")
    o:fails { tool = "labels.list",
              tool_error = "Error: Tool 'labels.list' is disabled by project agent policy for project x" }
    only("openpr.mcp_url", "warning", "disabled by project agent policy")
    d:configure { openpr = { mcp_url = "http://127.0.0.1:" .. free_port() .. "/mcp/rpc" } }
    assert.matches("is the MCP server running", only("openpr.mcp_url", "failure", "connect").remedy)
  end)

  it("does not wait for an OpenPR that is silent", function()
    o:fails { path = "/auth/me", hang = true, times = 0 }
    local start = uv.hrtime()
    only("openpr.token", "failure", "")
    assert.is_true((uv.hrtime() - start) / 1e9 < 30)
  end)

  it("says whose files are open to others", function()
    d:start()
    assert(uv.fs_chmod(d.dir .. "/state/queue.db", 420)) -- 0644
    assert(uv.fs_chmod(d.dir .. "/config.lua", 438)) -- 0666
    local check = only("queue.path", "failure", "0644")
    assert.is_truthy(check.remedy:find("chmod 600 '" .. d.dir .. "/state/queue.db'", 1, true))
    only("config.lua", "failure", "")
    assert(uv.fs_chmod(d.dir .. "/config.lua", 384))
  end)

  it("says what waits for a person, and that the gate is closed", function()
    o:fails { path = "/comments", method = "POST", code = 400, message = "no", times = 0 }
    d:start()
    local answer = d:post(event.issue({}):assigned(), { ["x-webhook-signature"] = "sha256=" .. ("0"):rep(64) })
    assert.equal(401, answer.status)
    only("signatures", "warning", "1 requests were refused")
    daemon.write(d.dir .. "/event.json", (o:knows(event.issue {}):assigned()))
    d:ended(d:json("send", "--json", d.dir .. "/event.json").answer.run_id)
    only("reports", "warning", "were given up")
    d:configure { features = { cli_executor = false } }
    only("features.cli_executor", "warning", "closed")
    d:configure { executor = { safe_mode = true } }
    only("executor.safe_mode", "warning", "on")
  end)
end)
