-- The image of docker/Dockerfile, built and run without a Docker engine and without an image registry: debootstrap
-- makes the base, podman builds upon it and runs it beside the stand-in OpenPR, confined as docker/compose.yaml does.

package.path = "tests/container/?.lua;" .. package.path
local base = require "support.base"
local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local uv = require "luv"
local wait = require "support.wait"

local run, slurp, free_port = base.run, base.slurp, base.free_port

-- An agent as the image can run one: it leaves a process behind, writes into the checkout and answers as claude does.
local agent = [[
#!/bin/sh
cat >/dev/null
(setsid sleep 1000 >/dev/null 2>&1 &)
sleep "$(cat /opt/clis/seconds)"
id -u >/opt/repos/user.txt
cat /opt/clis/answer.jsonl
]]

describe("the image", function()
  local why = base.lacking("podman", "buildah", "runc")
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
    podman(300, "import", base.make(), "debian:bookworm-slim")
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
