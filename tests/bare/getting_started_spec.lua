-- Every command of docs/getting-started.md, in one shell, in its order, on a host of its own: a namespace in which
-- nothing of this one is changed.  Only the addresses of OpenPR, of the daemon and of the repository are put in.

local openpr = require "support.openpr"
local process = require "support.process"
local uv = require "luv"

local env = { PATH = os.getenv "PATH", HOME = os.getenv "HOME" or "/root", LANG = "C.UTF-8" }

local function run(seconds, with, ...) return process.run({ ... }, with, uv.cwd(), seconds) end

-- The same in namespaces of its own.
local function run_apart(seconds, with, ...)
  return run(seconds, with, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--", ...)
end

local function slurp(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local function write(path, text, mode)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  assert(uv.fs_chmod(path, mode or 420))
end

local function free_port()
  local tcp = uv.new_tcp()
  assert(tcp:bind("127.0.0.1", 0))
  local port = tcp:getsockname().port
  tcp:close()
  return port
end

-- What this machine lacks, or nil.
local function lacking()
  if uv.getuid() ~= 0 then return "not root" end
  local try = [[mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w
    mount -t overlay -o lowerdir=/opt,upperdir=/mnt/u,workdir=/mnt/w overlay /opt]]
  if run_apart(30, env, "sh", "-ec", try) ~= 0 then return "no right to make namespaces and overlays" end
end

local document = slurp "docs/getting-started.md"

describe("docs/getting-started.md", function()
  local why = lacking()
  if why then
    it("is true", function() return pending(why .. " here") end)
    return
  end

  local dir, o, port, steps, code, said

  local function prepare()
    dir = assert(uv.fs_mkdtemp "/tmp/opw-start-XXXXXX")
    assert(uv.fs_chmod(dir, 493)) -- 0755
    local script = [[
      mkdir -p "$0/tree" "$0/home/.local/bin" "$0/shims"
      tar -c --exclude=./build --exclude=./state --exclude=.git . | tar -x -C "$0/tree"
      cp -r tests/support/agents "$0/stand-in"
      for name in systemctl journalctl; do ln -s "$0/tree/tests/bare/support/systemctl" "$0/shims/$name"; done
      git init -q "$0/core"
      git -C "$0/core" -c user.name=x -c user.email=x@localhost commit -q --allow-empty -m one
      git -C "$0/core" bundle create -q "$0/core.bundle" HEAD
      chmod -R a+rX "$0"
    ]]
    local failed, _, err = run(60, env, "sh", "-euc", script, dir)
    assert(failed == 0, err)
    write(dir .. "/home/.local/bin/claude", "#!/bin/sh\nexec lua5.4 /opt/stand-in/claude \"$@\"\n", 493)
  end

  -- The blocks of the document as one script that tells where each begins.
  local function script_of(text)
    local parts = { "set -euo pipefail" }
    for block in text:gmatch "```sh step\n(.-)```" do
      steps = (steps or 0) + 1
      parts[#parts + 1] = ("echo '== step %d'"):format(steps)
      parts[#parts + 1] = block
    end
    parts[#parts + 1] = "echo '== end'"
    return table.concat(parts, "\n")
  end

  local function put(text, from, to)
    local replaced, n = text:gsub(from:gsub("%p", "%%%0"), (to:gsub("%%", "%%%%")))
    assert(n > 0, from)
    return replaced
  end

  setup(function()
    prepare()
    o, port = openpr.start(), free_port()
    local text = put(document, "127.0.0.1:8081", "127.0.0.1:" .. o.port)
    text = put(text, "127.0.0.1:8091", "127.0.0.1:" .. port)
    text = put(text, "https://git.example.com/acme/core.git", dir .. "/core.bundle")
    write(dir .. "/script", script_of(text))
    local with = { PATH = dir .. "/shims:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                   HOME = dir .. "/home", LANG = "C.UTF-8", ANTHROPIC_API_KEY = "sk-nobody-knows" }
    local out, err
    code, out, err = run_apart(900, with, dir .. "/tree/tests/bare/support/host", dir, dir .. "/script")
    said = out .. err
  end)
  teardown(function()
    o:stop()
    run(60, env, "rm", "-rf", dir)
  end)

  -- What was printed by the step that holds this command.
  local function step(command)
    local n = 0
    for block in document:gmatch "```sh step\n(.-)```" do
      n = n + 1
      if block:find(command, 1, true) then
        return assert(said:match("== step " .. n .. "\n(.-)\n== "), said)
      end
    end
    error("no step with " .. command)
  end

  it("can be followed to its end", function()
    assert.equal(0, code, said)
    assert.is_truthy(said:find("\n== end\n", 1, true), said)
    assert.equal(11, steps)
  end)

  it("shows that the first event was decided, and which gate is closed", function()
    local shown = step "send --example"
    assert.matches("\nstatus: disabled\n", shown)
    assert.matches("\ngate: cli_executor\n", shown)
    assert.matches("disabled%s+issue%.assigned", shown)
  end)

  it("has nothing for the doctor to complain about", function()
    local shown = step "systemctl reload"
    assert.is_nil(shown:find("failure", 1, true), shown)
    assert.is_nil(shown:find("warning", 1, true), shown)
    assert.matches('openpr%.token: speaks for "default"', shown)
    assert.matches("login: ANTHROPIC_API_KEY is set", shown)
  end)

  it("ends with an issue that is done, by one run, and says so in one comment", function()
    local shown = step "/projects/$P/issues"
    assert.matches("\ndone\n", shown)
    assert.matches("success", shown)
    local _, comments = shown:gsub("\nrun %x+%-%x+%-7", "")
    assert.equal(1, comments, shown)
    local issue = o:state().issues[1]
    assert.same({ "done", 1 }, { issue.state, #issue.comments })
  end)

  it("looks for what is wrong with commands that tell", function()
    local shown = step "/deliveries"
    assert.matches("issue%.assigned\t202", shown)
    assert.matches("joined", shown)
    assert.matches("msg=listening", shown)
  end)

  it("shows no secret", function()
    assert.is_nil(said:find("sk-nobody-knows", 1, true))
    assert.is_nil(said:find("opr_%x"))
  end)

  it("leaves this host as it was", function()
    assert.is_nil(uv.fs_stat "/etc/openpr-webhook")
    assert.same({}, process.marked(dir))
  end)
end)
