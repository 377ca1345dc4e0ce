-- The image of docker/Dockerfile, built and run without a Docker engine and without an image registry: debootstrap
-- makes the base, podman builds upon it and runs it beside the stand-in OpenPR, confined as docker/compose.yaml does.
--
-- The base is kept in the build directory (container/base.tar); all else goes when the test ends.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

local env = { PATH = os.getenv "PATH", HOME = os.getenv "HOME" or "/root", LANG = "C.UTF-8" }
local kept = uv.fs_realpath(os.getenv "OPW_BUILD" or "build/dev") .. "/container"

local function run(seconds, ...)
  local code, out, err = process.run({ ... }, env, uv.cwd(), seconds)
  local said = out:sub(-8000) .. err:sub(-8000)
  assert(code == 0, ("%s ends with %d:\n%s"):format(table.concat({ ... }, " "), code, said))
  return out
end

-- What this machine lacks, or nil.
local function lacking()
  if uv.getuid() ~= 0 then return "not root" end
  for _, name in ipairs { "podman", "buildah", "runc", "debootstrap", "unshare" } do
    if process.run({ "sh", "-c", "command -v " .. name }, env, "/", 10) ~= 0 then return "no " .. name end
  end
  -- As root of a container or of a chroot, one may be let do none of this.
  local needed = "mount -t proc proc /proc && mount -t tmpfs none /mnt && ls /sys/fs/cgroup/*"
  if process.run({ "unshare", "--mount", "--pid", "--fork", "sh", "-ec", needed }, env, "/", 30) ~= 0 then
    return "no right to make namespaces, mounts or cgroups"
  end
end

local function slurp(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local function make_base()
  local tar, folder = kept .. "/base.tar", kept .. "/base"
  if uv.fs_stat(tar) then return tar end
  run(60, "mkdir", "-p", kept)
  run(60, "rm", "-rf", folder)
  run(900, "debootstrap", "--variant=minbase", "bookworm", folder)
  local pack = "tar -C '%s' --exclude='./dev/*' --exclude='./var/cache/apt/archives/*.deb' -cf '%s.new' . "
    .. "&& mv '%s.new' '%s'"
  run(300, "sh", "-euc", pack:format(folder, tar, tar, tar))
  run(60, "rm", "-rf", folder)
  return tar
end

-- An agent as the image can run one: it leaves a process behind, writes into the checkout and answers as claude does.
local agent = [[
#!/bin/sh
cat >/dev/null
(setsid sleep 1000 >/dev/null 2>&1 &)
sleep "$(cat /opt/clis/seconds)"
id -u >/opt/repos/user.txt
cat /opt/clis/answer.jsonl
]]

local function free_port()
  local tcp = uv.new_tcp()
  assert(tcp:bind("127.0.0.1", 0))
  local port = tcp:getsockname().port
  tcp:close()
  return port
end

describe("the image", function()
  local why = lacking()
  if why then
    it("is built and run", function() return pending(why .. " here") end)
    return
  end

  local dir, o, port

  local function podman(seconds, ...)
    return run(seconds, "podman", "--root", dir .. "/storage", "--runroot", dir .. "/run", "--storage-driver=vfs",
               "--runtime=runc", "--cgroup-manager=cgroupfs", ...)
  end

  local function write_config()
    local config = slurp "docker/container.lua"
    local moved, n = config:gsub("0%.0%.0%.0:8091", "127.0.0.1:" .. port)
    assert(n == 1)
    daemon.write(dir .. "/config.lua", moved, 420) -- 0644
    for _, folder in ipairs { "/secrets", "/clis", "/clis/bin" } do assert(uv.fs_mkdir(dir .. folder, 493)) end
    daemon.write(dir .. "/secrets/webhook-secret", daemon.secret, 420)
    daemon.write(dir .. "/secrets/bot-token", o.token, 420)
    daemon.write(dir .. "/secrets/anthropic-key", "sk-none", 420)
    daemon.write(dir .. "/clis/answer.jsonl", slurp "tests/fixtures/streams/claude-ok.jsonl", 420)
    daemon.write(dir .. "/clis/seconds", "0", 420)
    daemon.write(dir .. "/clis/bin/claude", agent, 493)
  end

  setup(function()
    dir = assert(uv.fs_mkdtemp "/tmp/opw-image-XXXXXX")
    assert(uv.fs_chmod(dir, 493))
    o, port = openpr.start(), free_port()
    write_config()
    podman(300, "import", make_base(), "debian:bookworm-slim")
    podman(1800, "build", "--isolation=chroot", "--network=host", "--format=docker", "--layers=false",
           "--build-arg=TESTS=none", "--file=docker/Dockerfile", "--tag=openpr-webhook", ".")
    podman(120, "run", "--detach", "--name=opw", "--network=host", "--read-only", "--tmpfs=/tmp:exec", "--cap-drop=all",
           "--security-opt=no-new-privileges", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024",
           "--env=OPENPR_API_URL=" .. o.url, "--env=OPENPR_WEBHOOK_PORT=" .. port,
           "--volume=state:/var/lib/openpr-webhook", "--volume=repos:/opt/repos",
           "--volume=" .. dir .. "/config.lua:/etc/openpr-webhook/config.lua:ro",
           "--volume=" .. dir .. "/secrets:/run/secrets:ro", "--volume=" .. dir .. "/clis:/opt/clis:ro",
           "openpr-webhook")
  end)
  teardown(function()
    pcall(podman, 120, "rm", "--force", "--all", "--time=0")
    o:stop()
    run(120, "rm", "-rf", dir)
  end)

  local function log() return podman(30, "logs", "opw") end

  local function serves()
    wait.eventually(function() return "it serves\n" .. log() end, function()
      local answered, response = pcall(http.request, port, "GET", "/ready")
      return answered and response and response.status == 200
    end, 30)
  end

  local function inside(...) return podman(60, "exec", "opw", ...) end
  local function runs() return event.json.decode(inside("openpr-webhook", "runs", "--json")) end

  local function post(issue)
    local answer = daemon.post({ port = port }, (issue:assigned())).json
    assert.equal("dispatched", answer.status)
    return answer.run_id
  end

  local function reported(issue)
    wait.eventually(function() return "it is reported\n" .. log() end,
                    function() return #o:issue(issue.id).comments == 1 and o:issue(issue.id).state == "done" end, 60)
  end

  -- The processes in the container, as { state, name } each.
  local function inhabitants()
    local first = podman(30, "inspect", "--format={{.State.Pid}}", "opw"):match "%d+"
    local space, found = uv.fs_readlink("/proc/" .. first .. "/ns/pid"), {}
    for pid in uv.fs_scandir_next, assert(uv.fs_scandir "/proc") do
      if pid:match "^%d+$" and uv.fs_readlink("/proc/" .. pid .. "/ns/pid") == space then
        local file = io.open("/proc/" .. pid .. "/stat")
        local name, state = (file and file:read "a" or ""):match "%((.*)%) (%u)"
        if file then file:close() end
        found[#found + 1] = name and name .. " " .. state
      end
    end
    return found
  end

  it("does the main job as a user without rights, with nothing to write but its volumes", function()
    serves()
    local issue = o:knows(event.issue {})
    post(issue)
    reported(issue)
    assert.equal("10001\n", inside("cat", "/opt/repos/user.txt"))
    assert.has_error(function() inside("touch", "/usr/share/openpr-webhook/x") end)
    assert.equal("openpr-webhook\n", inside("cat", "/proc/1/comm"))
  end)

  it("leaves no process of an agent, and no zombie", function()
    wait.eventually(function() return table.concat(inhabitants(), "\n") end, function()
      for _, one in ipairs(inhabitants()) do
        if one:match " Z$" or one:match "^sleep" then return false end
      end
      return true
    end, 20)
  end)

  it("passes its healthcheck while it serves, and not on another port", function()
    podman(30, "healthcheck", "run", "opw")
    assert.has_error(function()
      podman(30, "exec", "--env=OPENPR_WEBHOOK_PORT=1", "opw", "/usr/share/openpr-webhook/healthcheck")
    end)
  end)

  it("drains at SIGTERM, and keeps its state over a restart", function()
    daemon.write(dir .. "/clis/seconds", "4", 420)
    local issue = o:knows(event.issue {})
    local id = post(issue)
    wait.eventually("it runs", function() return runs()[1].state == "running" end)
    podman(90, "stop", "--time=75", "opw")
    assert.equal("0\n", podman(30, "inspect", "--format={{.State.ExitCode}}", "opw"))
    podman(60, "start", "opw")
    serves()
    reported(issue)
    local newest = runs()[1]
    assert.same({ id, "success", 1 }, { newest.run_id, newest.outcome, newest.attempt })
    assert.equal(2, #runs())
  end)
end)
